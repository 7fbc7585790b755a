/** What is written about the builtins that control evaluation, by name and arguments. */

export const CONTROL_DOCS: Readonly<Record<string, string>> = {
  "abort message": "Ends evaluation with a message. Unlike what `throw` does, `builtins.tryEval` does not catch it.",
  "addErrorContext message value": "The value; an error while it is evaluated gets the message into its trace.",
  "break value": "The value. In Nix's debugger evaluation stops there; Pristine has none.",
  "deepSeq first second": "Evaluates `first` with everything in it, then gives `second`.",
  "genericClosure set":
    "All sets that can be reached: those of the list `startSet`, what the function `operator` answers for each of them, and so on. Each must have a `key`, and of those with the same key only the first is taken.\n\n```nix\nmap (x: x.key) (builtins.genericClosure {\n  startSet = [ { key = 5; } ];\n  operator = x: if x.key == 0 then [ ] else [ { key = x.key - 1; } ];\n})\n```\n\nis `[ 5 4 3 2 1 0 ]`.",
  "import path":
    "The value of the Nix expression in a file, or in `default.nix` of a directory. A file is evaluated once, however often it is imported. What a derivation makes is built first.",
  "isBool value": "Whether the value is a Boolean.",
  "isFunction value": "Whether the value is a function; false for a set with `__functor`.",
  "isNull value": "Whether the value is null; `value == null` does the same.",
  "scopedImport scope path":
    "Like `import`, but the attributes of `scope` come before the builtin names in the file. The result is not kept, so that the file is evaluated each time.",
  "seq first second": "Evaluates `first` as far as to know what it is, then gives `second`.",
  "throw message": "Fails with a message; `builtins.tryEval` catches it.",
  "trace message value": "Prints the message, or another value, on standard error, then gives `value`.",
  "traceVerbose message value": "Like `builtins.trace` when the setting `trace-verbose` is on; else just `value`.",
  "tryEval value":
    "Evaluates the value as far as to know what it is: `{ success = true; value = …; }`, or `{ success = false; value = false; }` when `throw` or a failed assertion ended that. Other errors are not caught.",
  "typeOf value":
    'The type of a value: `"int"`, `"bool"`, `"string"`, `"path"`, `"null"`, `"set"`, `"list"`, `"lambda"` or `"float"`.',
  "warn message value":
    "Prints the message as a warning on standard error, then gives `value`. With the setting `abort-on-warn` it ends evaluation instead.",
};
