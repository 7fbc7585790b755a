/** What is written about the builtins for lists, by name and arguments. */

export const LIST_DOCS: Readonly<Record<string, string>> = {
  "all predicate list":
    "Whether `predicate` answers true for every element; true for the empty list. It stops at the first element for which it does not.",
  "any predicate list":
    "Whether `predicate` answers true for at least one element; false for the empty list. It stops at the first element for which it does.",
  "concatLists lists": "The elements of all lists in a list of lists, one list after the other.",
  "concatMap f list":
    "Calls `f` with each element and joins the lists that it answers.\n\n```nix\nbuiltins.concatMap (x: [ x x ]) [ 1 2 ]\n```\n\nis `[ 1 1 2 2 ]`.",
  "elem x list": "Whether an element of the list is equal to `x`.",
  "elemAt list index": "The element at an index, which counts from 0. An index outside of the list is an error.",
  "filter predicate list": "The elements for which `predicate` answers true, in their order.",
  "foldl' operator start list":
    "Combines the elements from the left: calls `operator` with what there is so far, at first `start`, and the next element. Each result is evaluated before the next call, so that long lists need no deep stack.\n\n```nix\nbuiltins.foldl' (sum: x: sum + x) 0 [ 1 2 3 ]\n```\n\nis `6`.",
  "genList f length":
    "A list of `length` elements: `f` called with each index from 0. The calls are made when an element is needed.",
  "groupBy f list":
    'A set that has, under each name that `f` answers for some element, the list of those elements.\n\n```nix\nbuiltins.groupBy (builtins.substring 0 1) [ "foo" "bar" "baz" ]\n```\n\nis `{ b = [ "bar" "baz" ]; f = [ "foo" ]; }`.',
  "head list": "The first element. The empty list has none, which is an error.",
  "isList value": "Whether the value is a list.",
  "length list": "How many elements the list has.",
  "map f list":
    "Calls `f` with each element, when its result is needed, and gives the list of results.\n\n```nix\nmap (x: x + 1) [ 1 2 3 ]\n```\n\nis `[ 2 3 4 ]`.",
  "partition predicate list":
    "A set of two lists: `right` has the elements for which `predicate` answers true, `wrong` the others.",
  "sort comparator list":
    "The elements in ascending order, where `comparator` says whether its first argument comes before its second. Elements of which neither comes before the other keep their order. The comparator must be a strict weak ordering, such as `builtins.lessThan`.",
  "tail list":
    "The list without its first element. Each call copies the rest, so that walking over a long list this way is slow.",
};
