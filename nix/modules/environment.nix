# What is in /etc, which packages a host has, and what shells know.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    filter
    groupBy
    listToAttrs
    mapAttrs
    mapAttrs'
    mapAttrsToList
    mkIf
    mkMerge
    mkOption
    nameValuePair
    optional
    types
    ;
  cfg = config.environment;

  file = types.submodule (
    { name, config, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether the file is there.";
        };
        target = mkOption {
          type = types.strMatching "[^/].*[^/]|[^/]";
          default = name;
          description = "The file's path below /etc.";
        };
        text = mkOption {
          type = types.nullOr types.lines;
          default = null;
          description = "The file's text.";
        };
        source = mkOption {
          type = types.nullOr types.path;
          default = null;
          description = "A file or directory that is linked here, or copied when there is a `mode`.";
        };
        link = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "/run/machine-id";
          description = "The target of a symbolic link, as it is written.";
        };
        mode = mkOption {
          type = types.strMatching "symlink|direct-symlink|0?[0-7]{3}|[0-7]{4}";
          default = "symlink";
          example = "0440";
          description = ''
            The file's mode. /etc lies in the store, where files are 0444 or 0555 and belong to root: a mode that differs only in who may
            write means that. Any other mode or owner makes a copy below /run, made at boot and at each switch, with a link to it here.
            A mode hides nothing: what the file says is in the store, which everybody may read.
          '';
        };
        user = mkOption {
          type = types.str;
          default = "root";
          description = "The owner, by name or number.";
        };
        group = mkOption {
          type = types.str;
          default = "root";
          description = "The group, by name or number.";
        };
        uid = mkOption {
          type = types.nullOr types.int;
          default = null;
          description = "The owner's number, instead of `user`.";
        };
        gid = mkOption {
          type = types.nullOr types.int;
          default = null;
          description = "The group's number, instead of `group`.";
        };
      };
    }
  );

  enabled = lib.filterAttrs (_: entry: entry.enable) cfg.etc;

  contentsOf = entry: filter (key: entry.${key} != null) [ "text" "source" "link" ];

  ownerOf = entry: if entry.uid != null then toString entry.uid else entry.user;
  groupOf = entry: if entry.gid != null then toString entry.gid else entry.group;
  isRoot = name: name == "root" || name == "0" || name == "+0";

  # Read-only, so whether somebody might write is no difference: 0644 is 0444, 0755 is 0555.
  storeModes = {
    symlink = "symlink";
    direct-symlink = "symlink";
    "0444" = "0444";
    "0644" = "0444";
    "444" = "0444";
    "644" = "0444";
    "0555" = "0555";
    "0755" = "0555";
    "555" = "0555";
    "755" = "0555";
  };
  isInStore = entry: storeModes ? ${entry.mode} && isRoot (ownerOf entry) && isRoot (groupOf entry);

  contentOf =
    entry: if entry.text != null then { inherit (entry) text; } else { source = "${entry.source}"; };

  # The copy's name has its content in it, so a switch and a rollback find their own.
  copyName =
    entry:
    let
      key =
        if entry.text != null then
          entry.text
        else
          builtins.unsafeDiscardStringContext (toString entry.source);
      digest = builtins.hashString "sha256" "${entry.mode} ${ownerOf entry} ${groupOf entry} ${key}";
    in
    "${builtins.substring 0 16 digest}-${baseNameOf entry.target}";

  rendered =
    entry:
    if entry.link != null then
      [ (nameValuePair entry.target { inherit (entry) link; }) ]
    else if isInStore entry then
      [
        (nameValuePair entry.target (
          contentOf entry
          // {
            mode =
              let
                mode = storeModes.${entry.mode};
              in
              if entry.text != null && mode == "symlink" then "0444" else mode;
          }
        ))
      ]
    else
      [
        (nameValuePair "pristine/copies/${copyName entry}" (contentOf entry // { mode = "0444"; }))
        (nameValuePair entry.target { link = "/run/pristine/etc/${copyName entry}"; })
      ];

  copies = filter (entry: entry.link == null && !isInStore entry) (lib.attrValues enabled);

  # Not among systemd.tmpfiles.rules: those are themselves a file in environment.etc.
  copyRules = lib.optionalAttrs (copies != [ ]) {
    "tmpfiles.d/01-pristine-copies.conf" = {
      mode = "0444";
      text =
        "d /run/pristine/etc 0755 root root -\n"
        + lib.concatMapStrings (
          entry:
          "C /run/pristine/etc/${copyName entry} ${entry.mode} ${ownerOf entry} ${groupOf entry} - /etc/pristine/copies/${copyName entry}\n"
        ) copies;
    };
  };

  byTarget = groupBy (pair: pair.target) (
    mapAttrsToList (name: entry: {
      inherit name;
      inherit (entry) target;
    }) enabled
  );

  parentsOf =
    path:
    let
      parts = lib.splitString "/" path;
    in
    map (count: concatStringsSep "/" (lib.take count parts)) (lib.range 1 (builtins.length parts - 1));

  variable = types.coercedTo (types.oneOf [
    types.int
    types.path
    types.package
    (types.listOf (types.oneOf [
      types.int
      types.str
      types.path
    ]))
  ]) (value: if builtins.isList value then lib.concatMapStringsSep ":" toString value else "${toString value}") types.str;

  exports = variables: lib.concatStrings (mapAttrsToList (name: value: "export ${name}=\"${value}\"\n") variables);

  shellLines =
    description:
    mkOption {
      type = types.lines;
      default = "";
      inherit description;
    };
in
{
  options.environment = {
    etc = mkOption {
      type = types.attrsOf file;
      default = { };
      example = {
        "app/app.conf".text = "port = 8080";
      };
      description = "Files in /etc, by their path. The whole of /etc is what is declared here and what packages bring.";
    };
    systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      apply = builtins.addErrorContext "while collecting the packages of the host (one that is missing here is not in the lock yet, or Debian has none of that name: `pristine lock' tells)";
      description = "Packages that are on the host: their files are in /usr, with those of everything they depend on.";
    };
    variables = mkOption {
      type = types.attrsOf (types.nullOr variable);
      default = { };
      example = {
        EDITOR = "vim";
      };
      description = "Environment variables of login shells.";
    };
    sessionVariables = mkOption {
      type = types.attrsOf (types.nullOr variable);
      default = { };
      description = "Environment variables of all sessions.";
    };
    shellAliases = mkOption {
      type = types.attrsOf (types.nullOr types.str);
      default = { };
      example = {
        ll = "ls -l";
      };
      description = "Short names of commands in interactive shells.";
    };
    shellInit = shellLines "Shell commands run by login shells.";
    loginShellInit = shellLines "Shell commands run by login shells, after shellInit.";
    interactiveShellInit = shellLines "Shell commands run by interactive login shells.";
  };

  config = {
    assertions =
      mapAttrsToList (name: entry: {
        assertion = builtins.length (contentsOf entry) == 1;
        message =
          if contentsOf entry == [ ] then
            "environment.etc.${lib.escapeNixIdentifier name} has no content: give it `text', `source' or `link'."
          else
            "environment.etc.${lib.escapeNixIdentifier name} has more than one content (${lib.concatStringsSep ", " (contentsOf entry)}); leave one.";
      }) enabled
      ++ mapAttrsToList (target: entries: {
        assertion = builtins.length entries == 1;
        message = "Several declarations make /etc/${target}: ${
          lib.concatMapStringsSep ", " (entry: "environment.etc.${lib.escapeNixIdentifier entry.name}") entries
        }.";
      }) byTarget
      ++ concatMap (
        entry:
        map (parent: {
          assertion = !(byTarget ? ${parent});
          message = "environment.etc makes /etc/${parent} a file or link, and also /etc/${entry.target} below it.";
        }) (parentsOf entry.target)
      ) (lib.attrValues enabled)
      ++ map (name: {
        assertion = builtins.match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;
        message = "environment.variables: `${name}' cannot be a variable's name.";
      }) (attrNames (cfg.variables // cfg.sessionVariables));

    environment.etc = mkMerge [
      (
        let
          variables = lib.filterAttrs (_: value: value != null) (cfg.sessionVariables // cfg.variables);
          aliases = lib.filterAttrs (_: value: value != null) cfg.shellAliases;
          text =
            exports variables
            + cfg.shellInit
            + cfg.loginShellInit
            + lib.optionalString (aliases != { } || cfg.interactiveShellInit != "") ''

              case $- in *i*)
              ${concatStringsSep "\n" (mapAttrsToList (name: value: "alias -- ${name}=${lib.escapeShellArg value}") aliases)}
              ${cfg.interactiveShellInit}
              ;; esac
            '';
        in
        mkIf (text != "") { "profile.d/pristine.sh".text = text; }
      )
      (mkIf (cfg.sessionVariables != { }) {
        environment.text = lib.concatStrings (
          mapAttrsToList (name: value: "${name}=\"${value}\"\n") (
            lib.filterAttrs (_: value: value != null) cfg.sessionVariables
          )
        );
      })
    ];

    system.build.etc = listToAttrs (concatLists (mapAttrsToList (_: rendered) enabled)) // copyRules;
  };
}
