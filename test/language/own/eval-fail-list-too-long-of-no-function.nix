builtins.genList "no function" 1000000000000000
