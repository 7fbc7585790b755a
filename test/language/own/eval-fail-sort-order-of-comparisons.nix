# The run in the middle of a long list is looked for first.
builtins.sort builtins.lessThan (builtins.genList (key: { inherit key; }) 20)
