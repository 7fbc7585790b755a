/** What is wrong with one host is that host's; what is wrong with the fleet is everybody's. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { writeStubLock } from "../../test/support/stub-lock.ts";
import { loadInventory, type SystemsWanted } from "./inventory.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-failing-"));
writeStubLock(directory, { mirror: "http://localhost:1/debian", extra: ["age"] });

async function load(
  hosts: string,
  { meta = "", systems = "none" }: { readonly meta?: string; readonly systems?: SystemsWanted } = {},
): Promise<Record<"hosts" | "systems" | "failed", string[]>> {
  const file = join(directory, "fleet.nix");
  writeFileSync(file, `{ meta.name = "shop"; ${meta} ${hosts} }`);
  const inventory = await loadInventory(file, systems, AbortSignal.timeout(120_000));
  return {
    hosts: inventory.hosts.map(({ name }) => name),
    systems: [...inventory.systems.keys()],
    failed: [...inventory.failed].map(([name, { code }]) => `${name} ${code}`),
  };
}

suite("hosts that cannot be evaluated", { concurrency: 1 }, () => {
  after(() => rmSync(directory, { recursive: true }));

  test("a host of which nothing can be known is left out", async () => {
    const found = await load("hosts.a = { }; hosts.b.deployment.wave = 1.5; hosts.c = import ./none.nix;");
    assert.deepEqual(found, { hosts: ["a"], systems: [], failed: ["b EVAL_THROWN", "c EVAL_WORLD"] });
  });

  test("of a host whose system cannot be made, what it declares is known", async () => {
    const fails = `assertions = [ { assertion = false; message = "no"; } ];`;
    const secret = `deployment.secrets.key.file = ./none.age;`;
    const hosts = `hosts.a = { }; hosts.b = { ${fails} }; hosts.c = { ${secret} };`;
    assert.deepEqual(await load(hosts), { hosts: ["a", "b", "c"], systems: [], failed: [] });
    assert.deepEqual(await load(hosts, { systems: "all" }), {
      hosts: ["a", "b", "c"],
      systems: ["a"],
      failed: ["b EVAL_THROWN", "c EVAL_THROWN"],
    });
    assert.deepEqual((await load(hosts, { systems: ["a"] })).failed, [], "nobody wants the others' systems");
    await assert.rejects(load(hosts, { systems: ["b"] }), /no$/, "no host is left");
  });

  test("what is wrong with the fleet is so beside a failing host, too", async () => {
    const bad = "hosts.bad.deployment.wave = 1.5;";
    const two = `hosts.a.deployment.target.host = "x"; hosts.b.deployment.target.host = "x";`;
    await assert.rejects(load(`${bad} ${two}`), /The hosts 'a' and 'b' have the same address/);
    await assert.rejects(
      load(`${bad} hosts.a = { };`, { meta: "meta.rollout.parallel = 0;" }),
      /must be the number of hosts/,
    );
    await assert.rejects(load(`${bad} hosts.a = { }`), { code: "EVAL_SYNTAX" });
    const round = `hosts.a = { hosts, ... }: { deployment.wave = hosts.b.config.deployment.wave; };
      hosts.b = { hosts, ... }: { deployment.wave = hosts.a.config.deployment.wave; };`;
    await assert.rejects(load(`${bad} ${round} hosts.c = { };`), { code: "EVAL_INFINITE_RECURSION" });
  });
});
