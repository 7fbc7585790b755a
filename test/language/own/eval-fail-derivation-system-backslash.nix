# What is read back is another system, and so another derivation.
(builtins.derivationStrict { name = "a"; system = "x\\y"; builder = "b"; }).drvPath
