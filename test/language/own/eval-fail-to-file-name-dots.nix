builtins.toFile "..-a" "x"
