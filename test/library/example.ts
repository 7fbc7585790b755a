/** The example of docs/manual/library.md: a program that knows nothing but the public entry. */

import { type FleetPlan, isAsWanted, openFleet, OperationError } from "../../src/library/fleet.ts";

const fleet = openFleet({
  fleetFile: process.argv[2] ?? "fleet.nix",
  store: process.argv[3] ?? "auto",
  onProgress: (line) => process.stderr.write(`${line}\n`),
});

/** Nobody is there at night who could come in by the console. */
function isHarmless(plan: FleetPlan): boolean {
  return plan.hosts.every(
    ({ diff, reboot }) => diff?.lockout.every(({ severity }) => severity !== "danger") !== false && !reboot?.length,
  );
}

try {
  const plan = await fleet.plan({ hosts: ["web*"], pendingSeconds: 0 });
  for (const { host, state, copy, error } of plan.hosts) {
    console.log(host.name, state, copy?.bytes ?? 0, error?.code ?? "");
  }
  const { outcomes } = await fleet.deploy({ hosts: ["web*"], pendingSeconds: 0, approve: isHarmless });
  for (const outcome of outcomes) console.log(outcome.host, outcome.status);
  process.exitCode = outcomes.every(isAsWanted) ? 0 : 2;
} catch (error) {
  if (!(error instanceof OperationError)) throw error;
  console.log(error.code, error.message);
  process.exitCode = 1;
}
