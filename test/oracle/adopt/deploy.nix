# Nodes as a flake's outputs have them, activated by deploy-rs' own functions.
{ deploy-rs }:
let
  utils.lib = {
    defaultSystems = [ ];
    eachSystem = _: _: { };
  };
  outputs = deploy-rs.outputs {
    self = outputs;
    inherit utils;
    nixpkgs = { };
  };
  pkgs = import ../../support/nixpkgs-shaped { overlays = [ outputs.overlays.default ]; };
  evalConfig = import ../../support/nixpkgs-shaped/nixos/lib/eval-config.nix;
  nixosConfigurations = {
    web = evalConfig {
      modules = [
        {
          networking.hostName = "web";
          boot.loader.systemd-boot.enable = false;
        }
      ];
    };
    db = evalConfig {
      modules = [
        {
          networking.hostName = "db.example";
          boot.loader = {
            systemd-boot.enable = true;
            efi.efiSysMountPoint = "/boot";
          };
        }
      ];
    };
  };
  inherit (pkgs.deploy-rs.lib) activate;
in
{
  inherit nixosConfigurations;
  deploy = {
    sshUser = "admin";
    user = "root";
    sshOpts = [ "-A" ];
    nodes.web = {
      hostname = "web.example.org";
      sshOpts = [
        "-p"
        "2221"
      ];
      confirmTimeout = 60;
      profilesOrder = [
        "hello"
        "system"
      ];
      profiles.system = {
        path = activate.nixos nixosConfigurations.web;
        sshOpts = [ "-4" ];
        sshUser = "deploy";
        magicRollback = false;
      };
      profiles.hello = {
        user = "hello";
        path = activate.custom pkgs.hello "./bin/activate";
      };
    };
    nodes.db = {
      hostname = "db.example.org";
      sudo = "doas -u";
      profiles.base = {
        path = activate.nixos nixosConfigurations.db;
        profilePath = "/nix/var/nix/profiles/system";
      };
    };
  };
}
