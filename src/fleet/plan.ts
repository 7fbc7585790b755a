/**
 * What a deployment would do, as a value: per host the closure delta and the difference of its systems.
 *
 * Making a plan looks at hosts and places the kit in their stores; it changes nothing else on them.
 */

import { createHash } from "node:crypto";
import { invariant, OperationError } from "../base/errors.ts";
import type { HostFacts } from "../machine/facts.ts";
import type { HealthCheck } from "../machine/health-check.ts";
import { type DataChange, dataChanges, snapshotHooks } from "../machine/data-version.ts";
import { aborts, type Hook, hooksAt, hooksWithoutProgram } from "../machine/hook.ts";
import { areProfiles, type ProfileChange, profileChanges, type WantedProfile } from "../machine/profile.ts";
import { type RebootReason, rebootNeed } from "../machine/reboot-need.ts";
import { describeInhibition } from "../machine/switch-inhibitors.ts";
import { differingPackages, diffSystems, type SystemDiff } from "../machine/system-diff.ts";
import { packagesOfClosure } from "../machine/closure-packages.ts";
import { SystemObject, type SystemPackage } from "../machine/system-object.ts";
import type { HostSession } from "./host-session.ts";
import type { TransactionGoal } from "../machine/transaction.ts";
import { closureInfos } from "../store/copy.ts";
import type { PathInfo } from "../format/path-info.ts";
import type { StorePath } from "../format/store-path.ts";
import type { LocalStore } from "../store/local-store.ts";
import type { ReadStore } from "../store/store.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { rootOf, rootsOf } from "./deploy.ts";
import { type HostInventory, unknownHost } from "./inventory.ts";
import { bringEngine, requireFreePlaces, requireWayIn } from "./foreign.ts";
import { requirePossible } from "./possible-checks.ts";
import { requireSecretUnits } from "./secrets/units.ts";
import { checkRoom, type Preflight } from "./preflight.ts";
import { openSystemTree } from "./system-tree.ts";
import type { Upload } from "./uploads.ts";

export interface HostPlan {
  readonly host: HostInventory;
  /** What failed may have all that a change has: it was refused for what it would be. */
  readonly state: "change" | "unchanged" | "unreachable" | "failed";
  /** The full store path of the system the host should run; nothing was made for a host that cannot take it. */
  readonly system?: string | undefined;
  /** The system that was fully activated last, which the plan was made against. */
  readonly previous?: string;
  /** What the profiles beside the system's are to be; absent where they stay as they are. */
  readonly profiles?: readonly WantedProfile[];
  /** Those of them that differ from what was confirmed last. */
  readonly profileChanges?: readonly ProfileChange[];
  readonly healthChecks: readonly HealthCheck[];
  /** Those that run on the host; the deployer's are the host's declaration's. */
  readonly hooks: readonly Hook[];
  /** What becomes of services' data. */
  readonly data?: readonly DataChange[];
  /** What the host runs by itself to save it. */
  readonly snapshots?: readonly Hook[];
  readonly facts?: HostFacts;
  readonly copy?: {
    readonly paths: readonly { readonly path: string; readonly bytes: number }[];
    readonly bytes: number;
  };
  readonly diff?: SystemDiff;
  /** Why the host has to be rebooted before all of the system is in force; empty when it need not. */
  readonly reboot?: readonly RebootReason[];
  /** The compared systems, for text differences on demand. */
  readonly old?: SystemObject | undefined;
  readonly wanted?: SystemObject;
  /** The system is on the host and not here: it was built there, or sent there by who built it, or is an earlier one. */
  readonly isOnHost?: true;
  /** What is to be known of the host before it is deployed to. */
  readonly warnings?: readonly string[];
  readonly error?: OperationError;
  /** The error is no matter of the host itself: its declaration cannot be evaluated or built. */
  readonly isUnmade?: true;
}

export interface FleetPlan {
  readonly goal: TransactionGoal;
  readonly hosts: readonly HostPlan[];
  /** The deployer's, of the fleet as a whole. */
  readonly hooks: readonly Hook[];
  /** SHA-256 over what was approved: goal, hosts, their previous and new systems, the deployer's hooks, uploads. */
  readonly hash: string;
}

