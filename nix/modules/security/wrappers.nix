# Programs with special rights. The store keeps none, so they are copied at boot to a file system of their own.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatStrings
    escapeShellArg
    mapAttrsToList
    mkDefault
    mkIf
    mkOption
    optionalString
    types
    ;
  cfg = config.security.wrappers;

  wrapperType = types.submodule (
    { name, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether to make it.";
        };
        program = mkOption {
          type = types.str;
          default = name;
          description = "Its name in /run/wrappers/bin.";
        };
        source = mkOption {
          type = types.str;
          example = lib.literalExpression ''"''${pkgs.util-linux}/usr/bin/su"'';
          description = "The program it is a copy of. A path in a package, so that the copy is renewed with the package.";
        };
        owner = mkOption {
          type = types.str;
          description = "User it belongs to.";
        };
        group = mkOption {
          type = types.str;
          description = "Group it belongs to.";
        };
        setuid = mkOption {
          type = types.bool;
          default = false;
          description = "Whether it runs as its owner.";
        };
        setgid = mkOption {
          type = types.bool;
          default = false;
          description = "Whether it runs as its group.";
        };
        permissions = mkOption {
          type = types.strMatching "[ugoa]*[+=-][rwxst]*(,[ugoa]*[+=-][rwxst]*)*";
          default = "u+rx,g+x,o+x";
          description = "Who may run it.";
        };
        capabilities = mkOption {
          type = types.str;
          default = "";
          example = "cap_net_raw+ep";
          description = "Rights it has instead of those of a user.";
        };
      };
    }
  );

  wrappers = builtins.filter (wrapper: wrapper.enable) (builtins.attrValues cfg);

  # The directory is replaced as a whole: what is in it is all of one generation. Between two renames there is none.
  script = ''
    new=/run/wrappers/bin.new
    rm -rf "$new"
    mkdir -m 0755 "$new"
  ''
  + concatStrings (
    map (
      wrapper:
      let
        path = ''"$new"/${escapeShellArg wrapper.program}'';
      in
      ''
        cp -L ${escapeShellArg wrapper.source} ${path}
        chown ${escapeShellArg "${wrapper.owner}:${wrapper.group}"} ${path}
        chmod 0000 ${path}
        chmod ${escapeShellArg "${optionalString wrapper.setuid "u+s,"}${optionalString wrapper.setgid "g+s,"}${wrapper.permissions}"} ${path}
      ''
      + optionalString (wrapper.capabilities != "") "setcap ${escapeShellArg wrapper.capabilities} ${path}\n"
    ) wrappers
  )
  + ''
    rm -rf /run/wrappers/bin.old
    [ ! -e /run/wrappers/bin ] || mv /run/wrappers/bin /run/wrappers/bin.old
    mv "$new" /run/wrappers/bin
    rm -rf /run/wrappers/bin.old
  '';
in
{
  options.security.wrappers = mkOption {
    type = types.attrsOf wrapperType;
    default = { };
    description = "Programs that run with more rights than their caller.";
  };

  config = {
    security.wrappers.su = {
      source = mkDefault "${pkgs.util-linux}/usr/bin/su";
      owner = mkDefault "root";
      group = mkDefault "root";
      setuid = mkDefault true;
    };

    environment.systemPackages = mkIf (lib.any (wrapper: wrapper.capabilities != "") wrappers) [ pkgs.libcap2-bin ];

    systemd.mounts = mkIf (wrappers != [ ]) [
      {
        description = "Programs with special rights";
        what = "tmpfs";
        where = "/run/wrappers";
        type = "tmpfs";
        options = "nodev,mode=755,size=32m";
        wantedBy = [ "local-fs.target" ];
        before = [ "local-fs.target" ];
        unitConfig.DefaultDependencies = false;
      }
    ];

    systemd.services.wrappers = mkIf (wrappers != [ ]) {
      description = "Copy programs with special rights";
      wantedBy = [ "sysinit.target" ];
      before = [
        "sysinit.target"
        "shutdown.target"
      ];
      after = [ "systemd-sysusers.service" ];
      conflicts = [ "shutdown.target" ];
      unitConfig = {
        DefaultDependencies = false;
        RequiresMountsFor = "/run/wrappers";
      };
      stopIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      inherit script;
    };
  };
}
