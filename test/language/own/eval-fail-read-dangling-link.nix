builtins.readDir ./links/dangling
