# sudo.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMapStrings
    concatStringsSep
    isString
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    optionalString
    types
    ;
  cfg = config.security.sudo;

  commandType = types.coercedTo types.str (command: { inherit command; }) (
    types.submodule {
      options = {
        command = mkOption {
          type = types.str;
          description = "Program with arguments, or ALL.";
        };
        options = mkOption {
          type = types.listOf (
            types.enum [
              "NOPASSWD"
              "PASSWD"
              "NOEXEC"
              "EXEC"
              "SETENV"
              "NOSETENV"
              "LOG_INPUT"
              "NOLOG_INPUT"
              "LOG_OUTPUT"
              "NOLOG_OUTPUT"
            ]
          );
          default = [ ];
          description = "Tags of the command.";
        };
      };
    }
  );

  nameOf = prefix: value: if isString value then prefix + value else "${prefix}#${toString value}";

  commandText = command: concatStringsSep "" (map (tag: "${tag}: ") command.options) + command.command;

  ruleText =
    rule:
    concatMapStrings (
      who: "${who} ${rule.host}=(${rule.runAs}) ${concatStringsSep ", " (map commandText rule.commands)}\n"
    ) (map (nameOf "") rule.users ++ map (nameOf "%") rule.groups);

  text = ''
    # Made from security.sudo.
    Defaults env_reset
    Defaults secure_path="/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    root ALL=(ALL:ALL) ALL
  ''
  + concatMapStrings ruleText (builtins.filter (rule: rule.commands != [ ]) cfg.extraRules)
  + cfg.extraConfig;
in
{
  options.security.sudo = {
    enable = mkEnableOption "sudo";
    wheelNeedsPassword = mkOption {
      type = types.bool;
      default = true;
      description = "Whether members of `wheel` give a password. No user of this base has one, so with `true` they cannot use sudo.";
    };
    extraRules = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            users = mkOption {
              type = types.listOf (types.either types.str types.int);
              default = [ ];
              description = "Users, by name or number.";
            };
            groups = mkOption {
              type = types.listOf (types.either types.str types.int);
              default = [ ];
              description = "Groups, by name or number.";
            };
            host = mkOption {
              type = types.str;
              default = "ALL";
              description = "Host the rule is for.";
            };
            runAs = mkOption {
              type = types.str;
              default = "ALL:ALL";
              description = "User and group the commands run as.";
            };
            commands = mkOption {
              type = types.listOf commandType;
              default = [ ];
              description = "What may be run.";
            };
          };
        }
      );
      default = [ ];
      description = "Who may run what. Later rules win.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of sudoers.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ pkgs.sudo ];
    environment.etc.sudoers.source = pkgs.pristine.checkedText {
      name = "sudoers";
      inherit text;
      packages = [ pkgs.sudo ];
      libraryDirectories = [ "${pkgs.sudo}/usr/libexec/sudo" ];
      program = "${pkgs.sudo}/usr/sbin/visudo";
      arguments = [
        "-c"
        "-f"
      ];
    };

    users.groups.wheel = { };

    security.sudo.extraRules = lib.mkBefore [
      {
        groups = [ "wheel" ];
        commands = [
          {
            command = "ALL";
            options = lib.optional (!cfg.wheelNeedsPassword) "NOPASSWD";
          }
        ];
      }
    ];

    security.wrappers.sudo = {
      source = "${pkgs.sudo}/usr/bin/sudo";
      owner = "root";
      group = "root";
      setuid = true;
    };
    security.wrappers.sudoedit = {
      source = "${pkgs.sudo}/usr/bin/sudoedit";
      owner = "root";
      group = "root";
      setuid = true;
    };

    warnings =
      lib.optional (cfg.wheelNeedsPassword && config.users.groups.wheel.members != [ ])
        "Users in group 'wheel' cannot use sudo: security.sudo.wheelNeedsPassword is on, and no user has a password.";
  };
}
