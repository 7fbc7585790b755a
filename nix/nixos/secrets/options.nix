# The options of secrets and templates, below `pristine` on NixOS and below `deployment` on hosts of ours, with the lib of each.
{
  lib,
  # What they are below.
  prefix,
  # All that the host declares.
  users,
  # The key that was enrolled for the host; null when none was.
  enrolledKey,
}:
let
  inherit (lib) mkOption types;
  # Where secrets are found on the host.
  runDirectory = "/run/secrets";
  placeholderOf = name: "@pristine-secret:${name}@";

  unitName = types.strMatching "[^/[:space:]]+\\.(service|socket|timer|path|target|mount)";
  fileOptions =
    { name, config, ... }:
    {
      options = {
        path = mkOption {
          type = types.strMatching "/.*[^/]";
          default = "${runDirectory}/${name}";
          defaultText = lib.literalExpression "\"${runDirectory}/<name>\"";
          description = "Where programs find it. Anywhere but in `${runDirectory}`, this is a link to there.";
        };
        owner = mkOption {
          type = types.str;
          default = "root";
          description = "The user who owns it.";
        };
        group = mkOption {
          type = types.str;
          default = (users.${config.owner} or { group = "root"; }).group;
          defaultText = lib.literalExpression "the owner's group";
          description = "Its group.";
        };
        mode = mkOption {
          type = types.strMatching "0?[0-7]{3}";
          default = "0400";
          description = "Its mode.";
        };
        restartUnits = mkOption {
          type = types.listOf unitName;
          default = [ ];
          example = [ "app.service" ];
          description = "Units that are restarted when it has changed, those of them that run.";
        };
        reloadUnits = mkOption {
          type = types.listOf unitName;
          default = [ ];
          example = [ "nginx.service" ];
          description = "Units that are reloaded when it has changed, those of them that run.";
        };
      };
    };

  secret =
    { name, ... }:
    {
      options = {
        file = mkOption {
          type = types.nullOr types.path;
          default = null;
          example = lib.literalExpression "./secrets/db.age";
          description = "The age file in your repository, for the keys in `meta.secrets.recipients`. `pristine secrets edit` makes and changes it.";
        };
        generate = mkOption {
          type = types.nullOr (
            types.submodule {
              options = {
                length = mkOption {
                  type = types.ints.between 8 4096;
                  default = 32;
                  description = "How many characters.";
                };
                alphabet = mkOption {
                  type = types.strMatching "[!-~]{2,}";
                  default = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
                  description = "The characters to choose from.";
                };
                command = mkOption {
                  type = types.nullOr (types.nonEmptyListOf types.str);
                  default = null;
                  example = [
                    "wg"
                    "genkey"
                  ];
                  description = "A program, with its arguments, whose output is taken instead; it runs on the machine that generates.";
                };
              };
            }
          );
          default = null;
          example = {
            length = 40;
          };
          description = "How `pristine secrets generate` makes `file` when it is not there.";
        };
        command = mkOption {
          type = types.nullOr (types.nonEmptyListOf types.str);
          default = null;
          example = [
            "pass"
            "shop/db"
          ];
          description = "Instead of `file`: a program, with its arguments, that `pristine secrets rekey` runs on the deployer, and whose output is the secret.";
        };
        environment = mkOption {
          type = types.nullOr (types.strMatching "[A-Za-z_][A-Za-z0-9_]*");
          default = null;
          example = "DB_PASSWORD";
          description = "Instead of `file`: an environment variable that `pristine secrets rekey` reads.";
        };
        placeholder = mkOption {
          type = types.str;
          default = placeholderOf name;
          readOnly = true;
          description = "What stands for the secret in templates.";
        };
      };
    };

  template = {
    options.content = mkOption {
      type = types.lines;
      example = lib.literalExpression ''"password = ''${config.${prefix}.secrets.db.placeholder}"'';
      description = "The text, with placeholders of secrets, which the host replaces. A secret's last line break is left out.";
    };
  };
in
{
  inherit runDirectory;
  secrets = mkOption {
    type = types.attrsOf (
      types.submodule {
        imports = [
          fileOptions
          secret
        ];
      }
    );
    default = { };
    example = lib.literalExpression ''
      {
        db = { file = ./secrets/db.age; owner = "app"; restartUnits = [ "app.service" ]; };
      }
    '';
    description = "Secrets of the host, by name.";
  };
  hostKey = mkOption {
    type = types.nullOr types.str;
    default = enrolledKey;
    defaultText = lib.literalExpression "the key that was enrolled";
    example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…";
    description = "The host's public ssh key (ed25519 or rsa), for which its secrets are encrypted.";
  };
  secretTemplates = mkOption {
    type = types.attrsOf (
      types.submodule {
        imports = [
          fileOptions
          template
        ];
      }
    );
    default = { };
    example = lib.literalExpression ''
      {
        "app.conf".content = "password = ''${config.${prefix}.secrets.db.placeholder}";
      }
    '';
    description = "Files with secrets in them, by name.";
  };
}
