# `nixosConfigurations` of a flake, or a set of such: each is the system of a host of that name.
{ lib, report }:
{ input, ... }:
let
  inherit (input) where;
  configurations =
    if input.flake == null then
      input.value
    else
      input.flake.outputs.nixosConfigurations or (throw "${where} has no output nixosConfigurations.");

  hostOf = name: configuration: {
    platform = configuration.pkgs.stdenv.hostPlatform.system;
    system = configuration.config.system.build.toplevel;
    inherit configuration;
    definitions = { };
    options = [ ];
  };
in
if !builtins.isAttrs configurations then
  throw "${where} is a value of type ${builtins.typeOf configurations}; nixosConfigurations are an attribute set of what nixpkgs.lib.nixosSystem makes."
else
  {
    tool = "nixosConfigurations";
    inherit where;
    options = [ ];
    behaviour = [
      "A configuration says nothing of how its host is reached: a host has its name as address and root as user, unless `hosts' in the entry says otherwise."
    ];
    hosts = builtins.mapAttrs hostOf configurations;
  }
