(x: x) { inherit "a b"; }
