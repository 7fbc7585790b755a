builtins.toFile "x" (derivation { name = "a"; system = "s"; builder = "b"; }).outPath
