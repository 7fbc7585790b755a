builtins.listToAttrs [
  { name = "made-late"; value = throw "first"; }
  { name = "made-early"; value = throw "second"; }
]
