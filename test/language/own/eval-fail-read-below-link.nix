builtins.readFile ./links/link/below
