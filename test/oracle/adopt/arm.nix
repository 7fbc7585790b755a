{ pkgs, ... }:
{
  environment.etc.platform = pkgs.stdenv.hostPlatform.system;
}
