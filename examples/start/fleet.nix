# Your fleet: what runs where. Start here.
#
#   pristine lock           resolve and verify the Debian packages these hosts name
#   pristine lab up         start the hosts on this machine, empty
#   pristine deploy --lab   make them what is declared here
{
  meta = {
    name = "fleet";
    base = "debian";
  };

  # A module for every host: users, keys, what must outlive a reboot.
  defaults = ./common.nix;

  # One module per host. `pristine deploy web` deploys one of them; `--on @edge` those with a tag.
  hosts = {
    web = ./hosts/web.nix;
    worker = ./hosts/worker.nix;
  };
}
