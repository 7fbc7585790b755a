builtins.toXML { "x y" = { "<&>" = "<&>\n"; }; f = { a, b ? 1, ... }@c: a; g = x: x; }
