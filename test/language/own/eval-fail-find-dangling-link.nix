builtins.findFile [ { prefix = ""; path = ./links; } ] "dangling"
