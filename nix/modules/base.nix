# What every host has: systemd, a shell and its tools, D-Bus, the ways names are looked up, certificates.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatStringsSep
    genAttrs
    mkDefault
    mkIf
    mkOption
    types
    ;

  # Units of Debian's systemd that would write to /etc or /usr, or have nothing to do here.
  masked = [
    # The library directories of this base are the loader's defaults.
    "ldconfig.service"
    "systemd-firstboot.service"
    # /etc/machine-id is a link; stage 2 keeps the identity.
    "systemd-machine-id-commit.service"
    # Users are declared.
    "systemd-sysusers.service"
    "systemd-update-done.service"
    "systemd-hwdb-update.service"
    "systemd-journal-catalog-update.service"
    "systemd-sysext.socket"
    "systemd-pcrlock.socket"
    "systemd-pcrextend.socket"
    "systemd-initctl.socket"
  ];

  # Generators of units nobody declared: ssh over other sockets, partitions by their type, old init scripts.
  maskedGenerators = [
    "systemd-gpt-auto-generator"
    "systemd-hibernate-resume-generator"
    "systemd-rc-local-generator"
    "systemd-ssh-generator"
    "systemd-sysv-generator"
  ];

  # Rules that would write to /etc.
  maskedTmpfiles = [
    "20-systemd-shell-extra.conf"
    "20-systemd-ssh-generator.conf"
    "credstore.conf"
    "provision.conf"
  ];

  path = "/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
in
{
  options.services.resolved.enable = mkOption {
    type = types.bool;
    default = config.networking.nameservers == [ ] && config.networking.useDHCP;
    defaultText = lib.literalExpression "no name servers are given, and DHCP may name some";
    description = "Whether systemd-resolved looks up names.";
  };

  config = {
    environment.systemPackages = map pkgs.pristine.package [
      "base-files"
      "bash"
      "ca-certificates"
      "coreutils"
      "curl"
      "dash"
      "dbus-broker"
      "dbus-system-bus-common"
      "debianutils"
      "diffutils"
      "findutils"
      "grep"
      "gzip"
      "hostname"
      "iproute2"
      "iputils-ping"
      "kmod"
      "less"
      "libc-bin"
      "libnss-myhostname"
      "libnss-systemd"
      "libpam-systemd"
      "login"
      "mawk"
      "mount"
      "ncurses-base"
      "netbase"
      "passwd"
      "procps"
      "sed"
      "systemd"
      "systemd-sysv"
      "tar"
      "util-linux"
    ]
    ++ lib.optional config.services.resolved.enable pkgs.systemd-resolved;

    environment.etc = {
      mtab.link = "/proc/self/mounts";
      "nsswitch.conf".text = ''
        passwd: files systemd
        group: files systemd
        shadow: files systemd
        gshadow: files systemd
        hosts: files myhostname ${lib.optionalString config.services.resolved.enable "resolve [!UNAVAIL=return] "}dns
        networks: files
        protocols: files
        services: files
        ethers: files
        rpc: files
      '';
      "environment".text = "PATH=\"${path}\"\n";
      "profile".text = ''
        # Read by login shells.
        export PATH="${path}"
        [ "$(id -u)" -eq 0 ] && PS1='# ' || PS1='$ '
        if [ -n "''${BASH-}" ] && [ "$BASH" != /bin/sh ] && [ -f /etc/bash.bashrc ]; then . /etc/bash.bashrc; fi
        for file in /etc/profile.d/*.sh; do
          [ ! -r "$file" ] || . "$file"
        done
        unset file
      '';
      "ssl/certs/ca-certificates.crt".source = pkgs.pristine.caBundle;
      "ssl/cert.pem".source = pkgs.pristine.caBundle;
      "tmpfiles.d/debian.conf".text = ''
        # In place of Debian's file of this name, which would also write to /etc.
        L /run/shm - - - - /dev/shm
        d /run/sendsigs.omit.d 0755 root root -
        d /run/lock 1777 root root -
      '';
      # Names are asked of name servers, not of whoever answers on the local network.
      "systemd/resolved.conf.d/pristine.conf" = mkIf config.services.resolved.enable { text = "[Resolve]\nLLMNR=no\n"; };
      "resolv.conf" = mkIf config.services.resolved.enable { link = "/run/systemd/resolve/stub-resolv.conf"; };
    }
    // genAttrs (map (file: "tmpfiles.d/${file}") maskedTmpfiles ++ map (file: "systemd/system-generators/${file}") maskedGenerators) (
      _: { link = "/dev/null"; }
    );

    systemd.maskedUnits = masked;
    systemd.services.dbus-broker.aliases = [ "dbus.service" ];
    systemd.sockets.dbus.wantedBy = [ "sockets.target" ];
    systemd.services.systemd-resolved = mkIf config.services.resolved.enable { wantedBy = [ "multi-user.target" ]; };

    # The journal is for looking at what happened, not for keeping it: small, and in memory.
    services.journald = {
      storage = mkDefault "volatile";
      extraConfig = ''
        RuntimeMaxUse=16M
        SystemMaxUse=256M
      '';
    };

    users.users = {
      messagebus = {
        isSystemUser = mkDefault true;
        group = mkDefault "messagebus";
        description = mkDefault "system message bus";
      };
      systemd-network = {
        isSystemUser = mkDefault true;
        group = mkDefault "systemd-network";
        description = mkDefault "systemd network management";
      };
    }
    // lib.optionalAttrs config.services.resolved.enable {
      systemd-resolve = {
        isSystemUser = mkDefault true;
        group = mkDefault "systemd-resolve";
        description = mkDefault "systemd resolver";
      };
    };
    users.groups = {
      messagebus = { };
      systemd-network = { };
      systemd-journal = { };
      input = { };
      sgx = { };
      clock = { };
      kvm = { };
      render = { };
    }
    // lib.optionalAttrs config.services.resolved.enable { systemd-resolve = { }; };

    systemd.tmpfiles.rules = [
      "d /root 0700 root root -"
    ];
  };
}
