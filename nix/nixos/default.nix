# What Pristine has for NixOS configurations, as modules below `pristine`. `pristine nixos-module` writes a copy of this
# directory: nothing here needs anything outside of it, and it can be evaluated by anything that evaluates NixOS. What is
# shared with the modules of hosts of ours (../modules) lies here for that.
{
  imports = [
    ./host.nix
    ./restricted-user
    ./secrets
    ./ssh-mesh
  ];
}
