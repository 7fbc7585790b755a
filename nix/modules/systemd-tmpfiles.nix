# Files and directories outside of /etc and /usr, made at boot and at every switch.
{ config, lib, ... }:
let
  inherit (lib) concatLists concatStringsSep mapAttrs' mapAttrsToList mkIf mkMerge mkOption nameValuePair types;
  cfg = config.systemd.tmpfiles;

  entry = types.submodule (
    { name, ... }:
    {
      options = {
        type = mkOption {
          type = types.str;
          default = name;
          description = "What to do, as tmpfiles.d(5) names it.";
        };
        mode = mkOption {
          type = types.str;
          default = "-";
          example = "0755";
          description = "The mode.";
        };
        user = mkOption {
          type = types.str;
          default = "-";
          description = "The owner.";
        };
        group = mkOption {
          type = types.str;
          default = "-";
          description = "The group.";
        };
        age = mkOption {
          type = types.str;
          default = "-";
          example = "10d";
          description = "How old files may get.";
        };
        argument = mkOption {
          type = types.str;
          default = "";
          description = "What else there is to say: a link's target, a file's text.";
        };
      };
    }
  );

  # One rule stands on one line, and % starts a specifier.
  escapeArgument = builtins.replaceStrings [ "\\" "\n" "\t" "%" ] [ "\\\\" "\\n" "\\t" "%%" ];
  escapePath = path: builtins.toJSON (builtins.replaceStrings [ "%" ] [ "%%" ] path);
  line =
    path: rule:
    "${rule.type} ${escapePath path} ${rule.mode} ${rule.user} ${rule.group} ${rule.age} ${escapeArgument rule.argument}\n";
in
{
  options.systemd.tmpfiles = {
    rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "d /var/lib/app 0750 app app -" ];
      description = "Rules as tmpfiles.d(5) has them.";
    };
    settings = mkOption {
      type = types.attrsOf (types.attrsOf (types.attrsOf entry));
      default = { };
      example = {
        "10-app"."/var/lib/app".d = {
          user = "app";
          mode = "0750";
        };
      };
      description = "Rules by file, path and type.";
    };
  };

  config.environment.etc = mkMerge [
    (mkIf (cfg.rules != [ ]) {
      "tmpfiles.d/00-pristine.conf".text = concatStringsSep "\n" (lib.unique cfg.rules) + "\n";
    })
    (mapAttrs' (
      file: paths:
      nameValuePair "tmpfiles.d/${file}.conf" {
        text = lib.concatStrings (
          concatLists (mapAttrsToList (path: rules: mapAttrsToList (_: line path) rules) paths)
        );
      }
    ) cfg.settings)
  ];
}
