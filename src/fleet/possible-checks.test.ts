/** A deployment is refused for checks that can never hold, with where they are defined. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import type { DeployerCheck, HealthCheck } from "../machine/health-check.ts";
import type { HostInventory } from "./inventory.ts";
import { requirePossible } from "./possible-checks.ts";

const TIMES = { timeoutSeconds: 5, retries: 0, intervalSeconds: 1 };

async function refusal(
  onHost: object,
  fromHere: object,
  confirmTimeoutSeconds = 60,
): Promise<{ code?: string; message?: string } | undefined> {
  const host = {
    name: "web1",
    confirmTimeoutSeconds,
    checkPlaces: { a: "/fleet/web1.nix:7" },
    deployerChecks: [{ name: "b", ...TIMES, ...fromHere } as unknown as DeployerCheck],
  } as unknown as HostInventory;
  const healthChecks = [{ name: "a", ...TIMES, ...onHost } as unknown as HealthCheck];
  const system = systemOf("s", { "etc/systemd/system/x.service": "[Service]\n" });
  try {
    await requirePossible(host, { system, healthChecks });
    return undefined;
  } catch (error) {
    return error as { code: string; message: string };
  }
}

const UNIT = { kind: "unit", unit: "x.service" };
const TCP = { kind: "tcp", host: "web1", port: 80 };

test("checks that can hold", async () => {
  assert.equal(await refusal(UNIT, TCP), undefined);
  assert.equal(await refusal(UNIT, { kind: "command", command: ["sh", "-c", "true"] }), undefined);
  assert.equal(await refusal(UNIT, { ...TCP, settleSeconds: 40 }), undefined);
  assert.equal(await refusal(UNIT, TCP, 5), undefined, "the one attempt is cut short");
});

test("checks that cannot", async () => {
  const unit = await refusal({ kind: "unit", unit: "y.service" }, { kind: "command", command: ["/no/such"] });
  assert.equal(unit?.code, "HEALTH_CHECK_IMPOSSIBLE");
  assert.equal(
    unit.message,
    "web1: health check 'a' wants the unit y.service, which the host's system does not have (defined in /fleet/web1.nix:7); health check 'b' runs /no/such, which this machine does not have",
  );
  assert.match(
    (await refusal(UNIT, { kind: "command", command: ["no-such-program"] }))?.message ?? "",
    /'b' runs no-such/,
  );
  for (const settleSeconds of [50, 58])
    assert.match((await refusal(UNIT, { ...TCP, settleSeconds }))?.message ?? "", /waits 60 s for its confirmation/);
  assert.match((await refusal(UNIT, TCP, 4))?.message ?? "", /first answer after 5 s/);
});
