# Files that the deployer puts on the host over ssh: in no store, and no part of a generation.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (builtins)
    filter
    head
    length
    toString
    ;
  inherit (lib) mapAttrsToList mkOption types;
  place = import ./definition-place.nix { inherit lib; } options.deployment.uploads;

  upload =
    { options, ... }:
    {
    options = {
      file = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/run/keys/shop";
        description = "A file on the deployer, read when it is uploaded: a string, since a path would be copied to the store. What is not absolute is relative to the fleet file.";
      };
      command = mkOption {
        type = types.nullOr (types.nonEmptyListOf types.str);
        default = null;
        example = [
          "pass"
          "show"
          "shop"
        ];
        description = "A program and its arguments, run on the deployer beside the fleet file, without a shell: what it writes is uploaded.";
      };
      text = mkOption {
        type = types.str;
        description = "What is uploaded. It is evaluated when it is, and written down nowhere else than in the file that declares it.";
      };
      hasText = mkOption {
        type = types.nullOr types.bool;
        internal = true;
        default = null;
        apply = known: if known == null then options.text.isDefined else known;
        description = "Whether there is a text. Looking for one evaluates it, unless this is defined.";
      };
      path = mkOption {
        type = types.strMatching "/.*[^/]";
        example = "/run/keys/shop";
        description = "Where it is on the host. What is below /run is gone with the next boot.";
      };
      owner = mkOption {
        type = types.str;
        default = "root";
        description = "The user who owns it, by name or number.";
      };
      group = mkOption {
        type = types.str;
        default = "root";
        description = "Its group.";
      };
      mode = mkOption {
        type = types.strMatching "0?[0-7]{3}";
        default = "0400";
        description = "Its mode.";
      };
      when = mkOption {
        type = types.enum [
          "preActivation"
          "postActivation"
        ];
        default = "preActivation";
        description = "Whether it is there before the system is activated, or comes once the host is active and healthy. A user who does not exist before owns it afterwards.";
      };
      makeDirectories = mkOption {
        type = types.bool;
        default = true;
        description = "Whether directories above it are made where they are missing.";
      };
      afterwards = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [
          "systemctl"
          "reload"
          "nginx.service"
        ];
        description = "A program on the host and its arguments, run as the user of `deployment.target` when the file has changed.";
      };
    };
  };

  dataOf =
    name: given:
    let
      sources =
        filter (source: given.${source} != null) [
          "file"
          "command"
        ]
        ++ lib.optional given.hasText "text";
    in
    if length sources != 1 then
      throw "deployment.uploads.${lib.escapeNixIdentifier name} has ${
        if sources == [ ] then "no source" else lib.concatStringsSep " and " sources
      }; each has one of file, command and text. It is defined in ${place name}."
    else
      {
        inherit name;
        place = place name;
        source = head sources;
        inherit (given)
          file
          command
          path
          owner
          group
          mode
          when
          makeDirectories
          afterwards
          ;
      };
in
{
  options.deployment = {
    uploads = mkOption {
      type = types.attrsOf (types.submodule upload);
      default = { };
      example = lib.literalExpression ''
        {
          shop = { command = [ "pass" "show" "shop" ]; path = "/run/keys/shop"; owner = "shop"; };
        }
      '';
      description = "Files that deployments put on the host over ssh, beside its system. They are not part of a generation, and not there after a boot where they are below /run; `deployment.secrets` are.";
    };
    uploadData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The same without texts, as the deployer gets it.";
    };
  };

  config.deployment.uploadData = mapAttrsToList dataOf config.deployment.uploads;
}
