# The ssh server. It is only ever reloaded: a running session never ends because of a deployment.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMapStringsSep
    concatStrings
    concatStringsSep
    filterAttrs

    isBool
    isList
    mapAttrsToList
    mkDefault
    mkIf
    mkOption
    optionalString
    types
    ;
  cfg = config.services.openssh;

  valueType = types.nullOr (
    types.oneOf [
      types.bool
      types.int
      types.str
      (types.listOf types.str)
    ]
  );

  rendered =
    value:
    if isBool value then
      (if value then "yes" else "no")
    else if isList value then
      concatStringsSep " " value
    else
      toString value;

  # Keywords whose lists sshd separates by commas.
  commaSeparated = [
    "Ciphers"
    "KexAlgorithms"
    "Macs"
    "MACs"
    "HostKeyAlgorithms"
    "PubkeyAcceptedAlgorithms"
  ];
  setting =
    key: value: "${key} ${if isList value && builtins.elem key commaSeparated then concatStringsSep "," value else rendered value}\n";

  configText =
    concatStrings (map (port: "Port ${toString port}\n") cfg.ports)
    + concatStrings (
      map (
        listen: "ListenAddress ${listen.addr}${optionalString (listen.port != null) ":${toString listen.port}"}\n"
      ) cfg.listenAddresses
    )
    + concatStrings (map (key: "HostKey ${key.path}\n") cfg.hostKeys)
    + "AuthorizedKeysFile ${concatStringsSep " " cfg.authorizedKeysFiles}\n"
    + concatStrings (mapAttrsToList setting (filterAttrs (_: value: value != null) cfg.settings))
    + optionalString cfg.allowSFTP "Subsystem sftp ${cfg.sftpServerExecutable}\n"
    + cfg.extraConfig;

  generateKey =
    key:
    let
      path = lib.escapeShellArg key.path;
    in
    ''
      if [ ! -s ${path} ]; then
        mkdir -p "$(dirname ${path})"
        rm -f ${path} ${path}.pub
        ssh-keygen -q -t ${lib.escapeShellArg key.type} ${
          optionalString (key.bits != null) "-b ${toString key.bits} "
        }-C "" -N "" -f ${path}
        sync ${path} ${path}.pub
      fi
    '';
