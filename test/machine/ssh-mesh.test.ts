/**
 * Users who reach each other's hosts over ssh, on real hosts: those who are declared, by keys that stay where they were made. All
 * hosts are of Debian's packages, or one of them is shaped like NixOS (`test/support/nixos-shaped`).
 */

import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { CHECKOUT, makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { bootstrapOf, labsMissing } from "../support/test-system.ts";

const SUBNET = takeTestSubnet();

const BASES = ["debian", "nixos"] as const;
type Base = (typeof BASES)[number];

/** What the configuration of a host of NixOS says, which here is that of the host itself. */
const AS_NIXOS = `{ config, ... }: {
  imports = [ ./nixos-shaped ./module ];
  deployment.nixosConfiguration = { inherit config; };
  pristine.fleetDirectory = ./.;
  pristine.sshMesh.backup = import ./mesh.nix;
}`;

const fleetOf = (base: Base): string => `{
  meta = { name = "${TEST_LAB_NAME}"; base = "debian"; };
  defaults = {
    networking.useDHCP = false;
    users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
    users.users.backup.isNormalUser = true;
    users.users.mara.isNormalUser = true;
    deployment.sshMesh.backup = import ./mesh.nix;
  };
  hosts = builtins.mapAttrs (name: { number, module ? { } }: {
    imports = [ module ];
    networking.interfaces.host0.ipv4.addresses = [ { address = "${SUBNET}.\${number}"; prefixLength = 24; } ];
  }) {
    one.number = "11";
    two.number = "12";
    ${base === "nixos" ? "two.module = ./nixos.nix;" : ""}
    three.number = "13";
  };
}
`;
/** Nobody is in it while hosts boot for the first time, when no key is known. */
const MESH = '{ hosts = [ ]; users = [ "backup" ]; }';

function write(directory: string, base: Base): void {
  writeFileSync(join(directory, "fleet.nix"), fleetOf(base));
  writeFileSync(join(directory, "mesh.nix"), MESH);
  if (base === "debian") return;
  writeFileSync(join(directory, "nixos.nix"), AS_NIXOS);
  cpSync(join(CHECKOUT, "test/support/nixos-shaped"), join(directory, "nixos-shaped"), { recursive: true });
  cpSync(join(CHECKOUT, "nix/nixos"), join(directory, "module"), { recursive: true });
}

/** A host runs NixOS before it is deployed to. */
async function upAsNixos(host: string): Promise<void> {
  const { hosts } = await fleet.ask<{ hosts: { path: string }[] }>(["build", host]);
  await labUp({
    name: TEST_LAB_NAME,
    hosts: [{ name: host, address: `${SUBNET}.12` }],
    bootstrap: bootstrapOf(hosts[0]?.path ?? ""),
    identityFiles: [join(shop.directory, "keys/operator")],
    signal: AbortSignal.timeout(240_000),
  });
}

let shop: Shop;
let fleet: FleetDriver;
let one: RemoteHost;
let two: RemoteHost;
let three: RemoteHost;

/** What ssh from one user to another ends in: the name of who is there, or why not. */
async function reach(from: RemoteHost, user: string, to: string): Promise<string> {
  const said = await from.sh(`runuser -u ${user} -- ssh -oBatchMode=yes ${to} 'id -un; hostname' 2>&1 || true`);
  return said.split("\n").slice(-2).join(" ");
}

async function deploy(): Promise<void> {
  for (const outcome of Object.values(await fleet.deploy(["one", "two"])))
    assert.equal(outcome.status, "activated", JSON.stringify(outcome));
}

const keyFiles = (host: string): string[] => readdirSync(join(shop.directory, "pristine.mesh.d", host));
const publicKey = (host: string): string =>
  readFileSync(join(shop.directory, "pristine.mesh.d", host, "backup.pub"), "utf8");

const missing = await labsMissing();

for (const base of BASES) {
  suite(`ssh between hosts of debian and ${base}`, { skip: missing, concurrency: 1, timeout: 10 * 60_000 }, () => {
    before(async () => {
      await removeStaleLabs();
      shop = makeShop({
        edit: (directory) => {
          write(directory, base);
        },
      });
      fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
      if (base === "nixos") await upAsNixos("two");
      await fleet.run(["lab", "up"]);
      fleet.edit("mesh.nix", "hosts = [ ]", 'hosts = [ "one" "two" ]');
      [one, two, three] = await Promise.all([fleet.host("one"), fleet.host("two"), fleet.host("three")]);
    });
    after(async () => {
      await labDown(TEST_LAB_NAME);
      shop[Symbol.dispose]();
    });

    test("nothing is deployed before keys are known; they are made on their hosts, and only public parts leave", async () => {
      const refused = await fleet.run(["deploy", "one", "two", "--lab", "--yes"], { exit: [1] });
      assert.match(refused.stderr, /run `pristine mesh collect one'/);
      const collected = await fleet.run(["mesh", "collect", "--lab", "--yes"]);
      assert.match(collected.stdout, /^one: backup has the key SHA256:\S+, which is new$/m);
      assert.deepEqual(
        [keyFiles("one"), keyFiles("two")],
        [
          ["backup.pub", "host.json"],
          ["backup.pub", "host.json"],
        ],
      );
      const again = await fleet.run(["mesh", "collect", "--lab"]);
      assert.doesNotMatch(again.stdout, /new/, "the same keys, and nothing to ask");
      await deploy();
      for (const host of [one, two])
        assert.equal(await host.sh("stat -c '%a %U' /persist/etc/ssh/mesh/backup.*"), "400 backup");
    });

    test("the named user gets from each host to the other; others, and other hosts, do not", async () => {
      assert.equal(await reach(one, "backup", "two"), "backup two");
      assert.equal(await reach(two, "backup", `${SUBNET}.11`), "backup one");
      assert.match(await reach(one, "mara", "backup@two"), /Permission denied/);
      assert.match(await reach(one, "backup", "root@two"), /Permission denied/);
      assert.match(await reach(one, "backup", "mara@two"), /Permission denied/);
      assert.match(
        await reach(three, "root", `-oStrictHostKeyChecking=accept-new backup@${SUBNET}.11`),
        /Permission denied/,
      );
    });

    test("a new key takes the place of the old one, and a boot with an empty root keeps it", async () => {
      const [before, earlier] = [publicKey("one"), publicKey("two")];
      // What a command has left that was killed.
      const left = "/persist/etc/ssh/mesh/.new.000000";
      await one.sh(`mkdir ${left}; touch -d '1 hour ago' ${left}`);
      await fleet.run(["mesh", "rotate", "one", "two", "--lab"]);
      assert.equal(await one.sh("ls -A /persist/etc/ssh/mesh | grep -c new || true"), "0");
      assert.notEqual(publicKey("one"), before);
      assert.notEqual(publicKey("two"), earlier);
      await deploy();
      await fleet.run(["lab", "power", "cut", "one", "two"]);
      await fleet.run(["lab", "power", "on", "one", "two"]);
      for (const host of [one, two]) await host.sh("systemctl is-system-running --wait");
      assert.equal(await reach(one, "backup", "two"), "backup two");
      assert.equal(await reach(two, "backup", "one"), "backup one");
      const [, base64 = ""] = before.split(" ");
      assert.equal(await two.sh(`grep -c ${base64.slice(-40).trim()} /etc/ssh/authorized_keys.d/backup || true`), "0");
    });

    test("who is taken out is let in no more", async () => {
      fleet.edit("mesh.nix", '[ "one" "two" ]', '[ "one" ]');
      await deploy();
      const keys = "$(printf -- '-i %s ' /persist/etc/ssh/mesh/backup.*) -oStrictHostKeyChecking=accept-new";
      assert.match(await reach(one, "backup", `${keys} ${SUBNET}.12`), /Permission denied/);
      assert.match(await reach(two, "backup", `${keys} ${SUBNET}.11`), /Permission denied/);
      assert.equal(
        await two.sh("ls /etc/ssh/ssh_known_hosts /etc/ssh/authorized_keys.d/backup 2>/dev/null || true"),
        "",
      );
      await fleet.run(["mesh", "collect", "--lab"]);
      assert.deepEqual(keyFiles("two"), []);
    });
  });
}
