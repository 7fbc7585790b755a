# The nixpkgs of NIX_PATH, for a file that names none; `setting` is how it would, and `value` what with.
{
  where,
  setting,
  value,
}:
let
  searched = builtins.tryEval (builtins.findFile builtins.nixPath "nixpkgs");
in
if searched.success then
  searched.value
else
  throw "${where} has no `${setting}', and NIX_PATH names no nixpkgs: add `${setting} = ${value};', or set NIX_PATH."
