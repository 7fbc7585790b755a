/** Rebooting a host and waiting, with a deadline, until it is really another boot that answers. */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { type HookDisplay, HostHooks } from "./hooks.ts";
import type { HostSession } from "./host-session.ts";
import { checkHost } from "./status.ts";

export interface RebootResult {
  readonly healthy: boolean;
  /** From the command until the first answer of the new boot. */
  readonly downMs: number;
  readonly problems: readonly string[];
}

const RETRY_PAUSE_MS = 500;
/** How long services may take to start once the host answers. */
const SETTLE_MS = 60_000;

interface RebootOptions {
  readonly fleet: string;
  readonly hooks: HookDisplay;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly onPhase: (text: string) => void;
  /** Called once the new boot answers, before its services are looked at. */
  readonly afterBoot: () => Promise<void> | undefined;
}

/** Reboots a host between its hooks; those that are to come back in any case do, also when the host does not. */
export async function rebootHost(session: HostSession, options: RebootOptions): Promise<RebootResult> {
  const { signal } = options;
  const { host } = session;
  const kit = await session.kit(signal);
  const { systems } = await kit.facts({ signal });
  const hooks = new HostHooks({
    subject: host.name,
    hooks: host.hooks ?? [],
    facts: {
      PRISTINE_FLEET: options.fleet,
      PRISTINE_HOST: host.name,
      PRISTINE_ADDRESS: session.connection.address,
      PRISTINE_GOAL: "reboot",
      PRISTINE_SYSTEM: systems.profile ?? undefined,
      PRISTINE_PREVIOUS: systems.activated ?? undefined,
    },
    display: options.hooks,
    note: options.onPhase,
  });
  return await hooks.around(
    async () => {
      await hooks.onBoth("preReboot", kit, { signal });
      const result = await rebootAndWait(session, options);
      await hooks.onBoth("postReboot", kit, { outcome: outcomeOf(result) });
      return result;
    },
    (ended) => ("value" in ended ? outcomeOf(ended.value) : "failed"),
  );
}

function outcomeOf({ healthy }: RebootResult): string {
  return healthy ? "rebooted" : "unhealthy";
}

async function rebootAndWait(session: HostSession, options: RebootOptions): Promise<RebootResult> {
  const { signal, clock } = options;
  const kit = await session.kit(signal);
  const before = await kit.facts({ signal });
  const startedMs = clock.nowMs();
  const deadlineMs = startedMs + options.timeoutMs;
  /** When the new boot answered first. */
  let answeredMs: number | undefined;
  options.onPhase("rebooting");
  // The connection may be gone before the command has answered.
  await kit.reboot({ signal }).catch(ignoreConnectionLoss);
  await session.connection.close();
  for (;;) {
    if (clock.nowMs() > deadlineMs + (answeredMs === undefined ? 0 : SETTLE_MS)) {
      throw new OperationError(
        "HOST_REBOOT_TIMEOUT",
        `${session.host.name} did not come back within ${Math.round(options.timeoutMs / 1000)} s`,
        {
          hint: "look at its console; its boot default is the last confirmed generation",
        },
      );
    }
    await clock.sleep(RETRY_PAUSE_MS, signal);
    try {
      const facts = await kit.facts({ signal, fresh: true, deadlineMs: 10_000 });
      if (facts.bootId === before.bootId) continue;
      if (answeredMs === undefined) await options.afterBoot();
      answeredMs ??= clock.nowMs();
      if (facts.systemState === "starting" && clock.nowMs() - answeredMs < SETTLE_MS) {
        options.onPhase("back; services are starting");
        continue;
      }
      const downMs = answeredMs - startedMs;
      const check = await checkHost(session, signal);
      const problems = [
        ...check.results.filter((result) => !result.healthy).map((result) => `${result.name}: ${result.message}`),
        ...check.failedUnits.map((unit) => `unit ${unit} has failed`),
      ];
      return { healthy: problems.length === 0, downMs, problems };
    } catch (error) {
      ignoreConnectionLoss(error);
      options.onPhase("waiting for it to come back");
    }
  }
}

function ignoreConnectionLoss(error: unknown): void {
  if (!(error instanceof OperationError && (error.retryable || error.code === "KIT_FAILED"))) throw error;
}
