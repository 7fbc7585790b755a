# Of several derivations that a text refers to, Nix tells of the first in the order of contexts: by store path.
let
  one = derivation { name = "one"; system = "s"; builder = "b"; };
  two = derivation { name = "two"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; };
in
builtins.toFile "text" "${two.dev}${two}${one}"
