# The modules of a host that has a system of its own beside ours.
[
  ./assertions.nix
  ./data-versions.nix
  ./deployment.nix
  ./environment.nix
  ./foreign-users.nix
  ./foreign.nix
  ./health-checks.nix
  ./hooks.nix
  ./profiles.nix
  ./secrets.nix
  ./system.nix
  ./systemd.nix
  ./uploads.nix
  ./users-options.nix
]
