# Dependencies that are not followed.
{
  # Needed by maintainer scripts only, which never run.
  everywhere = [
    "adduser"
    "cdebconf"
    "debconf"
    "debconf-2.0"
    "dpkg"
    "init-system-helpers"
    "install-info"
    "libdebconfclient0"
    "lsb-base"
    "runit-helper"
    "sensible-utils"
    "sysvinit-utils"
    "ucf"
    "update-inetd"
  ];
  # Needed by parts of a package that a host does not use.
  of = {
    # nix-channel's Perl, the build sandbox's shell (no builder here uses /bin/sh), and programs Nix brings as libraries.
    nix-bin = [
      "bash-static"
      "bzip2"
      "curl"
      "libdbd-sqlite3-perl"
      "libwww-curl-perl"
      "perl"
      "xz-utils"
    ];
    # The shell's start-up files are generated.
    base-files = [
      "awk"
      "gawk"
      "mawk"
    ];
    dbus-daemon = [ "dbus-session-bus-common" ];
  };
}
