/** What is written about the builtins for numbers, by name and arguments. */

export const NUMBER_DOCS: Readonly<Record<string, string>> = {
  "add left right":
    "The sum of two numbers: an integer if both are, else a float. An integer that does not fit into 64 bits is an error.",
  "bitAnd left right": "The bits that both integers have.",
  "bitOr left right": "The bits that one of two integers has, or both.",
  "bitXor left right": "The bits that exactly one of two integers has.",
  "ceil number": "The least integer that is not less than the number.",
  "div left right":
    "The quotient of two numbers. That of integers is cut towards zero, and dividing by zero is an error.",
  "floor number": "The greatest integer that is not greater than the number.",
  "isFloat value": "Whether the value is a float.",
  "isInt value": "Whether the value is an integer.",
  "lessThan left right":
    "Whether `left` is less than `right`: numbers by size, strings and paths by bytes, lists by the first elements that differ.",
  "mul left right": "The product of two numbers: an integer if both are, else a float.",
  "sub left right": "The difference of two numbers: an integer if both are, else a float.",
};