export interface PlanTarget extends Preflight {
  /** The system to plan for: as declared, or an earlier generation's. */
  readonly system?: string | undefined;
  readonly profiles?: readonly WantedProfile[];
}

export interface PlanOptions {
  /** Why hosts could not be evaluated or built; those that nothing is known of are no targets. */
  readonly unmade?: ReadonlyMap<string, OperationError>;
  readonly goal: TransactionGoal;
  readonly localStore: LocalStore;
  /** Of the fleet as a whole. */
  readonly hooks: readonly Hook[];
  /** Plan for hosts although their switch inhibitors differ. */
  readonly ignoreInhibitors?: boolean | undefined;
  readonly concurrencyMax: number;
  readonly signal: AbortSignal;
  readonly onPhase: (host: string, text: string) => void;
}

export async function planFleet(targets: readonly PlanTarget[], options: PlanOptions): Promise<FleetPlan> {
  const { unmade = new Map<string, OperationError>() } = options;
  const hosts = await mapConcurrently(targets, options.concurrencyMax, async (target): Promise<HostPlan> => {
    const { host } = target.session;
    try {
      return await planHost(target, options);
    } catch (error) {
      if (!(error instanceof OperationError) || options.signal.aborted) throw error;
      const state = error.code === "HOST_UNREACHABLE" || error.code === "HOST_TIMEOUT" ? "unreachable" : "failed";
      return {
        host,
        state,
        system: target.system,
        healthChecks: host.healthChecks as HealthCheck[],
        hooks: (host.hooks ?? []).filter(({ on }) => on === "host"),
        error,
        ...(unmade.get(host.name) === error ? { isUnmade: true } : {}),
      } satisfies HostPlan;
    }
  });
  const known = new Set(targets.map(({ session }) => session.host.name));
  const unknown = [...unmade].flatMap(([name, error]): HostPlan[] =>
    known.has(name)
      ? []
      : [{ host: unknownHost(name), state: "failed", healthChecks: [], hooks: [], error, isUnmade: true }],
  );
  const all = [...hosts, ...unknown].sort((a, b) => (a.host.name < b.host.name ? -1 : 1));
  const { goal, hooks } = options;
  return { goal, hosts: all, hooks, hash: planHash(goal, all, hooks) };
}

