# What a restricted user comes to, on NixOS and on hosts of ours, with the lib of each: the user, its rule of sudoers, and what
# the gate reads, which is src/kit/gate.ts; and what would let it do more.
{
  lib,
  config,
  # Where the user is declared: below `prefix`.
  cfg,
  prefix,
}:
let
  inherit (lib) elem;
  inherit (config.nix) settings;
  user = config.users.users.${cfg.name};
  groups = lib.unique (
    [ user.group ]
    ++ user.extraGroups
    ++ lib.attrNames (lib.filterAttrs (_: group: elem cfg.name group.members) config.users.groups)
  );
  names = [ cfg.name ] ++ map (group: "@${group}") groups;
  # Whom Nix means by a list of users.
  isAmong = list: lib.any (name: elem name list) ([ "*" ] ++ names);
  # Our own is one of them.
  rules = builtins.filter (
    rule: elem cfg.name rule.users || elem "ALL" rule.users || lib.any (group: elem group rule.groups) groups
  ) config.security.sudo.extraRules;
  rule = condition: message: {
    assertion = condition;
    message = "${prefix}.restrictedUser${message}";
  };
in
lib.mkIf (cfg.name != null) {
  assertions = [
    (rule (cfg.trustedKeys != [ ]) ".trustedKeys names no key: nothing could be deployed by ${cfg.name}.")
    (rule (builtins.length rules == 1) ".name: ${cfg.name} may do more as root by security.sudo.extraRules, of its own or of one of its groups (${lib.concatStringsSep ", " groups}). Take it out of these rules or groups.")
    (rule (!isAmong (settings.trusted-users or [ ])) ".name: Nix takes anything from ${cfg.name}, itself or one of its groups being in nix.settings.trusted-users, which makes it root. Take it out.")
    (rule (isAmong (settings.allowed-users or [ "*" ])) ".name: Nix lets ${cfg.name} copy nothing. Add it to nix.settings.allowed-users.")
    (rule (settings.require-sigs or true) ".name: Nix takes unsigned objects from everybody (nix.settings.require-sigs = false). Leave that at true.")
  ];
  users.users.${cfg.name} = {
    isNormalUser = true;
    description = "Deploys what is signed";
    openssh.authorizedKeys = {
      keys = cfg.authorizedKeys;
      keyFiles = cfg.authorizedKeyFiles;
    };
  };
  security.sudo = {
    enable = true;
    extraRules = [
      {
        users = [ cfg.name ];
        runAs = "root";
        commands = [
          {
            command = "${import ../kit-program.nix} gate *";
            options = [ "NOPASSWD" ];
          }
        ];
      }
    ];
  };
  # The daemon takes from this user only what is signed.
  nix.settings.trusted-public-keys = cfg.trustedKeys;
  environment.etc."pristine/restricted-deployment.json".text = builtins.toJSON { inherit (cfg) trustedKeys; };
}
