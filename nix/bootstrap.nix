# The generic host that others are deployed over: it can be reached by ssh, has Nix to receive a closure, and holds
# nothing of any fleet.
{ pkgs, ... }:

{
  # The greater part of what the first deployment would bring besides the host's own system.
  environment.etc."pristine/kit-runtime".source = pkgs.pristine.kitRuntime;

  # Whoever makes the host's disk also says who may log in, by a file on it.
  services.openssh.authorizedKeysFiles = [
    "/etc/ssh/authorized_keys.d/%u"
    "/run/pristine/seed/authorized_keys"
  ];
  boot.postBootCommands = ''
    seed=/nix/var/pristine/seed/authorized_keys
    if [ -f "$seed" ]; then
      mkdir -p /run/pristine/seed
      cp "$seed" /run/pristine/seed/authorized_keys
      chmod 0644 /run/pristine/seed/authorized_keys
    else
      warn "nobody can log in: there is no $seed"
    fi
  '';

  # Nothing is looked up by name before the first deployment.
  services.resolved.enable = false;
}