async function planHost(target: PlanTarget, options: PlanOptions): Promise<HostPlan> {
  const { session, system, probe, profiles } = target;
  const { host } = session;
  if (target.error !== undefined) throw target.error;
  invariant(system !== undefined, `there is no system to plan for on ${host.name}`);
  const { signal, localStore } = options;
  options.onPhase(host.name, "looking at the host");
  const roots = rootsOf({ system, profiles }, localStore.storeDir);
  const isHere = roots.every((root) => localStore.isValid(root));
  if (host.base === "foreign" && isHere) await prepareForeign(session, system, options);
  const kit = await session.kit(signal);
  const facts = await kit.facts({ signal });
  const previous = facts.systems.activated ?? undefined;
  // An earlier generation may exist only on the host.
  const source = isHere ? localStore : await session.store(signal);
  const wanted = await systemObject(system, source, options);
  const healthChecks = healthChecksOf(wanted, host);
  const hooks = wanted.meta?.hooks ?? [];
  const base = {
    host,
    system,
    facts,
    healthChecks,
    hooks,
    ...(profiles === undefined ? {} : { profiles, profileChanges: profileChanges(facts.profiles ?? [], profiles) }),
    warnings: target.warnings,
    ...(previous === undefined ? {} : { previous }),
    ...(source === localStore ? {} : { isOnHost: true as const }),
  };
  const isSystem = previous === system && facts.systems.profile === system && facts.transaction === null;
  if (isSystem && (profiles === undefined || areProfiles(facts.profiles ?? [], profiles)))
    return { ...base, state: "unchanged" };

  // An earlier generation has been deployed with its checks before.
  if (source === localStore || host.buildOnTarget === true || host.buildOn !== undefined) {
    await requirePossible(host, { system: wanted, healthChecks });
    requireSecretUnits(host, wanted);
  }
  const store = await session.store(signal);
  const closure = await closureInfos(source, roots, signal);
  const present = await store.validPaths(
    [...closure.values()].map((info) => info.path),
    signal,
  );
  const missing = [...closure.values()].filter((info) => !present.has(info.path.baseName));
  const copy = {
    paths: missing.map((info) => ({ path: info.path.render(localStore.storeDir), bytes: info.narSize })),
    bytes: missing.reduce((sum, info) => sum + info.narSize, 0),
  };
  checkRoom(host, facts.disk, copy.bytes);
  const look = async (path: string | null | undefined): Promise<SystemObject | undefined> =>
    path == null ? undefined : await systemObject(path, store, options);
  const old = await look(previous);
  const { booted: bootedPath } = facts.systems;
  const booted = bootedPath === previous ? old : await look(bootedPath);
  const { gone } = differingPackages(old, wanted);
  const isLive = LIVE_GOALS.has(options.goal);
  const stale = isLive && gone.length > 0 ? (await kit.stale(gone, { signal })).units : [];
  const versions = [old?.meta?.dataVersions ?? [], wanted.meta?.dataVersions ?? [], facts.dataVersions] as const;
  // At the next boot nobody runs them.
  const snapshots = options.goal === "boot" ? [] : snapshotHooks(...versions);
  requireHooks(host, [...hooks, ...snapshots], { old, wanted });
  const arrival = probe?.arrival;
  const { privilegeEscalation } = host.target;
  const access = {
    user: probe?.user ?? host.target.user ?? "root",
    becomesRootBy: typeof privilegeEscalation === "object" ? privilegeEscalation[0] : privilegeEscalation,
    port: arrival?.port ?? host.target.port ?? 22,
    address: arrival?.address ?? session.connection.address,
    interface: arrival?.interface,
    client: arrival?.client,
    key: probe?.key,
  };
  const diff = diffSystems({
    old,
    next: wanted,
    // Without a switch nothing that runs is touched.
    states: isLive ? facts.units : [],
    stale: new Set(stale),
    ...(wanted.base === "nixos"
      ? { packages: await closurePackages(session, { previous, wanted: [...closure.values()] }, options) }
      : { sizeOf: await packageSizes({ old, wanted }, closure, { store, options }) }),
    access,
  });
  if (host.base === "foreign") requireWayIn(host.name, access.user, diff.users);
  const error = isLive && options.ignoreInhibitors !== true ? inhibition(wanted, diff) : undefined;
  return {
    ...base,
    ...(error === undefined ? { state: "change" } : { state: "failed", error }),
    copy,
    snapshots,
    data: dataChanges(...versions),
    diff,
    reboot: rebootNeed({ booted, running: old, wanted }),
    old,
    wanted,
  };
}

/** A foreign host has no store before somebody deploys to it, and gets none before there is room for what is declared. */
async function prepareForeign(session: HostSession, system: string, options: PlanOptions): Promise<void> {
  const { localStore, signal } = options;
  const wanted = await systemObject(system, localStore, options);
  await requireFreePlaces(session.connection, wanted, signal);
  const engine = wanted.topEntry("engine");
  invariant(engine !== undefined, `${system} has no engine`);
  await bringEngine(session.connection, { engine: rootOf(engine, localStore.storeDir), from: localStore }, signal);
}

/** What a NixOS host has: its systems do not list their packages, and its store knows what they need. */
async function closurePackages(
  { connection }: HostSession,
  systems: { readonly previous: string | undefined; readonly wanted: readonly PathInfo[] },
  { localStore, signal }: PlanOptions,
): Promise<Record<"before" | "after", SystemPackage[]>> {
  const { previous, wanted } = systems;
  const query = { argv: ["nix-store", "--query", "--requisites", previous ?? ""] as const };
  const answer =
    previous === undefined
      ? undefined
      : await connection.runChecked(query, { signal, deadlineMs: CLOSURE_DEADLINE_MS });
  return {
    before: packagesOfClosure(answer?.stdout.toString("utf8").trim().split("\n") ?? []),
    after: packagesOfClosure(wanted.map(({ path }) => path.render(localStore.storeDir))),
  };
}

const CLOSURE_DEADLINE_MS = 60_000;

/** Goals that switch what runs. */
const LIVE_GOALS: ReadonlySet<TransactionGoal> = new Set(["switch", "test", "temporary", "dry-activate"]);

