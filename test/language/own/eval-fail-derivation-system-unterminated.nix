(builtins.derivationStrict { name = "a"; system = "x\\"; builder = "b"; args = [ ]; }).drvPath
