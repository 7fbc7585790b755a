builtins.fetchTree { type = "path"; "a b" = [ ]; }
