/** Asking hosts how they are. */

import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import type { CheckAnswer, Drift, EphemeralAnswer, HostFacts } from "../machine/facts.ts";
import type { CheckHistory } from "../machine/check-history.ts";
import type { HealthResult } from "../machine/health-check.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { type DeploymentLog, deploymentLogOf } from "./deployment-log.ts";
import { runDeployerChecks } from "./deployer-checks.ts";
import type { HostSession } from "./host-session.ts";

const CONCURRENCY_MAX = 16;

export interface HostStatus {
  readonly host: string;
  /** Where it was reached. */
  readonly address: string;
  /** Why addresses that were tried before that one were not used. */
  readonly passedOver?: readonly string[];
  readonly tags: readonly string[];
  /** Everything below is in order: declared, healthy, no drift, nothing pending. */
  readonly asDeclared: boolean;
  /** The system that the fleet declares. */
  readonly declared: string;
  readonly facts?: HostFacts;
  /** The profile generation of the running system. */
  readonly generation?: number;
  readonly differs: boolean;
  readonly health: readonly HealthResult[];
  readonly drift: readonly Drift[];
  /** Without `facts`: why it could not be asked. With them: why it is not known what the fleet declares. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** The hosts that are asked. */
export interface AskedHosts {
  readonly sessions: readonly HostSession[];
  /** Why hosts cannot be evaluated; those that are none of `sessions` cannot be asked either. */
  readonly failed: ReadonlyMap<string, OperationError>;
  readonly signal: AbortSignal;
}

/** Runs `ask` for every host; what fails for one host is that host's answer. */
async function askHosts<T extends { readonly host: string }>(
  { failed, sessions, signal }: AskedHosts,
  ask: (session: HostSession) => Promise<T>,
  failure: (host: string, error: OperationError, session?: HostSession) => T,
): Promise<T[]> {
  const asked = await mapConcurrently(sessions, CONCURRENCY_MAX, async (session) => {
    try {
      return await ask(session);
    } catch (error) {
      if (signal.aborted || !(error instanceof OperationError)) throw error;
      return failure(session.host.name, error, session);
    }
  });
  const known = new Set(sessions.map(({ host }) => host.name));
  const unknown = [...failed].flatMap(([host, error]) => (known.has(host) ? [] : [failure(host, error)]));
  return [...asked, ...unknown].sort((a, b) => (a.host < b.host ? -1 : 1));
}

export async function statusOfHosts(
  hosts: AskedHosts,
  options: {
    /** What the fleet declares, by host. */
    readonly declared: ReadonlyMap<string, { readonly outPath: string }>;
    readonly health: boolean;
  },
): Promise<HostStatus[]> {
  const { failed, signal } = hosts;
  return askHosts<HostStatus>(
    hosts,
    async (session) => {
      const kit = await session.kit(signal);
      const facts = await kit.facts({ signal });
      const check = options.health ? await checkHost(session, signal) : undefined;
      const { host } = session;
      const running = facts.systems.activated;
      const generation = facts.generations.findLast((entry) => entry.path === running)?.number;
      const declared = options.declared.get(host.name)?.outPath ?? "";
      const failure = failed.get(host.name);
      const differs = failure === undefined && running !== declared;
      const healthy = check?.healthy ?? true;
      return {
        host: host.name,
        address: session.connection.address,
        passedOver: session.connection.passedOver,
        tags: host.tags,
        asDeclared:
          !differs &&
          failure === undefined &&
          healthy &&
          facts.drift.length === 0 &&
          facts.transaction === null &&
          facts.failedUnits.length === 0,
        declared,
        facts,
        ...(generation === undefined ? {} : { generation }),
        differs,
        health: check?.results ?? [],
        drift: facts.drift,
        ...(failure === undefined ? {} : { error: { code: failure.code, message: failure.message } }),
      };
    },
    (host, { code, message }, session) => ({
      host,
      address: session?.connection.address ?? "",
      tags: session?.host.tags ?? [],
      asDeclared: false,
      declared: options.declared.get(host)?.outPath ?? "",
      differs: false,
      health: [],
      drift: [],
      error: { code, message },
    }),
  );
}

/** How long checks from the deployer may take together when nobody waits to be confirmed. */
const DEPLOYER_CHECKS_MS = 240_000;

/** Runs the health checks of a host: its running system's on the host, and the deployer's from here. */
export async function checkHost(session: HostSession, signal: AbortSignal): Promise<CheckAnswer> {
  const kit = await session.kit(signal);
  const { deployerChecks = [] } = session.host;
  const { onOwnCommand: onCommand } = session;
  const [onHost, fromHere] = await Promise.all([
    kit.check({ signal }),
    runDeployerChecks(deployerChecks, {
      clock: systemClock,
      signal,
      withinMs: DEPLOYER_CHECKS_MS,
      settles: false,
      onCommand,
    }),
  ]);
  return {
    healthy: onHost.healthy && fromHere.every(({ healthy }) => healthy),
    results: [...onHost.results, ...fromHere],
    failedUnits: onHost.failedUnits,
  };
}

export interface HostCheck extends CheckAnswer {
  readonly host: string;
  readonly error?: string;
}

export async function checkHosts(hosts: AskedHosts): Promise<HostCheck[]> {
  return askHosts<HostCheck>(
    hosts,
    async (session) => ({ host: session.host.name, ...(await checkHost(session, hosts.signal)) }),
    (host, { message }) => ({ host, healthy: false, results: [], failedUnits: [], error: message }),
  );
}

export interface HostCheckHistory {
  readonly host: string;
  readonly checks: readonly CheckHistory[];
  readonly error?: string;
}

/** What the checks that hosts run by themselves have seen. */
export async function checkHistoriesOf(hosts: AskedHosts): Promise<HostCheckHistory[]> {
  const { signal } = hosts;
  return askHosts<HostCheckHistory>(
    hosts,
    async (session) => ({
      host: session.host.name,
      checks: (await (await session.kit(signal)).checkHistory({ signal })).checks,
    }),
    (host, { message }) => ({ host, checks: [], error: message }),
  );
}

export interface HostEphemeral {
  readonly host: string;
  readonly answer?: EphemeralAnswer;
  readonly error?: string;
}

export async function ephemeralOf(hosts: AskedHosts): Promise<HostEphemeral[]> {
  const { signal } = hosts;
  return askHosts<HostEphemeral>(
    hosts,
    async (session) => ({ host: session.host.name, answer: await (await session.kit(signal)).ephemeral({ signal }) }),
    (host, { message }) => ({ host, error: message }),
  );
}

export interface HostDeploymentLog {
  readonly host: string;
  readonly log?: DeploymentLog;
  readonly error?: string;
}

export async function deploymentLogsOf(hosts: AskedHosts, id: string | undefined): Promise<HostDeploymentLog[]> {
  return askHosts<HostDeploymentLog>(
    hosts,
    async (session) => ({ host: session.host.name, log: await deploymentLogOf(session, id, hosts.signal) }),
    (host, { message, hint }) => ({ host, error: hint === undefined ? message : `${message}; ${hint}` }),
  );
}
