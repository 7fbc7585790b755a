let file = builtins.toFile "f" "x"; in [ (builtins.pathExists file) (builtins.readFile file) (builtins.readFileType file) ]
