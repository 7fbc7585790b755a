# What the core modules make of declarations.
let
  lib = import ../../lib;
  fleetLib = import ../../fleet.nix { inherit lib; };
  stub = import ./stub-index.nix;
  # Nothing is built here, so files are only their names.
  packagesFor =
    architecture:
    let
      packages = import ../../debian {
        stub = stub.${architecture};
        inherit architecture;
      };
    in
    packages
    // {
      pristine = packages.pristine // {
        writeText = name: _: "/text/${name}";
        writeScript = name: _: "/script/${name}";
        checkedText = { name, ... }: "/checked/${name}";
        caBundle = "/ca";
        makeRoot =
          { name, declared, ... }:
          {
            type = "derivation";
            outPath = "/root/${name}:${toString declared}";
          };
      };
    };

  host =
    module:
    (fleetLib.evalHost {
      name = "h1";
      meta = {
        name = "test";
        base = "debian";
      };
      inherit packagesFor;
      modules = [ module ];
    }).config;

  etc = module: (host module).system.build.etc;
  text = path: module: (etc module).${path}.text;
  has = part: whole: lib.hasInfix part whole;
  # The messages of assertions that do not hold.
  failed = module: map (entry: entry.message) (lib.filter (entry: !entry.assertion) (host module).assertions);
  fails = part: module: lib.any (has part) (failed module);

  person = extra: { isNormalUser = true; } // extra;

  unit = text "systemd/system/x.service";

  tests = {
    "a plain host has no failed assertions" = failed { } == [ ];

    "a secret of WireGuard in the declaration is refused, and a file of one is not" =
      let
        module = wireguardConfig: wireguardPeers: {
          systemd.network.netdevs.wg0 = {
            netdevConfig = {
              Kind = "wireguard";
              Name = "wg0";
            };
            inherit wireguardConfig wireguardPeers;
          };
        };
      in
      fails "Use PrivateKeyFile" (module { PrivateKey = "x"; } [ ])
      && fails "Use PresharedKeyFile" (module { } [ { PresharedKey = "x"; } ])
      && failed (module { PrivateKeyFile = "/persist/wg"; } [ { PresharedKeyFile = "/persist/psk"; } ]) == [ ];
    "a changed network device makes networkd reload" =
      let
        unitOf = name: text "systemd/system/systemd-networkd.service.d/overrides.conf" {
          systemd.network.netdevs.br = {
            netdevConfig = {
              Kind = "bridge";
              Name = name;
            };
          };
        };
      in
      unitOf "br0" != unitOf "br1";

    ## Secrets
    "a host without secrets has nothing of them" =
      let
        plain = etc { };
      in
      !plain ? "pristine/secrets/manifest.json" && !plain ? "systemd/system/pristine-secrets.service";
    "secrets are decrypted before everything else, by the host's ssh keys, and their version follows from them" =
      let
        module = mode: {
          users.users.app = {
            isSystemUser = true;
            group = "app";
          };
          users.groups.app = { };
          deployment.secrets.db = {
            environment = "DB";
            owner = "app";
            path = "/etc/db";
            inherit mode;
            restartUnits = [ "app.service" ];
          };
        };
        manifest = mode: builtins.fromJSON (text "pristine/secrets/manifest.json" (module mode));
        secret = builtins.head (manifest "0440").secrets;
        service = text "systemd/system/pristine-secrets.service" (module "0440");
      in
      has "Before=sysinit.target shutdown.target\n" service
      && has "RequiresMountsFor=/persist/etc/ssh/ssh_host_ed25519_key\n" service
      && (manifest "0440").identities == [ "/persist/etc/ssh/ssh_host_ed25519_key" ]
      && (manifest "0440").id != (manifest "0400").id
      && secret.name == "db"
      && secret.gid == (host (module "0440")).users.groups.app.gid
      && secret.group == "app"
      && secret.restartUnits == [ "app.service" ]
      && (etc (module "0440")).db.link == "/run/secrets/db";
    "secrets that cannot be are refused" =
      let
        secret = extra: { deployment.secrets.x = { environment = "X"; } // extra; };
      in
      fails "cannot be had by a fleet that is given as a value" (secret { })
      && fails "comes from nowhere" { deployment.secrets.x = { }; }
      && fails "comes from command and environment" (secret { command = [ "x" ]; })
      && fails "is to be generated, and has no `file'" (secret { generate = { }; })
      && fails "cannot be at /run/secrets/y" (secret { path = "/run/secrets/y"; })
      && fails "/usr is not for files of yours" (secret { path = "/usr/x"; })
      && fails "has empty parts or dots" (secret { path = "/srv//x"; })
      && fails "the user 'nobody2', who is not declared" (secret { owner = "nobody2"; })
      && fails "has a name that is none" { deployment.secrets."a b".environment = "X"; }
      && fails "names the secret 'y', which is not declared" {
        deployment.secretTemplates.t.content = "a @pristine-secret:y@ b";
      };

    ## Units
    "a service's text" =
      unit {
        systemd.services.x = {
          description = "X";
          after = [ "network.target" ];
          wantedBy = [ "multi-user.target" ];
          environment.A = "b c";
          serviceConfig = {
            ExecStart = "/usr/bin/x";
            Restart = "always";
            ReadWritePaths = [
              "/a"
              "/b"
            ];
            NoNewPrivileges = true;
            RestartSec = 5;
          };
          unitConfig.RequiresMountsFor = "/data";
        };
      } == ''
        [Unit]
        After=network.target
        Description=X
        RequiresMountsFor=/data

        [Service]
        Environment="A=b c"
        ExecStart=/usr/bin/x
        NoNewPrivileges=true
        ReadWritePaths=/a
        ReadWritePaths=/b
        Restart=always
        RestartSec=5
      '';
    "a service is wanted by a link" =
      (etc { systemd.services.x = { serviceConfig.ExecStart = "/x"; wantedBy = [ "multi-user.target" ]; }; })
      ."systemd/system/multi-user.target.wants/x.service" == { link = "../x.service"; };
    "a service without a program adds to the package's" =
      let
        files = etc {
          systemd.services.cron.wantedBy = [ "multi-user.target" ];
          systemd.services.cron.serviceConfig.Nice = 5;
        };
      in
      files."systemd/system/cron.service.d/overrides.conf".text == "[Service]\nNice=5\n"
      && !(files ? "systemd/system/cron.service")
      && files."systemd/system/multi-user.target.wants/cron.service".link == "/usr/lib/systemd/system/cron.service";
    "only enabling a package's unit makes only a link" =
      !((etc { systemd.services.cron.wantedBy = [ "multi-user.target" ]; }) ? "systemd/system/cron.service.d/overrides.conf");
    "a disabled unit is masked" = (etc { systemd.services.x.enable = false; })."systemd/system/x.service".link == "/dev/null";
    "a masked unit is a link" = (etc { systemd.maskedUnits = [ "y.socket" ]; })."systemd/system/y.socket".link == "/dev/null";
    "an instance adds to its template" =
      let
        files = etc { systemd.services."getty@tty1" = { wantedBy = [ "getty.target" ]; serviceConfig.ExecStart = [ "" "/x" ]; }; };
      in
      files."systemd/system/getty@tty1.service.d/overrides.conf".text == "[Service]\nExecStart=\nExecStart=/x\n"
      && files."systemd/system/getty.target.wants/getty@tty1.service".link == "/usr/lib/systemd/system/getty@.service";
    "a shipped target is not replaced" =
      (etc { systemd.targets.multi-user.wants = [ "a.service" ]; })."systemd/system/multi-user.target.d/overrides.conf".text
      == "[Unit]\nWants=a.service\n";
    "an own target stands alone" =
      (etc { systemd.targets.mine.description = "Mine"; })."systemd/system/mine.target".text == "[Unit]\nDescription=Mine\n";
    "a mount is named after its directory" =
      has "Where=/var/lib/my-app" (text "systemd/system/var-lib-my\\x2dapp.mount" {
        systemd.mounts = [ { what = "/dev/x"; where = "/var/lib/my-app"; } ];
      });
    "a timer from startAt" =
      let
        files = etc { systemd.services.x = { serviceConfig.ExecStart = "/x"; startAt = "daily"; }; };
      in
      files."systemd/system/x.timer".text == "[Timer]\nOnCalendar=daily\n"
      && files ? "systemd/system/timers.target.wants/x.timer";
    "switch behaviour is in the unit" =
      let
        written = unit {
          systemd.services.x = {
            serviceConfig.ExecStart = "/x";
            restartIfChanged = false;
            stopIfChanged = false;
          };
        };
      in
      has "X-RestartIfChanged=false" written && has "X-StopIfChanged=false" written;
    "triggers change the text" =
      let
        with' = value: unit {
          systemd.services.x = {
            serviceConfig.ExecStart = "/x";
            restartTriggers = [ value ];
          };
        };
      in
      with' "a" != with' "b" && has "X-Restart-Triggers=" (with' "a") && with' [ ./core.nix ] == with' "${./core.nix}";
    "path puts packages on the host and watches them" =
      let
        module =
          { pkgs, ... }:
          {
            systemd.services.x = {
              serviceConfig.ExecStart = "/x";
              path = [ pkgs.jq ];
            };
          };
      in
      lib.elem "jq" (host module).system.packageNames && has "X-Restart-Triggers=" (unit module);
    "unit lists from two places are joined" =
      has "ExecStartPre=/a\nExecStartPre=/b\n" (unit {
        imports = [
          { systemd.services.x.serviceConfig.ExecStartPre = lib.mkBefore [ "/a" ]; }
          { systemd.services.x.serviceConfig.ExecStartPre = [ "/b" ]; }
        ];
        systemd.services.x.serviceConfig.ExecStart = "/x";
      });
    "aliases are links" =
      (etc { systemd.services.x = { serviceConfig.ExecStart = "/x"; aliases = [ "y.service" ]; }; })
      ."systemd/system/y.service".link == "x.service";
    "several ExecStart need oneshot" = fails "oneshot" { systemd.services.x.serviceConfig.ExecStart = [ "/a" "/b" ]; };
    "a network file" =
      text "systemd/network/20-lan.network" {
        systemd.network.networks."20-lan" = {
          matchConfig.Name = "lan0";
          address = [ "192.0.2.1/24" ];
          networkConfig.IPv6AcceptRA = false;
        };
      } == "[Match]\nName=lan0\n\n[Network]\nAddress=192.0.2.1/24\nIPv6AcceptRA=false\n";
    "tmpfiles settings" =
      text "tmpfiles.d/10-app.conf" {
        systemd.tmpfiles.settings."10-app"."/var/lib/app".d = { user = "app"; mode = "0750"; };
      } == "d \"/var/lib/app\" 0750 app - - \n";

    ## /etc
    "text in /etc" = (etc { environment.etc."a/b".text = "x"; })."a/b" == { text = "x"; mode = "0444"; };
    "a mode that only adds writing is the store's" = (etc { environment.etc.a = { text = "x"; mode = "0644"; }; }).a.mode == "0444";
    "an executable" = (etc { environment.etc.a = { text = "x"; mode = "0755"; }; }).a.mode == "0555";
    "another mode makes a copy" =
      let
        files = etc { environment.etc.secretish = { text = "x"; mode = "0440"; group = "adm"; }; };
        copy = lib.removePrefix "/run/pristine/etc/" files.secretish.link;
      in
      files."pristine/copies/${copy}".text == "x"
      && has "C /run/pristine/etc/${copy} 0440 root adm - /etc/pristine/copies/${copy}" files."tmpfiles.d/01-pristine-copies.conf".text;
    "target names the file" = (etc { environment.etc.a = { text = "x"; target = "b"; }; }) ? b;
    "a disabled file is not there" = !((etc { environment.etc.a = { text = "x"; enable = false; }; }) ? a);
    "a file without content" = fails "has no content" { environment.etc.a = { }; };
    "a file with two contents" = fails "more than one content" { environment.etc.a = { text = "x"; link = "/y"; }; };
    "two files in one place" = fails "Several declarations make /etc/c" { environment.etc.a = { text = "x"; target = "c"; }; environment.etc.c.text = "y"; };
    "a file below a file" = fails "below it" { environment.etc.a.text = "x"; environment.etc."a/b".text = "y"; };

    ## Users
    "a person" =
      has "\nalice:x:${toString (host { users.users.alice = person { }; }).users.users.alice.uid}:100::/home/alice:/bin/bash\n" (
        text "passwd" { users.users.alice = person { }; }
      );
    "a number does not depend on others" =
      (host { users.users.bob = person { }; }).users.users.bob.uid
      == (host { users.users.bob = person { }; users.users.alice = person { }; users.users.zed = person { }; }).users.users.bob.uid;
    "a known system user has its number" =
      (host { users.users.postgres = { isSystemUser = true; group = "postgres"; }; users.groups.postgres = { }; }).users.users.postgres.uid == 117;
    "an unknown system user's number is below 1000" =
      let
        number = (host { users.users.app = { isSystemUser = true; group = "users"; }; }).users.users.app.uid;
      in
      number >= 300 && number < 1000;
    "a given number" = (host { users.users.bob = person { uid = 1234; }; }).users.users.bob.uid == 1234;
    "the same number twice" = fails "all have the number 1234" { users.users.a = person { uid = 1234; }; users.users.b = person { uid = 1234; }; };
    "members of groups" =
      has "\nadm:x:4:alice,bob\n" (text "group" {
        users.users.alice = person { extraGroups = [ "adm" ]; };
        users.users.bob = person { };
        users.groups.adm.members = [ "bob" ];
      });
    "no password opens an account" = has "\nalice:*:1::::::\n" (text "shadow" { users.users.alice = person { }; });
    "a locked account" = has "\nalice:!:1::::::\n" (text "shadow" { users.users.alice = person { hashedPassword = "!"; }; });
    "passwords are refused" = fails "everybody can read it" { users.users.alice = person { initialPassword = "x"; }; };
    "an undeclared group" = fails "not declared" { users.users.a = { isSystemUser = true; group = "nope"; }; };
    "an undeclared extra group, with a suggestion" = fails "Did you mean `audio'?" { users.users.a = person { extraGroups = [ "audoi" ]; }; };
    "neither system nor person" = fails "exactly one of isSystemUser and isNormalUser" { users.users.a.group = "users"; };
    "keys" =
      text "ssh/authorized_keys.d/alice" { users.users.alice = person { openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA x" ]; }; }
      == "ssh-ed25519 AAAA x\n";
    "a shell's package is on the host" =
      let
        module =
          { pkgs, ... }:
          {
            users.users.alice = person { shell = pkgs.zsh; };
          };
      in
      lib.elem "zsh" (host module).system.packageNames && has ":/usr/bin/zsh\n" (text "passwd" module);
    "homes are made" =
      lib.any (has "d /home/alice 700 alice users") (host { users.users.alice = person { }; }).systemd.tmpfiles.rules;

    ## Deployment
    "health checks as data" =
      (host {
        deployment.healthChecks.home = { http.url = "http://localhost/"; retries = 1; };
        deployment.healthChecks.db.tcp.port = 5432;
        deployment.healthChecks.unit.unit = "x.service";
        deployment.healthChecks.run.command = [ "/bin/true" ];
      }).system.meta.healthChecks == [
        { name = "db"; kind = "tcp"; host = "localhost"; port = 5432; timeoutSeconds = 5; retries = 5; intervalSeconds = 2; }
        { name = "home"; kind = "http"; url = "http://localhost/"; timeoutSeconds = 5; retries = 1; intervalSeconds = 2; }
        { name = "run"; kind = "command"; command = [ "/bin/true" ]; timeoutSeconds = 5; retries = 5; intervalSeconds = 2; }
        { name = "unit"; kind = "unit"; unit = "x.service"; timeoutSeconds = 5; retries = 5; intervalSeconds = 2; }
      ];
    "what each kind is as data" =
      let
        checks =
          (host {
            deployment.healthChecks = {
              dns.dns = { name = "db.example.org"; addresses = [ "192.0.2.7" ]; };
              file.file = { path = "/etc/passwd"; contains.matches = "^root:"; maxAge = 60; mode = "0644"; };
              disk.disk = { mountPoint = "/nix"; free = "2G"; inodes = "5%"; };
              memory.memory.available = 1024;
              page.http = { url = "http://[::1]:80/x"; headers.Server = "a"; body.matches = "b+"; method = "HEAD"; };
            };
          }).system.meta.healthChecks;
        of = name: removeAttrs (lib.head (lib.filter (check: check.name == name) checks)) [ "timeoutSeconds" "retries" "intervalSeconds" ];
      in
      of "dns" == { name = "dns"; kind = "dns"; query = "db.example.org"; addresses = [ "192.0.2.7" ]; }
      && of "file" == { name = "file"; kind = "file"; path = "/etc/passwd"; exists = true; contains = { matches = "^root:"; }; maxAgeSeconds = 60; mode = "0644"; }
      && of "disk" == { name = "disk"; kind = "disk"; mountPoint = "/nix"; free = { count = 2147483648; }; inodes = { percent = 5; }; }
      && of "memory" == { name = "memory"; kind = "memory"; available = { count = 1024; }; }
      && of "page" == { name = "page"; kind = "http"; url = "http://[::1]:80/x"; headers = { Server = "a"; }; body = { matches = "b+"; }; method = "HEAD"; };
    "a check that can never run, with where it was defined" =
      fails "longer than the host waits for confirmation" { deployment.healthChecks.a = { unit = "x.service"; timeout = 61; }; }
      && fails "there are 240 s for it" { deployment.healthChecks.a = { unit = "x.service"; settle = 240; }; }
      && fails "not from 1 to 65535" { deployment.healthChecks.a.http.url = "http://x:70000/"; }
      && fails "which cannot be one" { deployment.healthChecks.a.http = { url = "http://x/"; headers."a b" = "c"; }; }
      && fails "give the whole path" { deployment.healthChecks.a.command = [ "bin/x" ]; }
      && fails "no other wish" { deployment.healthChecks.a.file = { path = "/x"; exists = false; mode = "0600"; }; }
      && fails "does not have" { deployment.healthChecks.a.file = { path = "/x"; user = "nobodyhere"; }; }
      && fails "more than there is" { deployment.healthChecks.a.memory.available = "101%"; }
      && fails "modules/tests/core.nix:" { deployment.healthChecks.a.command = [ "bin/x" ]; };
    "checks from the deployer are no part of the host" =
      let
        config = host {
          deployment.healthChecks = {
            page = { http.url = "http://web/"; runFrom = "deployer"; settle = 2; };
            unit.unit = "x.service";
          };
        };
      in
      map (check: check.name) config.system.meta.healthChecks == [ "unit" ]
      && config.deployment.deployerChecks == [
        { name = "page"; kind = "http"; url = "http://web/"; settleSeconds = 2; timeoutSeconds = 5; retries = 5; intervalSeconds = 2; }
      ];
    "a check that the deployer cannot run" =
      let
        remote = check: { deployment.healthChecks.a = { runFrom = "deployer"; } // check; };
      in
      fails "only http, tcp, dns, command can be asked from there" (remote { unit = "x.service"; })
      && fails "modules/tests/core.nix:" (remote { memory.available = 1; })
      && fails "waits 60 s for confirmation" (remote { tcp = { host = "a"; port = 1; }; settle = 58; })
      && fails "waits 60 s for confirmation" (remote { tcp = { host = "a"; port = 1; }; settle = 50; })
      && fails "the deployer itself" (remote { tcp.port = 1; })
      && fails "the deployer itself" (remote { http.url = "https://localhost:8443/x"; });
    "a check on a timer is a unit that its host shows" =
      let
        config = host { deployment.healthChecks.page = { http.url = "http://localhost/"; every = 60; retries = 1; }; };
        service = config.systemd.units."pristine-check-page.service".text;
        timer = config.systemd.units."pristine-check-page.timer".text;
      in
      map (check: check.everySeconds or null) config.system.meta.healthChecks == [ 60 ]
      && has "ExecStart=/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit check-run page\n" service
      && has "ConditionPathExists=/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit\n" service
      && has "TimeoutStartSec=42\n" service
      && has "OnUnitActiveSec=60\n" timer
      && config.systemd.units."pristine-check-page.timer".wantedBy == [ "timers.target" ]
      && fails "has no timer for it" { deployment.healthChecks.a = { tcp = { host = "a"; port = 1; }; runFrom = "deployer"; every = 60; }; }
      && fails "cannot be a part of" { deployment.healthChecks."a b" = { unit = "x.service"; every = 60; }; };
    "a tag's module is for the hosts that have the tag" =
      let
        inherit
          (fleetLib.evalFleet {
            meta.name = "test";
            tags.web =
              { lib, ... }:
              {
                imports = [ { deployment.healthChecks.page.http.url = "http://localhost/"; } ];
                deployment.confirmTimeout = lib.mkDefault 90;
              };
            hosts.web1.deployment.tags = [ "web" ];
            hosts.web2 =
              { hosts, ... }:
              {
                deployment.tags = [ "web" ] ++ hosts.db.config.deployment.tags;
                deployment.confirmTimeout = 30;
              };
            hosts.db.deployment.tags = [ "db" ];
          })
          hosts
          ;
        seen = host: [
          (builtins.attrNames host.config.deployment.healthChecks)
          host.config.deployment.confirmTimeout
        ];
      in
      seen hosts.web1 == [ [ "page" ] 90 ] && seen hosts.web2 == [ [ "page" ] 30 ] && seen hosts.db == [ [ ] 60 ];
    "a check of two kinds" = fails "http and unit" { deployment.healthChecks.a = { http.url = "http://x/"; unit = "x.service"; }; };
    "a check of no kind" = fails "none of them" { deployment.healthChecks.a = { }; };
    "hooks as the deployer gets them, and the host's own in its system" =
      let
        config = host {
          deployment.hooks = {
            drain = { when = "preActivation"; command = [ ./core.nix "h1" ]; environment.POOL = "web"; };
            dump = { on = "host"; when = [ "preActivation" "preReboot" ]; command = [ "dump" ]; timeout = 9; onFailure = "warn"; };
          };
        };
        dump = { name = "dump"; on = "host"; when = [ "preActivation" "preReboot" ]; command = [ "dump" ]; environment = { }; timeoutSeconds = 9; onFailure = "warn"; };
      in
      map (hook: removeAttrs hook [ "place" ]) config.deployment.hookData == [
        { name = "drain"; on = "deployer"; when = [ "preActivation" ]; command = [ (toString ./core.nix) "h1" ]; environment.POOL = "web"; timeoutSeconds = 30; onFailure = "abort"; }
        dump
      ]
      && lib.all (hook: has "modules/tests/core.nix:" hook.place) config.deployment.hookData
      && config.system.meta.hooks == [ dump ]
      && !((host { }).system.meta ? hooks);
    "a hook that cannot do what it says, with where it was defined" =
      let
        hook = more: { deployment.hooks.h = { when = "preActivation"; command = [ "/x" ]; } // more; };
      in
      failed (hook { }) == [ ]
      && fails "abort at finally, when nothing can be undone" (hook { when = [ "preActivation" "finally" ]; onFailure = "abort"; })
      && fails "abort at postRollback" (hook { on = "host"; when = "postRollback"; onFailure = "abort"; })
      && failed (hook { when = "finally"; }) == [ ]
      && fails "modules/tests/core.nix:" (hook { command = [ "bin/x" ]; })
      && fails "relative to no directory" (hook { command = [ "bin/x" ]; })
      && fails "without a name" (hook { command = [ "" ]; })
      && fails "PRISTINE_ are ours" (hook { environment.PRISTINE_HOST = "x"; })
      && fails "no name of a variable" (hook { environment."a b" = "x"; })
      && fails "there are 240 s for host hooks" (hook { on = "host"; timeout = 241; })
      && fails "there are 60 s for host hooks at postRollback" (hook { on = "host"; when = "finally"; timeout = 61; })
      && fails "there are 59 s for deployer hooks" (hook { when = "preConfirmation"; timeout = 60; });
    "versions of data as declared, and of servers as their packages tell" =
      let
        meta = (host {
          deployment.dataVersions.app = { version = "3"; reads = [ "2" ]; snapshot.command = [ "dump" ]; };
        }).system.meta;
      in
      meta.dataVersions == [
        {
          name = "app";
          version = "3";
          reads = [ "2" ];
          snapshot = { command = [ "dump" ]; timeoutSeconds = 30; environment = { }; };
        }
      ]
      && !((host { }).system.meta ? dataVersions)
      && (host (
        { pkgs, ... }:
        {
          environment.systemPackages = [ pkgs.mariadb-server pkgs.postgresql-15 pkgs.postgresql-17 ];
        }
      )).system.meta.dataVersions == [
        { name = "mariadb"; version = "1.0"; path = "/var/lib/mysql"; }
        { name = "postgresql"; version = "17"; reads = [ "17" "15" ]; path = "/var/lib/postgresql/17"; }
      ]
      && fails "snapshot runs `bin/dump', which is relative" {
        deployment.dataVersions.app = { version = "1"; snapshot.command = [ "bin/dump" ]; };
      };
    "deployment's defaults" =
      let
        inherit (host { }) deployment;
      in
      deployment.target == {
        host = "h1";
        hosts = [ ];
        user = "root";
        port = 22;
        sshOptions = [ ];
        privilegeEscalation = "sudo";
      }
      && deployment.confirmTimeout == 60
      && deployment.keepGenerations == 10;

    "a restricted user has a rule for the gate alone, and needs a key" =
      let
        restricted = trustedKeys: host { deployment.restrictedUser = { name = "deploy"; inherit trustedKeys; }; };
        inherit (restricted [ "k:AA==" ]) deployment security nix;
        rules = lib.filter (rule: rule.users == [ "deploy" ]) security.sudo.extraRules;
      in
      deployment.target.user == "deploy"
      && deployment.target.privilegeEscalation == "restricted"
      && map (rule: map (command: command.command) rule.commands) rules
      == [ [ "/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit gate *" ] ]
      && nix.settings.allowed-users == [ "root" "deploy" ]
      && lib.any (one: !one.assertion) (restricted [ ]).assertions;

    "a restricted user of a NixOS host is declared in its configuration, and runs nothing that is not part of its system" =
      let
        nixos = module: fleetLib.evalHost {
          name = "h1";
          meta = { name = "t"; base = "debian"; };
          modules = [
            {
              deployment.nixosConfiguration.config = {
                pristine.restrictedUser.name = "deploy";
                system.build.toplevel = derivation { name = "nixos"; builder = "/bin/sh"; system = "x86_64-linux"; };
              };
            }
            module
          ];
          inherit packagesFor;
        };
        isRefused = module: !(builtins.tryEval (nixos module).system.outPath).success;
        inherit (nixos { }) config system;
      in
      config.deployment.target.user == "deploy"
      && config.deployment.target.privilegeEscalation == "restricted"
      && !isRefused { }
      && system.name == "nixos"
      && isRefused { deployment.restrictedUser = { name = "deploy"; trustedKeys = [ "k:AA==" ]; }; }
      && isRefused { deployment.healthChecks.page.http.url = "http://localhost/"; }
      && !isRefused { deployment.healthChecks.page = { http.url = "http://localhost/"; runFrom = "deployer"; }; }
      && isRefused { deployment.hooks.drain = { on = "host"; when = "preActivation"; command = [ "/drain" ]; }; }
      && !isRefused { deployment.target.user = "root"; deployment.healthChecks.page.http.url = "http://localhost/"; };

    ## Fleets
    "hooks of the fleet, and one that cannot be" =
      let
        hooksOf = hooks: (fleetLib.evalFleetWith { inherit packagesFor; fleet = { meta = { name = "t"; inherit hooks; }; hosts = { }; }; }).inventory.hooks;
        tell = { when = "postRollout"; command = [ "tell" ]; };
      in
      map (hook: hook.name) (hooksOf { inherit tell; }) == [ "tell" ]
      && !(builtins.tryEval (builtins.deepSeq (hooksOf { tell = tell // { onFailure = "abort"; }; }) null)).success;
    "foreign hosts have their units and files, and no others" =
      let
        made = etc {
          deployment.base = "foreign";
          imports = [ (lib.setDefaultModuleLocation "fleet.nix" { environment.etc."app/conf".text = "x"; }) ];
          systemd.services.app = {
            serviceConfig.ExecStart = "/usr/bin/true";
            startAt = "hourly";
          };
          systemd.services.hosts = {
            script = "true";
            runsFromStore = false;
          };
        };
      in
      lib.attrNames made == [
        "app/conf"
        "systemd/system/app.service"
        "systemd/system/app.timer"
        "systemd/system/hosts.service"
        "systemd/system/pristine-boot.service"
        "systemd/system/sysinit.target.wants/pristine-boot.service"
        "systemd/system/timers.target.wants/app.timer"
      ]
      && has "RootDirectory=/root/app:app/conf" made."systemd/system/app.service".text
      && !has "RootDirectory" made."systemd/system/hosts.service".text;
    "users of foreign hosts are what their tools are told, and none of the host's" =
      let
        inherit
          ((host {
            deployment.base = "foreign";
            users.users.postgres = {
              isSystemUser = true;
              group = "postgres";
              hashedPassword = "!";
            };
            users.groups.postgres = { };
            users.users.a = {
              isNormalUser = true;
              uid = 1500;
              extraGroups = [ "sudo" ];
              linger = true;
              openssh.authorizedKeys.keys = [ "k" ];
            };
            users.groups.team.members = [ "a" ];
          }).system.meta)
          users
          groups
          ;
        postgres = lib.head users;
      in
      map (user: user.name) users == [
        "postgres"
        "a"
      ]
      && postgres.uid >= 300
      && postgres.gid == postgres.uid
      && postgres.account.isLocked
      && postgres.account.homeMode == null
      &&
        lib.last users == {
          name = "a";
          uid = 1500;
          gid = 100;
          home = "/home/a";
          shell = "/bin/bash";
          keys = 1;
          account = {
            description = "";
            isSystem = false;
            isLocked = false;
            isLingering = true;
            homeMode = "700";
            groups = [
              "sudo"
              "team"
            ];
          };
        }
      && lib.length groups == 2;
    "profiles of a NixOS host are in their order, and mean nothing on another" =
      let
        make = name: derivation { inherit name; builder = "/bin/sh"; system = "x86_64-linux"; };
        profiles = {
          b = { user = "alice"; path = make "b"; };
          a = { user = "alice"; path = make "a"; link = "/nix/var/nix/profiles/a"; };
          z = { user = "root"; path = make "z"; order = 1; };
        };
        nixos = profiles: (host { deployment = { system = make "nixos"; inherit profiles; }; }).deployment.profileData;
        data = nixos profiles;
        isRefused = profile: !(builtins.tryEval (builtins.deepSeq (nixos { x = profile; }) null)).success;
      in
      map (one: one.name) data == [ "z" "a" "b" ]
      && map (one: one.link) data == [ null "/nix/var/nix/profiles/a" null ]
      && (lib.head data).outputPath == builtins.unsafeDiscardStringContext profiles.z.path.outPath
      && isRefused { user = "a/b"; path = make "x"; }
      && isRefused { user = "a"; path = make "x"; link = "profiles/x"; }
      && fails "is a profile beside a NixOS system, which 'h1' does not have" { deployment = { inherit profiles; }; }
      && fails "is a profile beside a NixOS system" { deployment = { base = "foreign"; inherit profiles; }; };
    "secrets of foreign hosts are decrypted by the host's own keys, and seen by services from the store" =
      let
        module = {
          deployment = {
            base = "foreign";
            secrets.db = {
              environment = "DB";
              owner = "app";
              path = "/srv/app/db";
            };
            secrets.web = {
              environment = "WEB";
              owner = "www-data";
            };
          };
          users.users.app = {
            isSystemUser = true;
            group = "app";
          };
          users.groups.app = { };
          systemd.services.app.script = "true";
        };
        made = etc module;
        manifest = builtins.fromJSON made."pristine/secrets/manifest.json".text;
        web = lib.last manifest.secrets;
        unit = made."systemd/system/app.service".text;
      in
      manifest.identities == [
        "/etc/ssh/ssh_host_ed25519_key"
        "/etc/ssh/ssh_host_rsa_key"
      ]
      && lib.last manifest.age == "/stub/age/usr/bin/age"
      && (lib.head manifest.secrets).uid == (host module).users.users.app.uid
      && web.uid == 33
      && web.group == "www-data"
      && made."pristine/secrets/links/srv/app/db".link == "/run/secrets/db"
      && made."pristine/secrets/links/run/secrets".link == "/run/pristine/foreign/secrets"
      && !made ? "systemd/system/pristine-secrets.service"
      && has "BindReadOnlyPaths=-/run/pristine/foreign/secrets:/run/secrets\n" unit
      # Its root is the same whatever secrets there are.
      && has "RootDirectory=/root/app:\n" unit
      # And so is all else of it.
      && unit == (etc (module // { deployment.base = "foreign"; }))."systemd/system/app.service".text;
    "secrets that foreign hosts cannot have are refused" =
      let
        refused = part: secret: fails part {
          deployment.base = "foreign";
          deployment.secrets.x = { environment = "X"; } // secret;
          users.users.a = {
            isSystemUser = true;
            group = "users";
            home = "/srv/a";
            createHome = true;
          };
        };
      in
      refused "the user 'postgres', who is not declared" { owner = "postgres"; }
      && refused "the group 'docker', which is not declared" { group = "docker"; }
      && refused "/home is not for files of yours" { path = "/home/alice/x"; }
      && refused "/srv/a is not for files of yours" { path = "/srv/a/x"; }
      && refused "cannot be at /srv/a b: a link" { path = "/srv/a b"; }
      && refused "/etc/ssh is not for files of yours" { path = "/etc/ssh/x"; }
      && refused "cannot be had by a fleet that is given as a value" { }
      && fails "names the secret 'y', which is not declared" {
        deployment.base = "foreign";
        deployment.secretTemplates.t.content = "a @pristine-secret:y@ b";
      };
    "foreign hosts refuse what would change nothing, or something of the host's" =
      let
        refused =
          part: module:
          lib.any (message: has part message && has "It is defined in" message) (
            failed {
              imports = [ (lib.setDefaultModuleLocation "fleet.nix" module) ];
              deployment.base = "foreign";
            }
          );
      in
      refused "`systemd.tmpfiles.rules' means nothing" { systemd.tmpfiles.rules = [ "d /x" ]; }
      && refused "`environment.systemPackages' means nothing" (
        { pkgs, ... }: { environment.systemPackages = [ pkgs.jq ]; }
      )
      && refused "is no complete service" { systemd.services.ssh.serviceConfig.Nice = 3; }
      && refused "masks a unit" { systemd.services.ssh.enable = false; }
      && refused "is wanted by ssh.service" {
        systemd.services.app = {
          script = "true";
          wantedBy = [ "ssh.service" ];
        };
      }
      && refused "neither declared nor one that has the same number" {
        users.users.a = {
          isSystemUser = true;
          group = "docker";
        };
      }
      && refused "packages or a shell of the store" (
        { pkgs, ... }:
        {
          users.users.a = {
            isNormalUser = true;
            packages = [ pkgs.jq ];
          };
        }
      )
      && refused "has ssh keys" {
        users.users.a = {
          isSystemUser = true;
          group = "users";
          openssh.authorizedKeys.keys = [ "k" ];
        };
      }
      && refused "which cannot be made" {
        users.users.a = {
          isNormalUser = true;
          home = "/etc/a";
        };
      }
      && refused "deployment.uploads.x cannot be at /etc/sudoers.d/x" {
        deployment.uploads.x = {
          text = "x";
          path = "/etc/sudoers.d/x";
        };
      }
      && refused "deployment.uploads.x cannot be at /run/../etc/x" {
        deployment.uploads.x = {
          text = "x";
          path = "/run/../etc/x";
        };
      }
      && failed {
        deployment.base = "foreign";
        deployment.uploads.x = {
          text = "x";
          path = "/run/keys/x";
        };
      } == [ ]
      && refused "who comes into the host" { environment.etc."sudoers.d/app".text = "x"; }
      && refused "cannot have" {
        environment.etc.app = {
          text = "x";
          mode = "0600";
        };
      };
    "names for the lock" =
      let
        names = fleetLib.lockNames {
          fleet = {
            meta.name = "t";
            hosts.a = { pkgs, ... }: { environment.systemPackages = [ pkgs.jq ]; };
          };
          index = stub;
        };
      in
      lib.elem "jq" names.amd64 && lib.elem "quickjs" names.amd64 && lib.elem "systemd" names.amd64;
  };
in
lib.attrNames (
  lib.filterAttrs (
    _: result:
    let
      tried = builtins.tryEval result;
    in
    !(tried.success && tried.value)
  ) tests
)
