/** Hosts that build, for themselves and for others, and one that fetches what its substituters have: by daemons of real hosts. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { labDown } from "../../src/lab/lab.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

const SUBNET = takeTestSubnet();

const FLEET = `{
  meta = { name = "${TEST_LAB_NAME}"; base = "debian"; };
  defaults = {
    networking.useDHCP = false;
    users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
  };
  hosts.one = {
    networking.interfaces.host0.ipv4.addresses = [ { address = "${SUBNET}.11"; prefixLength = 24; } ];
    environment.etc.greeting.text = "first";
    deployment.buildOnTarget = true;
    nix.settings = { substituters = [ "file:///persist/cache" ]; require-sigs = false; };
  };
  hosts.two = {
    networking.interfaces.host0.ipv4.addresses = [ { address = "${SUBNET}.12"; prefixLength = 24; } ];
    environment.etc.greeting.text = "hello";
    deployment.buildOn = "one";
  };
}
`;

let shop: Shop;
let fleet: FleetDriver;
let one: RemoteHost;
let two: RemoteHost;

interface Planned {
  readonly system: string;
  readonly error: { readonly code: string; readonly message: string } | null;
}

async function deploy(host: string): Promise<HostOutcome> {
  const outcome = (await fleet.deploy([host]))[host]!;
  assert.equal(outcome.status, "activated", JSON.stringify(outcome));
  return outcome;
}

async function plan(host: string, exit = 0): Promise<Planned> {
  const answer = await fleet.ask<{ plan: { hosts: [Planned] } }>(["plan", "--lab", host], { exit: [exit] });
  return answer.plan.hosts[0];
}

const refusal = async (host: string): Promise<Planned["error"]> => (await plan(host, 2)).error;

/** What was copied to a machine says of itself that it was not built there. */
async function wasBuiltOn(host: RemoteHost, path: string): Promise<boolean> {
  return /"ultimate":true/.test(await host.sh(`nix path-info --json ${path}`));
}

suite("where systems are built", { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 }, () => {
  before(async () => {
    await removeStaleLabs();
    shop = makeShop({ edit: (directory) => writeFileSync(join(directory, "fleet.nix"), FLEET) });
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    await fleet.run(["lab", "up"]);
    one = await fleet.host("one");
    two = await fleet.host("two");
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    shop[Symbol.dispose]();
  });

  test("a host builds its own system, and nothing is left to copy", async () => {
    const outcome = await deploy("one");
    assert.equal(await one.sh("cat /etc/greeting"), "first");
    assert.equal(outcome.copied?.paths, 0);
    assert.ok(await wasBuiltOn(one, "$(readlink -f /system)"));
  });

  test("a build that fails there is that host's failure, with what the builder said", async () => {
    const undo = fleet.edit(
      "fleet.nix",
      "environment.etc",
      'services.openssh.extraConfig = "Nonsense yes"; environment.etc',
    );
    const error = await refusal("one");
    undo();
    assert.equal(error?.code, "BUILD_FAILED");
    assert.match(error.message, /could not be built on one: [^]*nonsense/i);
  });

  test("less memory than declared is refused before anything is done", async () => {
    const undo = fleet.edit(
      "fleet.nix",
      "deployment.buildOnTarget",
      "deployment.buildMemoryMiB = 1048576; deployment.buildOnTarget",
    );
    const error = await refusal("one");
    undo();
    assert.equal(error?.code, "HOST_TOO_SMALL");
  });

  test("what the host's substituters have is fetched by it, and the rest is sent", async () => {
    fleet.edit("fleet.nix", '"first"', '"second"');
    const { system } = await plan("one");
    await one.sh(`nix copy --to 'file:///persist/cache?compression=none' ${system} && nix-store --gc >/dev/null 2>&1`);
    assert.equal(await one.sh(`test -e ${system} || echo gone`), "gone");
    fleet.edit("fleet.nix", "buildOnTarget", "substituteOnDestination");
    const outcome = await deploy("one");
    const fetched = outcome.timeline.map(({ text }) => /has fetched (\d+) of (\d+) paths/.exec(text)).find((m) => m);
    assert.ok(Number(fetched?.[1]) > 0, JSON.stringify(outcome.timeline));
    assert.equal(fetched?.[1], fetched?.[2]);
    assert.equal(outcome.copied?.paths, 0);
    assert.equal(await one.sh("cat /etc/greeting"), "second");
  });

  test("a host builds for another one of the fleet", async () => {
    await deploy("two");
    const system = await two.sh("readlink -f /system");
    assert.deepEqual([await wasBuiltOn(one, system), await wasBuiltOn(two, system)], [true, false]);
    assert.equal(await two.sh("cat /etc/greeting"), "hello");
  });

  test("a machine of Nix's builds; one that is not let in, or is for something else, is an error of that host", async () => {
    const key = join(shop.directory, "keys/operator");
    const hostKey = await one.sh("base64 -w0 /persist/etc/ssh/ssh_host_ed25519_key.pub");
    const wrongKey = Buffer.from(readFileSync(`${key}.pub`, "utf8")).toString("base64");
    const builder = (system: string, knownKey: string): string =>
      `deployment.builders = "nobody@127.0.0.1:1 - - - - - benchmark; ssh://root@${SUBNET}.11 ${system} ${key} 2 1 - - ${knownKey}"`;
    fleet.edit("fleet.nix", '"hello"', '"good day"');
    fleet.edit("fleet.nix", 'deployment.buildOn = "one"', builder("aarch64-linux", hostKey));
    const unfit = await refusal("two");
    assert.equal(unfit?.code, "BUILDER_UNFIT");
    assert.match(
      unfit.message,
      /of two builds its system: nobody@\S+ builds only .*; ssh:\S+ builds for aarch64-linux/,
    );
    fleet.edit("fleet.nix", /deployment.builders.*/, `${builder("x86_64-linux", wrongKey)};`);
    const unreached = await refusal("two");
    assert.equal(unreached?.code, "BUILDER_UNREACHABLE");
    assert.match(unreached.message, /Host key verification failed/);
    fleet.edit("fleet.nix", wrongKey, hostKey);
    const { system } = await plan("two");
    assert.ok(await wasBuiltOn(one, system));
    await deploy("two");
    assert.equal(await two.sh("cat /etc/greeting"), "good day");
  });

  test("what builds sends it to the host by itself, where a mesh lets it", async () => {
    const mesh = 'defaults = { deployment.sshMesh.root = { hosts = [ "one" "two" ]; users = [ "root" ]; };';
    fleet.edit("fleet.nix", "defaults = {", mesh);
    fleet.edit("fleet.nix", /deployment.builders.*/, 'deployment.buildOn = "one";');
    await fleet.run(["mesh", "collect", "--lab", "--yes"]);
    await deploy("two");
    await deploy("one");
    fleet.edit("fleet.nix", '"good day"', '"good night"');
    const outcome = await deploy("two");
    assert.equal(outcome.copied?.paths, 0);
    const system = await two.sh("readlink -f /system");
    assert.deepEqual([await wasBuiltOn(one, system), await wasBuiltOn(two, system)], [true, false]);
    assert.equal(await two.sh("cat /etc/greeting"), "good night");
  });
});