/** The sizes of packages that differ: new ones are in the closure, old ones here or on the host. */
async function packageSizes(
  systems: { readonly old: SystemObject | undefined; readonly wanted: SystemObject },
  closure: ReadonlyMap<string, PathInfo>,
  { store, options }: { readonly store: ReadStore; readonly options: PlanOptions },
): Promise<(path: string) => number | undefined> {
  const { localStore, signal } = options;
  const pathOf = (path: string): StorePath => rootOf(path, localStore.storeDir);
  const gone = differingPackages(systems.old, systems.wanted).gone.map(pathOf);
  const here = await localStore.pathInfos(gone, signal);
  const there = await store.pathInfos(
    gone.filter((path) => !here.has(path.baseName)),
    signal,
  );
  return (path) => {
    const { baseName } = pathOf(path);
    return (closure.get(baseName) ?? here.get(baseName) ?? there.get(baseName))?.narSize;
  };
}

/** A system of a host as far as comparing needs it. */
export async function systemObject(
  path: string,
  store: ReadStore,
  options: Pick<PlanOptions, "localStore" | "signal">,
): Promise<SystemObject> {
  return new SystemObject(await openSystemTree(path, options.localStore, store, options.signal), path);
}

/** What the host would refuse: there is no use in copying to it first. */
function inhibition({ path }: SystemObject, diff: SystemDiff): OperationError | undefined {
  if (diff.inhibitors.length === 0) return undefined;
  const { message, hint } = describeInhibition(diff.inhibitors);
  return new OperationError("SWITCH_INHIBITED", `${message}, says ${path}/switch-inhibitors`, {
    hint: `${hint}; --ignore-inhibitors switches all the same`,
  });
}

export function healthChecksOf(system: SystemObject, host: HostInventory): readonly HealthCheck[] {
  return system.meta?.healthChecks ?? (host.healthChecks as HealthCheck[]);
}

/** A hook whose program the host will not have is refused before anything is copied. */
export function requireHooks(
  host: HostInventory,
  hooks: readonly Hook[],
  { old, wanted }: { readonly old: SystemObject | undefined; readonly wanted: SystemObject },
): void {
  const early = hooksAt(hooks, "host", "preActivation").filter((hook) => aborts(hook, "preActivation"));
  const [lacking] = hooksWithoutProgram(wanted, hooks);
  const [tooNew] = old === undefined ? [] : hooksWithoutProgram(old, early);
  const missing = lacking ?? tooNew;
  if (missing === undefined) return;
  const { name, command } = missing;
  const place = host.hooks?.find((hook) => hook.name === name)?.place;
  const declared = place === undefined ? "" : `it is declared in ${place}; `;
  throw new OperationError(
    "HOOK_PROGRAM_MISSING",
    `hook '${name}' of ${host.name} runs ${command[0] ?? "nothing"}, which ${lacking === undefined ? "the system that runs" : "its system"} does not have`,
    {
      hint: `${declared}${
        lacking === undefined
          ? "what is to run before an activation must have been deployed before, or may only warn"
          : "add its package to environment.systemPackages"
      }`,
    },
  );
}

/** Names what is approved: nothing that may differ between two looks at the same hosts takes part. */
export function planHash(
  goal: TransactionGoal,
  hosts: readonly Pick<HostPlan, "host" | "previous" | "system" | "profiles">[],
  fleetHooks: readonly Hook[] = [],
): string {
  const deployers = (hooks: readonly Hook[] = []): { hooks?: object } => {
    const own = hooks.filter(({ on }) => on === "deployer").map(({ place: _place, ...hook }) => hook);
    return own.length === 0 ? {} : { hooks: own };
  };
  const uploaded = (uploads: readonly Upload[] = []): { uploads?: object } =>
    uploads.length === 0 ? {} : { uploads: uploads.map(({ place: _place, ...upload }) => upload) };
  const approved = hosts.map((plan) => ({
    host: plan.host.name,
    target: plan.host.target.host,
    previous: plan.previous ?? null,
    system: plan.system ?? null,
    ...(plan.profiles === undefined || plan.profiles.length === 0 ? {} : { profiles: plan.profiles }),
    ...deployers(plan.host.hooks),
    ...uploaded(plan.host.uploads),
  }));
  return createHash("sha256")
    .update(JSON.stringify({ goal, approved, ...deployers(fleetHooks) }))
    .digest("hex");
}
