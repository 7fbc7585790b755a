/** A host that builds its own system, and one that fetches what its substituters have: by the daemon of a real host. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { labDown } from "../../src/lab/lab.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

const FLEET = `{
  meta = { name = "${TEST_LAB_NAME}"; base = "debian"; };
  hosts.one = {
    networking.useDHCP = false;
    networking.interfaces.host0.ipv4.addresses = [ { address = "${takeTestSubnet()}.11"; prefixLength = 24; } ];
    users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
    environment.etc.greeting.text = "first";
    deployment.buildOnTarget = true;
    nix.settings = { substituters = [ "file:///persist/cache" ]; require-sigs = false; };
  };
}
`;

let shop: Shop;
let fleet: FleetDriver;
let one: RemoteHost;

interface Planned {
  readonly system: string;
  readonly error: { readonly code: string; readonly message: string } | null;
}

const deploy = async (): Promise<HostOutcome> => (await fleet.deploy())["one"]!;

async function plan(exit = 0): Promise<Planned> {
  const answer = await fleet.ask<{ plan: { hosts: [Planned] } }>(["plan", "--lab"], { exit: [exit] });
  return answer.plan.hosts[0];
}

const refusal = async (): Promise<Planned["error"]> => (await plan(2)).error;

suite("where systems are built", { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 }, () => {
  before(async () => {
    await removeStaleLabs();
    shop = makeShop({ edit: (directory) => writeFileSync(join(directory, "fleet.nix"), FLEET) });
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    await fleet.run(["lab", "up"]);
    one = await fleet.host("one");
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    shop[Symbol.dispose]();
  });

  test("a host builds its own system, and nothing is left to copy", async () => {
    const outcome = await deploy();
    assert.equal(outcome.status, "activated", JSON.stringify(outcome));
    assert.equal(await one.sh("cat /etc/greeting"), "first");
    assert.equal(outcome.copied?.paths, 0);
    // What was copied there says of itself that it was not.
    assert.match(await one.sh("nix path-info --json $(readlink -f /system)"), /"ultimate":true/);
  });

  test("a build that fails there is that host's failure, with what the builder said", async () => {
    const undo = fleet.edit(
      "fleet.nix",
      "environment.etc",
      'services.openssh.extraConfig = "Nonsense yes"; environment.etc',
    );
    const error = await refusal();
    undo();
    assert.equal(error?.code, "BUILD_FAILED");
    assert.match(error.message, /could not be built on one: [^]*nonsense/i);
  });

  test("less memory than declared is refused before anything is done", async () => {
    const undo = fleet.edit("fleet.nix", "deployment.", "deployment.buildMemoryMiB = 1048576; deployment.");
    const error = await refusal();
    undo();
    assert.equal(error?.code, "HOST_TOO_SMALL");
  });

  test("what the host's substituters have is fetched by it, and the rest is sent", async () => {
    fleet.edit("fleet.nix", '"first"', '"second"');
    const { system } = await plan();
    await one.sh(`nix copy --to 'file:///persist/cache?compression=none' ${system} && nix-store --gc >/dev/null 2>&1`);
    assert.equal(await one.sh(`test -e ${system} || echo gone`), "gone");
    fleet.edit("fleet.nix", "buildOnTarget", "substituteOnDestination");
    const outcome = await deploy();
    assert.equal(outcome.status, "activated", JSON.stringify(outcome));
    const fetched = outcome.timeline.map(({ text }) => /has fetched (\d+) of (\d+) paths/.exec(text)).find((m) => m);
    assert.ok(Number(fetched?.[1]) > 0, JSON.stringify(outcome.timeline));
    assert.equal(fetched?.[1], fetched?.[2]);
    assert.equal(outcome.copied?.paths, 0);
    assert.equal(await one.sh("cat /etc/greeting"), "second");
  });
});
