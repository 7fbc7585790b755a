# What all hosts have in common.
{
  config,
  lib,
  pkgs,
  ...
}:

{
  # Who may log in as root, and so deploy. Put your public ssh key into keys/operator.pub.
  users.users.root.openssh.authorizedKeys.keyFiles = lib.optional (builtins.pathExists ./keys/operator.pub) ./keys/operator.pub;

  # The root is empty at every boot. Only what is named here survives, besides the ssh host key and the machine id.
  persistence."/persist" = {
    directories = [ ];
    files = [ ];
  };

  # Every deployment is checked over a new connection. A host that is not well within this time, in seconds, returns to
  # what it was by itself.
  deployment.confirmTimeout = 120;
  deployment.healthChecks.ssh.tcp = {
    host = "127.0.0.1";
    port = 22;
  };

  # How many generations a host keeps, the running one among them: those before it can be returned to.
  deployment.keepGenerations = 10;

  # Programs to have at hand. Any Debian package can stand here; run `pristine lock` after naming a new one.
  environment.systemPackages = [
    pkgs.htop
    pkgs.tree
  ];
}
