(builtins.derivationStrict { name = "a"; system = "x\"y"; builder = "b"; }).drvPath
