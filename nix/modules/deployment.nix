# How a host is reached and deployed to. None of this is on the host, except what its executor must know.
{
  config,
  fleet,
  hosts,
  lib,
  name,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.deployment;
  platform = (import ../debian/architectures.nix).${config.system.architecture}.system;
  addressType = types.strMatching "[a-zA-Z0-9_.:%][a-zA-Z0-9_.:%-]*";
in
{
  options.deployment = {
    base = mkOption {
      type = types.enum [
        "debian"
        "foreign"
      ];
      default = "debian";
      description = "What the host is made of: `debian` is a system of Debian's packages, all of which is declared here. `foreign` is a Debian or Ubuntu host that somebody has installed: it gets services and files beside its own, which stay as they are. Only some options have a meaning for it; see `docs/manual/foreign-hosts.md`.";
    };
    target = {
      host = mkOption {
        type = addressType;
        default = if cfg.target.hosts == [ ] then name else builtins.head cfg.target.hosts;
        defaultText = lib.literalExpression "the host's name, or the first of `hosts`";
        example = "web1.example.org";
        description = "The name or address by which ssh reaches the host.";
      };
      hosts = mkOption {
        type = types.listOf addressType;
        default = [ ];
        example = [
          "10.0.0.1"
          "web1.example.org"
          "2001:db8::1"
        ];
        description = "Names and addresses of a host that has several: they are tried in this order, after `host` where that is set.";
      };
      user = mkOption {
        type = types.nullOr (types.strMatching "[a-zA-Z_][a-zA-Z0-9_.-]*");
        default = "root";
        description = "The user to log in as; null for the one that ssh itself takes.";
      };
      port = mkOption {
        type = types.nullOr (types.ints.between 1 65535);
        default = 22;
        description = "The port of the host's ssh server; null for the one that ssh itself takes.";
      };
      sshOptions = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [
          "-o"
          "ProxyJump=gate.example.org"
        ];
        description = "Further arguments of ssh. Most of them are better kept in your `~/.ssh/config`.";
      };
      privilegeEscalation = mkOption {
        type = types.either (types.enum [
          "sudo"
          "doas"
          "run0"
          "restricted"
        ]) (types.nonEmptyListOf types.str);
        default = "sudo";
        example = [
          "sudo"
          "-H"
          "--"
        ];
        description = "How `user` becomes root when it is not. A password that sudo wants is asked for once for all hosts; the others must not want one. A list is the words before the command, which must not ask for anything. `restricted` is for the user of `deployment.restrictedUser`.";
      };
    };
    system = mkOption {
      type = types.nullOr types.package;
      default = if cfg.nixosConfiguration == null then null else cfg.nixosConfiguration.config.system.build.toplevel;
      defaultText = lib.literalExpression "that of nixosConfiguration, else null";
      example = lib.literalExpression "(import <nixpkgs/nixos> { configuration = ./web1.nix; }).config.system.build.toplevel";
      description = "The system of a NixOS host, in place of one that is made of Debian packages here: a `config.system.build.toplevel`. The host is switched by the system's own `bin/switch-to-configuration`. Of the options here only those of `deployment`, `healthChecks` and `system.architecture` have a meaning for such a host.";
    };
    nixosConfiguration = mkOption {
      type = types.nullOr types.raw;
      default = null;
      example = lib.literalExpression "import <nixpkgs/nixos> { configuration = ./web1.nix; }";
      description = "The evaluated NixOS configuration whose system `deployment.system` is, by default. It says what the system has by Pristine's module, where the configuration imports that (`docs/manual/hosts.md`): secrets, meshes of ssh and a restricted user. Hosts adopted from `nixosConfigurations`, Colmena and morph have it already.";
    };
    isNixos = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      # A system that cannot be made is one as well.
      default = cfg.nixosConfiguration != null || cfg.system != null;
      description = "Whether the host has a NixOS system.";
    };
    tags = mkOption {
      type = types.listOf (types.strMatching "[a-zA-Z0-9_.-]+");
      default = [ ];
      apply = tags: lib.sort (a: b: a < b) (lib.unique tags);
      example = [ "web" ];
      description = "Words by which hosts are chosen (`--on @web`).";
    };
    wave = mkOption {
      type = types.int;
      default = 0;
      example = 1;
      description = "In which wave of a deployment the host comes: those with smaller numbers are finished before. Waves that the fleet's `meta.rollout.waves` declares by patterns take the place of numbers.";
    };
    confirmTimeout = mkOption {
      type = types.ints.between 5 3600;
      default = 60;
      description = "How many seconds after a switch the deployment must have been confirmed; else the host returns to the system before.";
    };
    keepGenerations = mkOption {
      type = types.ints.between 2 1000;
      default = 10;
      description = "How many confirmed systems the host keeps.";
    };
    signingKeyFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "~/.config/pristine/shop.secret";
      description = "A file on the deployer with a secret key of Nix's (`nix key generate-secret`): what is copied to the host is signed with it. It is read when a deployment copies, and is no part of the evaluation.";
    };
    buildOnTarget = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the host builds its system itself, by its own daemon. The deployer sends what it has of the inputs, and fetches what has to be fetched.";
    };
    buildOn = mkOption {
      type = types.nullOr types.str;
      default = if fleet.buildOn or { } == { } then null else fleet.buildOn.${platform} or null;
      defaultText = lib.literalExpression "what meta.buildOn says for the host's platform, else null";
      apply =
        builder:
        let
          places = map (definition: definition.file) options.deployment.buildOn.definitionsWithLocations;
          place = if places == [ ] then "`meta.buildOn.${platform}' of the fleet" else lib.concatStringsSep " and " places;
        in
        if builder == null || builder == name || hosts ? ${builder} then
          builder
        else
          throw "The host '${name}' is to be built on the host '${builder}' (deployment.buildOn), which the fleet does not have.${lib.moduleErrors.suggest builder (builtins.attrNames hosts)} It is defined in ${place}.";
      example = "builder1";
      description = "The host of the fleet that builds this one's system, by its own daemon. It must be of the same platform. `buildOnTarget` goes before it.";
    };
    builders = mkOption {
      type = types.lines;
      default = fleet.builders or "";
      defaultText = lib.literalExpression "meta.builders of the fleet, else empty";
      example = "ssh://nix@big.example.org x86_64-linux ~/.ssh/id_big 8 1 kvm,big-parallel";
      description = "Machines of which one builds the host's system, as `builders` of nix.conf has them: separated by `;` or lines, `@FILE` for those in a file such as /etc/nix/machines. `buildOnTarget` and `buildOn` go before it.";
    };
    buildMemoryMiB = mkOption {
      type = types.ints.unsigned;
      default = 1024;
      description = "How many MiB of memory the host must have to build, itself (`buildOnTarget`) or for others (`buildOn`); with less it is refused before anything is done.";
    };
    substituteOnDestination = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the host fetches what its own substituters have (`nix.settings.substituters`), before it is sent the rest. For hosts that a cache is nearer to than the deployer.";
    };
    preflight = {
      freeMiB = mkOption {
        type = types.ints.unsigned;
        default = 32;
        description = "How many MiB must be free where the host's store lies, besides what is copied there.";
      };
      freeInodes = mkOption {
        type = types.ints.unsigned;
        default = 1000;
        description = "How many inodes must be free there.";
      };
      clockSeconds = mkOption {
        type = types.ints.unsigned;
        default = 60;
        description = "How many seconds the host's clock may differ from the deployer's before a deployment warns of it.";
      };
    };
  };

  config.system.meta = {
    confirmTimeoutSeconds = cfg.confirmTimeout;
    inherit (cfg) keepGenerations;
  };
}
