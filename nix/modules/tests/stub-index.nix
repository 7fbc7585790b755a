# Names of packages, without contents, for evaluating hosts that are not built.
{
  amd64 =
    builtins.listToAttrs (
      map
        (name: {
          inherit name;
          value = "1.0-1";
        })
        [
          "base-files"
          "base-passwd"
          "bash"
          "ca-certificates"
          "coreutils"
          "curl"
          "dash"
          "dbus-broker"
          "dbus-system-bus-common"
          "debianutils"
          "diffutils"
          "e2fsprogs"
          "findutils"
          "grep"
          "gzip"
          "hostname"
          "iproute2"
          "iputils-ping"
          "jq"
          "kmod"
          "less"
          "libc-bin"
          "libc6"
          "libnss-myhostname"
          "libnss-systemd"
          "libpam-modules"
          "libpam-runtime"
          "libpam-systemd"
          "login"
          "mariadb-server"
          "mawk"
          "mount"
          "ncurses-base"
          "netbase"
          "nftables"
          "nginx"
          "nix-bin"
          "openssh-client"
          "openssh-server"
          "openssh-sftp-server"
          "passwd"
          "postgresql-15"
          "postgresql-17"
          "procps"
          "quickjs"
          "sed"
          "sudo"
          "systemd"
          "systemd-resolved"
          "systemd-sysv"
          "tar"
          "tree"
          "tzdata"
          "util-linux"
          "zsh"
        ]
    );
}
