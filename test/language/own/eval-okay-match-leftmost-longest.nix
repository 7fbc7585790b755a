[ (builtins.match "(a|ab)(c|bcd)(d*)" "abcd") (builtins.match "(a*)(a|b)*" "aab") (builtins.split "(o|oo)" "foo") (builtins.match "(()|a)*" "aa") (builtins.match "[]a]+" "]a") ]
