# Profiles of a NixOS host's users, beside the system's: what deploy-rs has as further profiles of a node.
{
  config,
  lib,
  name,
  options,
  ...
}:
let
  inherit (builtins) attrNames attrValues head sort;
  inherit (lib) mkOption types;
  cfg = config.deployment.profiles;
  placeOf = import ./definition-place.nix { inherit lib; } options.deployment.profiles;
  called = profile: "deployment.profiles.${lib.escapeNixIdentifier profile}";

  first = a: b: a.order < b.order || a.order == b.order && a.name < b.name;
  dataOf =
    profile:
    if profile.path ? drvPath then
      {
        inherit (profile) name user link;
        drvPath = builtins.unsafeDiscardStringContext profile.path.drvPath;
        outputPath = builtins.unsafeDiscardStringContext profile.path.outPath;
      }
    else
      throw "${called profile.name}.path of the host '${name}' is ${lib.moduleErrors.showValue profile.path.outPath}, which is no derivation. It is defined in ${placeOf profile.name}.";
in
{
  options.deployment = {
    profiles = mkOption {
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = {
              name = mkOption {
                type = types.strMatching "[A-Za-z0-9_][A-Za-z0-9_.+-]{0,126}";
                default = name;
                internal = true;
                description = "What the profile's link is called.";
              };
              user = mkOption {
                type = types.strMatching "[a-zA-Z_][a-zA-Z0-9_.-]*";
                example = "alice";
                description = "The user whose profile it is, and who runs its script.";
              };
              path = mkOption {
                type = types.package;
                example = lib.literalExpression "homeConfigurations.alice.activationPackage";
                description = "What the profile is. The program `deploy-rs-activate` in it, where there is one, is run with `PROFILE` set to the link when this has changed, and again that of the one before when the host returns.";
              };
              link = mkOption {
                type = types.nullOr (types.strMatching "(/[A-Za-z0-9_.+@-]+)+");
                default = null;
                example = "/nix/var/nix/profiles/shop";
                description = "The link; null for the one that Nix has for the user: in `/nix/var/nix/profiles/per-user`, or in `~/.local/state/nix/profiles` where that has no directory of the user's.";
              };
              order = mkOption {
                type = types.int;
                default = 1000;
                description = "Profiles with smaller numbers are activated before others, all of them after the system.";
              };
            };
          }
        )
      );
      default = { };
      example = lib.literalExpression ''
        {
          home = { user = "alice"; path = activatable; };
        }
      '';
      description = "Profiles of users on a host of NixOS, beside the system's. They are deployed, confirmed and returned together with it, by the goals `switch`, `temporary` and `reboot`; the others leave them as they are. One that is not declared any more is taken away.";
    };
    profileData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The profiles as the deployer gets them.";
    };
  };

  config = {
    deployment.profileData = map dataOf (sort first (attrValues cfg));
    assertions = [
      {
        assertion = cfg == { } || config.deployment.isNixos;
        message = "${called (head (attrNames cfg))} is a profile beside a NixOS system, which '${name}' does not have. It is defined in ${placeOf (head (attrNames cfg))}.";
      }
    ];
  };
}
