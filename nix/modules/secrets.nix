# Secrets: age files in the repository, decrypted on the host by its own ssh key. Nothing here ever sees what they say.
{
  config,
  fleetDirectory,
  lib,
  name,
  options,
  pkgs,
  ...
}:
let
  inherit (builtins) filter map toString;
  inherit (lib) mkIf mkOption types;
  cfg = config.deployment;
  isForeign = cfg.base == "foreign";
  placeOf = import ./definition-place.nix { inherit lib; };

  particular =
    if isForeign then
      import ./foreign-secrets.nix {
        inherit lib pkgs;
        inherit (config.users) users groups;
      }
    else
      {
        inherit (config.users) users groups;
        identities = map (key: key.path) (
          filter (key: key.type == "ed25519" || key.type == "rsa") config.services.openssh.hostKeys
        );
      };

  inherit
    (import ../nixos/secrets/options.nix {
      inherit lib;
      prefix = "deployment";
      inherit (particular) users;
      inherit (declared) enrolledKey;
    })
    hostKey
    runDirectory
    secrets
    secretTemplates
    ;
  declared = import ../nixos/secrets/declared.nix (
    particular
    // {
      inherit
        lib
        name
        fleetDirectory
        runDirectory
        ;
      inherit (lib.moduleErrors) suggest;
      inherit (cfg) secrets;
      prefix = "deployment";
      givenHostKey = cfg.hostKey;
      templates = cfg.secretTemplates;
      linkTo = link: { inherit link; };
      placeOf = placeOf options.deployment.secrets;
      templatePlaceOf = placeOf options.deployment.secretTemplates;
    }
  );
  inherit (declared) manifest;
  isUsed = cfg.secrets != { } || cfg.secretTemplates != { };

  # A foreign host's /etc is its own: what is there of ours are links, and these have others beside them.
  foreignLinks = lib.mapAttrs' (path: link: lib.nameValuePair "pristine/secrets/links${path}" { inherit link; }) (
    declared.linksOutOfEtc // { ${runDirectory} = "/run/pristine/foreign/secrets"; }
  );

  # What the module of a NixOS configuration says (../nixos/secrets), whose files are below the fleet's directory.
  ofConfiguration =
    data:
    data
    // {
      secrets = map (
        secret:
        if secret.file == null || lib.hasPrefix "/" secret.file then
          secret
        else
          secret // { file = "${toString fleetDirectory}/${secret.file}"; }
      ) data.secrets;
    };
  without = {
    hostKey = null;
    hostKeyPath = null;
    secrets = [ ];
    templates = [ ];
  };
in
{
  options.deployment = {
    inherit hostKey secrets secretTemplates;
    secretData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The secrets as the deployer gets them.";
    };
  };

  config = {
    deployment.secretData =
      if cfg.nixosConfiguration == null then
        declared.data
      else
        ofConfiguration (cfg.nixosConfiguration.config.pristine.secretData or without);

    assertions = map (message: {
      assertion = false;
      inherit message;
    }) declared.messages;

    environment = mkIf isUsed {
      systemPackages = [ (pkgs.pristine.package "age") ];
      etc = declared.etc // lib.optionalAttrs isForeign foreignLinks;
    };

    # Before everything that may use them; deployments do it themselves, and what boots a foreign host does.
    systemd.services.pristine-secrets = mkIf (isUsed && !isForeign) {
      description = "Decrypt secrets";
      wantedBy = [ "sysinit.target" ];
      before = [
        "sysinit.target"
        "shutdown.target"
      ];
      after = [
        "local-fs.target"
        "systemd-tmpfiles-setup.service"
      ];
      conflicts = [ "shutdown.target" ];
      unitConfig = {
        DefaultDependencies = false;
        RequiresMountsFor = manifest.identities ++ map dirOf (builtins.attrNames declared.linksOutOfEtc);
      };
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${import ../nixos/kit-program.nix} secrets";
        LimitCORE = 0;
        TimeoutStartSec = 90;
      };
      restartIfChanged = false;
      stopIfChanged = false;
    };
  };
}
