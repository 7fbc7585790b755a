[
  (builtins.replaceStrings [ "" ] [ "-" ] "abc")
  (builtins.replaceStrings [ "a" "" ] [ "1" "-" ] "bab")
  (builtins.replaceStrings [ "" "a" ] [ "" "x" ] "aa")
  (builtins.replaceStrings [ "o" "oo" ] [ "1" (throw "lazy") ] "foo")
]
