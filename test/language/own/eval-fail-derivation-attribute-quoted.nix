builtins.derivationStrict { name = "a"; system = "s"; builder = "b"; "a b" = x: x; }
