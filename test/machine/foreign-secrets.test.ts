/**
 * Secrets on a host that somebody has installed: only such a host shows that services from the store see them, also when
 * these change under them, that a boot brings them back, and that nothing of them, or of what was uploaded, is left behind.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { labDown } from "../../src/lab/lab.ts";
import { cacheDirectory } from "../../src/system/directories.ts";
import { Canaries, Watch } from "../support/canaries.ts";
import { LoudDriver, type Run, type RunOptions } from "../support/fleet-driver.ts";
import { unmetNeed } from "../support/needs.ts";
import { bootPlainHost, type PlainHost } from "../support/plain-host.ts";
import { TEST_LAB_NAME } from "../support/test-labs.ts";

/** Each is a value of the secret `db`. */
const CANARIES = new Canaries();
const { first: FIRST, second: SECOND, third: THIRD } = CANARIES;

/** Without secrets it has one service, which looks again and again. */
const fleetOf = (recipient: string, { more = "", hasSecrets = true }): string => `
{
  meta.name = "${TEST_LAB_NAME}";
  meta.secrets.recipients = [ "${recipient}" ];
  hosts.plain = { config, lib, pkgs, ... }:
  let
    note = path: "sha256sum <\${path} >/var/lib/seen/$NAME.new; mv /var/lib/seen/$NAME.new /var/lib/seen/$NAME";
    reader = name: script: more: {
      wantedBy = [ "multi-user.target" ];
      path = [ pkgs.coreutils ];
      environment.NAME = name;
      inherit script;
      serviceConfig = { StateDirectory = "seen"; User = "app"; } // more;
    };
  in
  {
    deployment = {
      base = "foreign";
      confirmTimeout = 20;
      uploads.key = { file = "upload"; path = "/srv/keys/deep/upload"; owner = "app"; };
    };
    users.users.app = { isSystemUser = true; group = "app"; };
    users.groups.app = { };
    systemd.services.looks = reader "looks" "while :; do [ ! -e /run/secrets/db ] || { \${note "/run/secrets/db"}; }; sleep 0.2; done" { };
    ${more}
    ${hasSecrets ? "imports = [ ./secrets.nix ]; _module.args = { inherit note reader; };" : 'environment.etc."shop/app.conf".text = "to come";'}
  };
}
`;

const SECRETS = `{ config, note, reader, ... }: {
  deployment.secrets.db = {
    file = ./secrets/db.age;
    owner = "app";
    mode = "0440";
    restartUnits = [ "one.service" ];
    reloadUnits = [ "loads.service" ];
  };
  deployment.secrets.tls = { file = ./secrets/tls.age; generate.length = 40; path = "/srv/tls/key"; owner = "www-data"; };
  deployment.secretTemplates."app.conf" = {
    content = "password = \${config.deployment.secrets.db.placeholder}\n";
    path = "/etc/shop/app.conf";
    owner = "app";
    restartUnits = [ "two.service" ];
  };
  systemd.services = {
    one = reader "one" "\${note "/run/secrets/db"}; exec sleep infinity" { };
    two = reader "two" "\${note "/etc/shop/app.conf"}; exec sleep infinity" { };
    loads = reader "loads" "trap '\${note "/run/secrets/db"}' HUP; \${note "/run/secrets/db"}; while :; do sleep 0.1; done" { }
      // { reload = "kill -HUP $MAINPID"; };
    theirs = reader "theirs" "\${note "/run/secrets/tls"}; exec sleep infinity" { User = "www-data"; StateDirectory = "seen-by-theirs:seen"; };
  };
}
`;

const SERVICES = ["one", "two", "looks", "loads", "theirs"];

class ForeignDriver extends LoudDriver {
  override run(args: readonly string[], options?: RunOptions): Promise<Run> {
    return super.run(["--ssh-config", join(this.directory, "../ssh_config"), ...args], options);
  }

  async outcome(exit = 0): Promise<HostOutcome & { readonly code?: string; readonly reason?: string }> {
    const { outcomes } = await this.ask<{ outcomes: HostOutcome[] }>(["deploy", "--yes"], { exit: [exit] });
    return outcomes[0]!;
  }
}

