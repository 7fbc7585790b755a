/** What must work before a system is activated (`deployment.checksBefore`): requests from here, commands on the host. */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { type DeployerCheck, describeFailures, type HealthResult, secondsMaxOf } from "../machine/health-check.ts";
import type { run } from "../system/process.ts";
import { runDeployerChecks } from "./deployer-checks.ts";
import type { HostInventory } from "./inventory.ts";
import type { Command, SshConnection } from "./ssh.ts";
import { describeResult } from "./timeline.ts";

/** A command is one of the host's. */
export type CheckBefore = Extract<DeployerCheck, { readonly kind: "http" | "command" }> & {
  /** Where it is defined, for people. */
  readonly place: string;
};

/** Throws when something does not hold; nothing has been activated then. */
export async function requireChecksBefore(
  { checksBefore = [], name }: Pick<HostInventory, "checksBefore" | "name">,
  options: {
    readonly connection: Pick<SshConnection, "run">;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly onNote: (text: string) => void;
  },
): Promise<void> {
  if (checksBefore.length === 0) return;
  const { clock, connection, onNote, signal } = options;
  onNote("checking what must work before");
  const onHost: typeof run = async (argv, options) =>
    await connection.run({ argv: argv as Command["argv"] }, { signal, deadlineMs: options?.deadlineMs ?? "none" });
  const withinMs = Math.max(...checksBefore.map(secondsMaxOf)) * 1000;
  const ran = await runDeployerChecks(checksBefore, { clock, signal, withinMs, settles: false, run: onHost });
  const results = ran.map(({ from, ...result }, index): HealthResult =>
    checksBefore[index]?.kind === "command" || from === undefined ? result : { ...result, from },
  );
  for (const result of results) onNote(describeResult(result));
  const failures = describeFailures(results);
  if (failures === undefined) return;
  const places = checksBefore.filter((_, index) => results[index]?.healthy === false).map(({ place }) => place);
  throw new OperationError("CHECK_BEFORE_FAILED", `${failures}; nothing was activated on ${name}`, {
    hint: `deployment.checksBefore must hold before an activation; defined in ${[...new Set(places)].join(", ")}`,
  });
}
