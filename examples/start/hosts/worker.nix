# A host with a service of your own, a user for it, and data that outlives reboots.
{ pkgs, ... }:

{
  # deployment.target.host = "worker.example.org";

  users.users.counter = {
    isSystemUser = true;
    group = "counter";
  };
  users.groups.counter = { };

  persistence."/persist".directories = [
    {
      directory = "/var/lib/counter";
      user = "counter";
      group = "counter";
      mode = "0750";
    }
  ];

  systemd.services.counter = {
    description = "Counts minutes";
    unitConfig.RequiresMountsFor = "/var/lib/counter";
    startAt = "minutely";
    serviceConfig = {
      Type = "oneshot";
      User = "counter";
    };
    script = "date --iso-8601=seconds >> /var/lib/counter/minutes";
  };
}
