/** A small daemon that is configured as BIRD is: one module for many hosts, an index that tells them apart, shared lines. */

/** The module; `holdTime` stands in a line that all hosts share, `secret` says whether there is a file of mode 0440. */
export function birdModule(options: { readonly holdTime: number; readonly secret: boolean }): string {
  return `{ config, lib, name, ... }:
let
  index = builtins.fromJSON (builtins.head (builtins.match "[a-z]+([0-9]+)" name));
in
{
  environment.etc."bird/bird.conf".text = ''
    router id 10.0.0.\${toString index};
    protocol static { route 10.9.\${toString index}.0/24 blackhole; }
    protocol bgp { hold time ${options.holdTime}; }
  '';
  environment.etc."bird/password" = { enable = ${options.secret}; mode = "0440"; text = "none of this is secret\\n"; };
  # Counts how often it was told to read its configuration again, and keeps what it has read.
  environment.etc."bird/daemon" = {
    mode = "0555";
    text = ''
      #!/usr/bin/bash
      count=-1
      reload() {
        count=$((count + 1))
        cp /etc/bird/bird.conf /run/bird.conf
        echo "$count" >/run/bird.reloads.new
        mv /run/bird.reloads.new /run/bird.reloads
      }
      trap reload HUP
      reload
      while :; do
        sleep 1 &
        wait $!
      done
    '';
  };
  systemd.services.bird = {
    wantedBy = [ "multi-user.target" ];
    reloadTriggers = [ config.environment.etc."bird/bird.conf".text ];
    serviceConfig = {
      ExecStart = "/etc/bird/daemon";
      ExecReload = "/usr/bin/kill -HUP $MAINPID";
    };
  };
}
`;
}
