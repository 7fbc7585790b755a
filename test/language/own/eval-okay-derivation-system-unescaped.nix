# Nix writes the system into the text of a derivation as it is, so that a tab in it is not escaped.
(derivation { name = "a"; system = "x\ty"; builder = "b"; }).drvPath