const missing = unmetNeed("root", "systemd-nspawn", "debootstrap", "bwrap");

suite("secrets of a foreign host", { skip: missing, timeout: 10 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-foreign-secrets-"));
  const directory = join(scratch, "fleet");
  const fleet = new ForeignDriver(directory, TEST_LAB_NAME);
  let host: PlainHost;
  let watch: Watch;

  const declare = (options: { more?: string; hasSecrets?: boolean } = {}): void => {
    const recipient = readFileSync(join(directory, "keys/operator.pub"), "utf8").trim();
    writeFileSync(join(directory, "fleet.nix"), fleetOf(recipient, options));
  };
  const setDb = (value: string): Promise<Run> =>
    fleet.run(["secrets", "edit", "db", "--stdin"], { stdin: `${value}\n` });

  /** What each of the services has seen is what is there now. */
  const assertServes = (value: string): void => {
    assert.equal(host.inHost("cat /run/secrets/db").trim(), value);
    assert.equal(host.inHost("cat /etc/shop/app.conf"), `password = ${value}\n`);
    assert.match(host.inHost("cat /srv/tls/key"), /^[A-Za-z0-9]{40}$/);
    const files = "one:db looks:db loads:db two:app.conf";
    const compare = `sleep 1; for each in ${files}; do sha256sum </run/secrets/\${each#*:} | cmp -s - /var/lib/seen/\${each%:*} || echo $each; done; sha256sum </run/secrets/tls | cmp -s - /var/lib/seen-by-theirs/theirs || echo theirs`;
    assert.equal(host.inHost(compare), "", "seen as it was");
  };
  const starts = (): string[] =>
    SERVICES.map((name) => `${name} ${host.inHost(`systemctl show -P InvocationID ${name}`).trim()}`);
  const restartedBy = async (act: () => Promise<unknown>): Promise<string[]> => {
    const earlier = new Set(starts());
    await act();
    return starts().flatMap((start) => (earlier.has(start) ? [] : [start.split(" ")[0]!]));
  };

  before(async () => {
    for (const name of ["keys", "secrets"]) mkdirSync(join(directory, name), { recursive: true });
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(directory, "keys/operator")]);
    writeFileSync(join(directory, "secrets.nix"), SECRETS);
    writeFileSync(join(directory, "upload"), "uploaded\n");
    declare();
    await fleet.run(["lock"]);
    host = await bootPlainHost(scratch);
    watch = new Watch(CANARIES);
  });
  after(async () => {
    watch[Symbol.dispose]();
    await labDown(TEST_LAB_NAME);
    rmSync(scratch, { recursive: true, force: true });
  });

  test("another tool's secrets are in the way, before anything is touched", async () => {
    await setDb(FIRST);
    await fleet.run(["secrets", "generate"]);
    await fleet.run(["secrets", "rekey", "--enroll", "--yes"]);
    host.inHost("mkdir /run/secrets; echo theirs >/run/secrets/key");
    const refused = await fleet.outcome(2);
    assert.ok(refused.code === "HOST_IN_THE_WAY", JSON.stringify(refused));
    assert.match(refused.reason ?? "", /\/run\/secrets is on the host already/);
    assert.equal(host.inHost("cat /run/secrets/key; ls -d /nix || true"), "theirs\n");
    host.inHost("rm -r /run/secrets");
  });

  test("they are there with owner, mode and path, and services from the store see them", async () => {
    declare({ hasSecrets: false });
    assert.equal((await fleet.outcome()).status, "activated");
    // Its owner was made by the same deployment.
    assert.equal(
      host.inHost("stat -c '%a %U' /srv/keys/deep/upload; cat /srv/keys/deep/upload"),
      "400 app\nuploaded\n",
    );
    declare();
    const earlier = host.inHost("systemctl show -P InvocationID looks");
    const outcome = await fleet.outcome();
    assert.equal(outcome.status, "activated", JSON.stringify(outcome));
    assertServes(FIRST);
    assert.equal(
      host.inHost("systemctl show -P InvocationID looks"),
      earlier,
      "what no secret is told to stays as it is",
    );
    assert.equal(
      host.inHost("stat -L -c '%a %U %G %n' /run/secrets/*"),
      [
        "400 app app /run/secrets/app.conf",
        "440 app app /run/secrets/db",
        "400 www-data www-data /run/secrets/tls",
        "",
      ].join("\n"),
    );
    assert.equal(host.inHost("stat -f -L -c %T /run/secrets/db").trim(), "tmpfs");
  });

  test("a change restarts and reloads its users alone, others see it, and it goes back with the generation", async () => {
    await setDb(SECOND);
    assert.deepEqual(await restartedBy(() => fleet.outcome()), ["one", "two"]);
    assertServes(SECOND);
    assert.deepEqual(await restartedBy(() => fleet.run(["rollback", "plain", "--yes"])), ["one", "two"]);
    assertServes(FIRST);
    assert.equal(host.inHost("ls /run/pristine/foreign/secrets.d").trim().split("\n").length, 1);
  });

  test("a further secret is told to nobody else, and one that fails goes back", async () => {
    await setDb(THIRD);
    declare({ more: 'systemd.services.bad = { wantedBy = [ "multi-user.target" ]; script = "exit 1"; };' });
    assert.equal((await fleet.outcome(2)).status, "rolled-back");
    assertServes(FIRST);
    declare({ more: "deployment.secrets.more = { file = ./secrets/tls.age; };" });
    await fleet.run(["secrets", "rekey"]);
    assert.deepEqual(await restartedBy(() => fleet.outcome()), ["one", "two"]);
    assertServes(THIRD);
    assert.equal(host.inHost("cmp /run/secrets/more /run/secrets/tls"), "");
  });

  test("a boot decrypts them before services start", async () => {
    host.inHost("rm -r /run/pristine /run/current-system /run/secrets; systemctl --no-block soft-reboot");
    for (let tries = 0; ; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      try {
        host.inHost(
          "timeout 5 systemctl is-active multi-user.target theirs && ! systemctl is-active --quiet soft-reboot.target",
        );
        break;
      } catch (error) {
        if (tries > 60) throw error;
      }
    }
    assertServes(THIRD);
    assert.equal(host.inHost("systemctl is-active pristine-boot").trim(), "active");
  });

  test("no canary is anywhere but where the secrets are", () => {
    assert.ok(watch.looks > 100, `${watch.looks} looks at all processes`);
    assert.deepEqual([...watch.found], [], "arguments and environments");
    assert.ok(!CANARIES.isIn(fleet.said), "what commands said");
    const patterns = CANARIES.words.flatMap((word) => ["-e", word]);
    const places = [tmpdir(), cacheDirectory(), "/dev/shm", "/var/lib/systemd/coredump"];
    const find = [...places, "-xdev", "-type", "f", "-cnewer", join(directory, "keys/operator"), "-print0"];
    const files = spawnSync("find", find, { encoding: "utf8", maxBuffer: 1 << 28 }).stdout;
    assert.match(files, /secrets\/db\.age\0/);
    const search = ["-0", "grep", "-l", "-a", "-s", "-F", ...patterns, "--"];
    assert.equal(spawnSync("xargs", search, { encoding: "utf8", input: files }).stdout, "");
    const words = patterns.map((word) => `'${word}'`).join(" ");
    assert.equal(host.inHost(`journalctl --no-pager --output=export | grep -a -c -F ${words} || true`).trim(), "0");
    const found = host.inHost(
      `grep -r -l -a -s -D skip -F ${words} -- /boot /etc /home /nix /opt /root /srv /tmp /var /dev/shm /run || true`,
    );
    assert.match(found, /^(?:\/run\/pristine\/foreign\/secrets\.d\/\w+\/(?:db|app\.conf)\n)+$/);
  });

  test("removed, nothing of them is left", async () => {
    await fleet.run(["remove", "plain", "--yes"]);
    assert.equal(host.inHost("ls -d /nix /run/pristine /run/secrets* /srv/* /etc/shop 2>/dev/null || true"), "");
    const words = CANARIES.words.map((word) => `-e ${word}`).join(" ");
    assert.equal(
      host.inHost(`grep -r -l -a -s -D skip -F ${words} -- /etc /root /srv /tmp /var /dev/shm /run || true`),
      "",
    );
  });
});
