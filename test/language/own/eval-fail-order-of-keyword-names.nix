# A keyword is met as a name only where it is one.
let inner = { }; in builtins.deepSeq { met-first = throw "first"; "let" = throw "second"; } inner
