# What all hosts of the shop have in common.
{
  config,
  lib,
  pkgs,
  ...
}:

{
  # Options of our own, for what differs between hosts: the host files set them.
  options.shop.address = lib.mkOption {
    type = lib.types.str;
    description = "The host's address in the shop's network.";
  };

  config = {
    networking = {
      useDHCP = false;
      interfaces.host0.ipv4.addresses = [
        {
          address = config.shop.address;
          prefixLength = 24;
        }
      ];
      # Port 22 is opened by the ssh server itself.
      firewall.allowedTCPPorts = [ 80 ];
    };

    # Whose key may log in as root, and so deploy. The file is yours; it is not part of the example.
    users.users.root.openssh.authorizedKeys.keyFiles = lib.optional (builtins.pathExists ./keys/operator.pub) ./keys/operator.pub;

    # The shop's own user, and somebody who looks after it.
    users.users.shop = {
      isSystemUser = true;
      group = "shop";
    };
    users.groups.shop = { };
    users.users.mara = {
      isNormalUser = true;
      description = "Mara, who runs the shop";
      extraGroups = [ "shop" ];
    };

    # The root is empty at every boot. What is named here survives; the ssh host key and the machine id do so anyway.
    persistence."/persist".directories = [
      {
        directory = "/var/lib/shop";
        user = "shop";
        group = "shop";
        mode = "0750";
      }
    ];

    # A line in the diary for every start, as something to keep.
    systemd.services.diary = {
      description = "The shop's diary";
      wantedBy = [ "multi-user.target" ];
      unitConfig.RequiresMountsFor = "/var/lib/shop";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        User = "shop";
      };
      script = ''echo "opened at $(date --iso-8601=seconds)" >> /var/lib/shop/diary'';
    };

    environment.etc."shop/opening-hours".text = ''
      Monday to Friday, 9 to 17
    '';
    environment.systemPackages = [ pkgs.tree ];

    # If the host is not well within this time after a deployment, it returns to what it was.
    deployment.confirmTimeout = 60;
  };
}
