# Which host of which fleet a configuration is of.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.pristine = {
    fleetDirectory = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./.";
      description = "The directory of Pristine's fleet file, as this configuration sees it: what Pristine writes for hosts is below it.";
    };
    host = mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = lib.literalExpression "config.networking.hostName";
      description = "What the fleet calls this host.";
    };
  };
}
