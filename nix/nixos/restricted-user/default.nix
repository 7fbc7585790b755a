# A user who may deploy what a key of the fleet has signed, and nothing else.
{ config, lib, ... }:
{
  options.pristine.restrictedUser = import ./options.nix { inherit lib; };
  config = import ./declared.nix {
    inherit config lib;
    cfg = config.pristine.restrictedUser;
    prefix = "pristine";
  };
}
