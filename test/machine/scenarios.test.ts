/** What users describe, on two real hosts: a daemon that is reloaded, files that are gone, hosts that were dirty. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { birdModule } from "../support/bird.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

/** Another one for each process, so that several may be at work on one machine. */
const SUBNET = takeTestSubnet();

let shop: Shop;
let fleet: FleetDriver;
let hosts: readonly [RemoteHost, RemoteHost];

function declareBird(directory: string, options: Parameters<typeof birdModule>[0]): void {
  writeFileSync(join(directory, "bird.nix"), birdModule(options));
}

/** Two hosts that an index tells apart, each with the daemon. */
function withBird(directory: string): void {
  const file = join(directory, "fleet.nix");
  const text = readFileSync(file, "utf8")
    .replace('name = "shop"', `name = "${TEST_LAB_NAME}"`)
    .replace(/\n *lb = .*/, "")
    .replace("defaults = ./shop.nix", "defaults.imports = [ ./shop.nix ./bird.nix ]");
  writeFileSync(file, text);
  declareBird(directory, { holdTime: 90, secret: true });
}

async function onBoth(script: string): Promise<string[]> {
  return Promise.all(hosts.map((host) => host.sh(script)));
}

async function assertActivated(): Promise<void> {
  const outcomes = Object.values(await fleet.deploy());
  assert.deepEqual(
    outcomes.map(({ host, status }) => `${host} ${status}`),
    ["web1 activated", "web2 activated"],
  );
}

suite("scenarios on real hosts", { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 }, () => {
  before(async () => {
    await removeStaleLabs();
    shop = makeShop({ subnet: SUBNET, edit: withBird });
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    await fleet.ask(["lab", "up"]);
    hosts = [await fleet.host("web1"), await fleet.host("web2")];
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    shop[Symbol.dispose]();
  });

  /** What a host is made of, but for its own name, address and keys. */
  const STATE = `
    find -L /etc -type f ! -name machine-id ! -path '*/systemd/network/*' ! -path '/etc/pristine/*' ! -name 'bird*' |
      sort | xargs sha256sum | grep -v -e /etc/hostname -e /etc/hosts -e /etc/mtab -e systemd-networkd.service.d -e nginx -e greeting
    find /usr/local /opt /root /home /srv /run/systemd/system /run/pristine/etc -mindepth 1 -printf '%M %u %g %p\\n' 2>/dev/null |
      grep -v -e /run/systemd/system/session -e -scope- | sort
    cut -d: -f1,3,4,6,7 /etc/passwd
    systemctl list-units --plain --no-legend --state=active,failed --type=service,timer,socket |
      awk '{ print $1, $3, $4 }' | grep -v -e '@' -e pristine- -e run-r | sort`;

  test("two hosts that were dirty in different ways are equal after one deployment, and to the last file after a reboot", async () => {
    const [one, other] = hosts;
    await one.sh(`
      mkdir -p /usr/local/dirt /opt/dirt 2>/dev/null || mkdir -p /opt/dirt; echo 1 >/opt/dirt/file; echo 1 >/root/stray
      mkdir -p /run/systemd/system/nginx.service.d /var/lib/left
      printf '[Service]\\nEnvironment=DIRT=1\\n' >/run/systemd/system/nginx.service.d/dirt.conf
      printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\n' >/run/systemd/system/dirt.service
      systemctl daemon-reload; systemctl start dirt.service; echo 1 >/var/lib/left/file`);
    await other.sh(`
      echo 1 >/srv/stray; mkdir -p /home/eve; systemctl mask --runtime --now systemd-timesyncd.service 2>/dev/null || true
      hostname somebody-else; echo 7 >/var/stray`);
    await assertActivated();
    // What is declared is equal at once: files, users, programs, and the declared units.
    const declared = "sha256sum /etc/passwd /etc/group /etc/ssh/sshd_config; readlink /usr/bin/bash /usr/sbin/sshd";
    const [first, second] = await onBoth(declared);
    assert.equal(first, second);
    assert.deepEqual(await onBoth("hostname"), ["web1", "web2"]);
    // What nobody declared is told, and a reboot erases it.
    const drift = await fleet.statuses();
    assert.ok(drift["web1"]?.drift.some(({ kind }) => kind === "unit-override"));
    await fleet.run(["reboot", "--lab", "--yes"]);
    const [left = [], right = []] = (await onBoth(STATE)).map((shown) => shown.split("\n"));
    assert.ok(left.length > 100);
    assert.deepEqual(
      [left.filter((line) => !right.includes(line)), right.filter((line) => !left.includes(line))],
      [[], []],
    );
    assert.doesNotMatch(left.join("\n"), /dirt|stray|\beve\b/);
    assert.deepEqual(await onBoth("ls -d /var/lib/left /var/stray /opt/dirt 2>/dev/null || true"), ["", ""]);
    const statuses = Object.values(await fleet.statuses());
    assert.deepEqual(
      statuses.map(({ host, asDeclared }) => [host, asDeclared]),
      [
        ["web1", true],
        ["web2", true],
      ],
      JSON.stringify(statuses.map(({ drift, facts }) => [drift, facts?.failedUnits])),
    );
  });

  test("a shared line of a configuration changes: each host's own file is right, and the daemon is reloaded, not restarted", async () => {
    const look = "systemctl show --property=MainPID --value bird; cat /run/bird.reloads";
    const before = await onBoth(look);
    declareBird(shop.directory, { holdTime: 240, secret: true });
    await assertActivated();
    const reloaded = "for i in 1 2 3 4 5 6 7 8; do grep -q 240 /run/bird.conf && break; sleep 0.5; done";
    await onBoth(reloaded);
    assert.deepEqual(
      await onBoth(look),
      before.map((shown) => {
        const [pid, reloads] = shown.split("\n");
        return `${pid}\n${Number(reloads) + 1}`;
      }),
    );
    const configurations = await onBoth("cat /run/bird.conf; diff /run/bird.conf /etc/bird/bird.conf");
    for (const [index, text] of configurations.entries()) {
      assert.match(text, new RegExp(`router id 10\\.0\\.0\\.${index + 1};[^]*hold time 240;`));
    }
  });

  test("a file of mode 0440 that is declared no more is gone everywhere", async () => {
    const found = "find / -xdev -name '*password' -path '*bird*' 2>/dev/null; ls /etc/bird /run/pristine/etc";
    assert.deepEqual(await onBoth("stat -L -c '%a %U' /etc/bird/password"), ["440 root", "440 root"]);
    for (const shown of await onBoth(found)) assert.match(shown, /-password$/m);
    declareBird(shop.directory, { holdTime: 240, secret: false });
    await assertActivated();
    for (const shown of await onBoth(found)) assert.doesNotMatch(shown, /password/);
  });
});