in
{
  options.services.openssh = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to run the ssh server. Deployments come in through it.";
    };
    package = mkOption {
      type = types.package;
      default = pkgs.openssh-server;
      defaultText = lib.literalExpression "pkgs.openssh-server";
      description = "The package of the server.";
    };
    ports = mkOption {
      type = types.listOf types.port;
      default = [ 22 ];
      description = "Ports the server listens on.";
    };
    listenAddresses = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            addr = mkOption {
              type = types.str;
              description = "Address.";
            };
            port = mkOption {
              type = types.nullOr types.port;
              default = null;
              description = "Port; null means those of `ports`.";
            };
          };
        }
      );
      default = [ ];
      description = "Addresses the server listens on; empty means all.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the firewall lets the server's ports through.";
    };
    allowSFTP = mkOption {
      type = types.bool;
      default = true;
      description = "Whether files can be transferred by sftp.";
    };
    sftpServerExecutable = mkOption {
      type = types.str;
      default = "/usr/lib/openssh/sftp-server";
      description = "What serves sftp.";
    };
    hostKeys = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            path = mkOption {
              type = types.str;
              description = "Where the key lies; it is made when absent.";
            };
            type = mkOption {
              type = types.enum [
                "ed25519"
                "rsa"
                "ecdsa"
              ];
              default = "ed25519";
              description = "Kind of key.";
            };
            bits = mkOption {
              type = types.nullOr types.ints.positive;
              default = null;
              description = "Length of the key, where the kind leaves a choice.";
            };
          };
        }
      );
      default = [
        {
          path = "/persist/etc/ssh/ssh_host_ed25519_key";
          type = "ed25519";
        }
      ];
      description = "The keys by which clients know the host.";
    };
    authorizedKeysFiles = mkOption {
      type = types.listOf types.str;
      default = [ "/etc/ssh/authorized_keys.d/%u" ];
      description = "Files with the keys that may log in. Those of `users.users.<name>.openssh.authorizedKeys` are in the default one.";
    };
    settings = mkOption {
      default = { };
      description = "Keywords of sshd_config.";
      type = types.submodule {
        freeformType = types.attrsOf valueType;
        options = {
          PermitRootLogin = mkOption {
            type = types.enum [
              "yes"
              "no"
              "prohibit-password"
              "without-password"
              "forced-commands-only"
            ];
            default = "prohibit-password";
            description = "How root may log in.";
          };
          PasswordAuthentication = mkOption {
            type = types.bool;
            default = false;
            description = "Whether passwords are accepted. No user of this base has one.";
          };
          KbdInteractiveAuthentication = mkOption {
            type = types.bool;
            default = false;
            description = "Whether keyboard-interactive authentication is accepted.";
          };
          UsePAM = mkOption {
            type = types.bool;
            default = true;
            description = "Whether sessions go through PAM.";
          };
          X11Forwarding = mkOption {
            type = types.bool;
            default = false;
            description = "Whether X11 connections are forwarded.";
          };
          PrintMotd = mkOption {
            type = types.bool;
            default = false;
            description = "Whether the server prints /etc/motd.";
          };
          UseDns = mkOption {
            type = types.bool;
            default = false;
            description = "Whether clients' names are looked up.";
          };
          AllowUsers = mkOption {
            type = types.nullOr (types.listOf types.str);
            default = null;
            description = "Users that may log in; null means all.";
          };
          AllowGroups = mkOption {
            type = types.nullOr (types.listOf types.str);
            default = null;
            description = "Groups whose users may log in; null means all.";
          };
        };
      };
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of sshd_config, such as Match blocks.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [
      cfg.package
      pkgs.openssh-client
      pkgs.openssh-sftp-server
    ];

    # Refused by the server itself while building, rather than on the host.
    environment.etc."ssh/sshd_config".source = pkgs.pristine.checkedText {
      name = "sshd_config";
      text = configText;
      packages = [ cfg.package ];
      program = "${cfg.package}/usr/sbin/sshd";
      arguments = [
        "-G"
        "-f"
      ];
    };

    networking.firewall.allowedTCPPorts = mkIf cfg.openFirewall cfg.ports;

    users.users.sshd = {
      group = mkDefault "nogroup";
      isSystemUser = mkDefault true;
      home = mkDefault "/run/sshd";
      description = mkDefault "ssh server, before authentication";
    };
    users.groups._ssh = { };

    systemd.services.ssh-host-keys = {
      description = "Make the host's ssh keys when there are none";
      wantedBy = [ "multi-user.target" ];
      before = [ "ssh.service" ];
      unitConfig.RequiresMountsFor = map (key: key.path) cfg.hostKeys;
      # Not remembered as active, so that every start of the server looks again.
      serviceConfig.Type = "oneshot";
      script = concatMapStringsSep "\n" generateKey cfg.hostKeys;
    };

    systemd.services.ssh = {
      description = "ssh server";
      aliases = [ "sshd.service" ];
      wantedBy = [ "multi-user.target" ];
      wants = [ "ssh-host-keys.service" ];
      after = [
        "network.target"
        "nss-user-lookup.target"
        "ssh-host-keys.service"
      ];
      # A reload makes sshd start itself anew from its program file, so it is enough even for a new version.
      reloadIfChanged = true;
      stopIfChanged = false;
      reloadTriggers = [
        configText
        (lib.concatMapStringsSep " " (p: "${p}") (pkgs.pristine.closureOf [ cfg.package ]))
      ];
      serviceConfig = {
        Type = "notify";
        ExecStartPre = "/usr/sbin/sshd -t";
        ExecStart = "/usr/sbin/sshd -D";
        ExecReload = [
          "/usr/sbin/sshd -t"
          "/usr/bin/kill -HUP $MAINPID"
        ];
        KillMode = "process";
        Restart = "on-failure";
        RestartPreventExitStatus = 255;
        RuntimeDirectory = "sshd";
        RuntimeDirectoryMode = "0755";
        RuntimeDirectoryPreserve = true;
      };
    };
  };
}
