# PAM: what Debian's pam-auth-update would have made from the packages' profiles, and services' own files.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    mapAttrs'
    filterAttrs
    mkDefault
    mkOption
    nameValuePair
    types
    ;

  session = extra: ''
    session [default=1] pam_permit.so
    session requisite pam_deny.so
    session required pam_permit.so
    session optional pam_umask.so
    session required pam_unix.so
    ${extra}'';
in
{
  options.security.pam.services = mkOption {
    type = types.attrsOf (
      types.submodule {
        options = {
          enable = mkOption {
            type = types.bool;
            default = true;
            description = "Whether the file exists.";
          };
          text = mkOption {
            type = types.lines;
            description = "The rules.";
          };
        };
      }
    );
    default = { };
    description = "Files in /etc/pam.d. Services that packages bring have theirs already; one named here replaces it.";
  };

  config = {
    environment.systemPackages = [
      pkgs.libpam-modules
      pkgs.libpam-runtime
      pkgs.libpam-systemd
    ];

    security.pam.services = {
      common-auth.text = mkDefault ''
        auth [success=1 default=ignore] pam_unix.so
        auth requisite pam_deny.so
        auth required pam_permit.so
      '';
      common-account.text = mkDefault ''
        account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so
        account requisite pam_deny.so
        account required pam_permit.so
      '';
      common-password.text = mkDefault ''
        password [success=1 default=ignore] pam_unix.so obscure yescrypt
        password requisite pam_deny.so
        password required pam_permit.so
      '';
      common-session.text = mkDefault (session "session optional pam_systemd.so\n");
      common-session-noninteractive.text = mkDefault (session "");
    };

    environment.etc = mapAttrs' (name: service: nameValuePair "pam.d/${name}" { inherit (service) text; }) (
      filterAttrs (_: service: service.enable) config.security.pam.services
    );
  };
}
