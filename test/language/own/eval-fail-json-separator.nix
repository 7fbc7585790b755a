builtins.fromJSON "{\"a\"}"
