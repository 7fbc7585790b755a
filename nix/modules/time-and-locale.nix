# Time zone and language.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkIf mkOption types;
  builtinLocales = [
    "C"
    "C.UTF-8"
    "C.utf8"
    "POSIX"
  ];
  locale = config.i18n.defaultLocale;
in
{
  options = {
    time.timeZone = mkOption {
      type = types.nullOr (types.strMatching "[A-Za-z0-9_+/-]+");
      default = null;
      example = "Europe/Berlin";
      description = "The time zone; null means UTC.";
    };
    i18n.defaultLocale = mkOption {
      type = types.str;
      default = "C.UTF-8";
      description = "The language of programs that nobody told another.";
    };
    i18n.extraLocaleSettings = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        LC_TIME = "C";
      };
      description = "Languages of single categories.";
    };
  };

  config = {
    environment.systemPackages = [
      pkgs.tzdata
    ]
    # Only the C locale is built into the C library.
    ++ lib.optional (!builtins.elem locale builtinLocales) pkgs.locales-all;

    environment.etc =
      let
        text =
          "LANG=${locale}\n"
          + lib.concatStrings (lib.mapAttrsToList (key: value: "${key}=${value}\n") config.i18n.extraLocaleSettings);
      in
      {
        localtime.link = "/usr/share/zoneinfo/${if config.time.timeZone == null then "UTC" else config.time.timeZone}";
        timezone.text = "${if config.time.timeZone == null then "UTC" else config.time.timeZone}\n";
        "locale.conf" = { inherit text; };
        "default/locale" = { inherit text; };
      };
  };
}
