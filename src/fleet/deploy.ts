/**
 * Executes a rollout: per host copy, activate, check, confirm or see it return; one outcome per host, in the order of the
 * waves. Each step is in the journal before it is taken, and what is not reached becomes pending.
 */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { StorePath } from "../format/store-path.ts";
import type { DeployerCheck, HealthResult } from "../machine/health-check.ts";
import { defaultGeneration } from "../machine/generation.ts";
import type { WantedProfile } from "../machine/profile.ts";
import { type Receipt, stepsOf, type TransactionPlan } from "../machine/transaction.ts";
import type { ReadStore } from "../store/store.ts";
import { activateHost, type ActivationKit, type ActivationOptions, resumeActivation } from "./activate-host.ts";
import { copyToHost, type CopyTarget } from "./copy-to-host.ts";
import { runDeployerChecks } from "./deployer-checks.ts";
import type { HostKit } from "./host-kit.ts";
import type { HookDisplay, HostHooks } from "./hooks.ts";
import type { HostInventory } from "./inventory.ts";
import { type HostOutcome, type HostResult, isSettled, NOT_REACHED, type TimelineEntry } from "./outcome.ts";
import { CHANGED, rollOut, type RolloutObserver, type SkipReason } from "./rollout/rollout.ts";
import { hostHooksOf } from "./rollout/rollout-hooks.ts";
import type { RolloutEvent } from "./rollout/rollout-journal.ts";
import {
  type ApprovedHost,
  laterDeployment,
  refusalOf,
  type RolloutRecord,
  transactionId,
  transactionPlan,
} from "./rollout/rollout-record.ts";
import { commandOf, describeRecord, describeResult } from "./timeline.ts";
import type { HostUploads } from "./uploads.ts";

export interface DeployOptions {
  readonly clock: Clock;
  readonly localStore: ReadStore;
  /** Outcomes of the same rollout from before it was interrupted. */
  readonly known?: ReadonlyMap<string, HostOutcome>;
  /** Hosts on which something may have happened then: one that cannot be asked now is not as it was. */
  readonly begun?: ReadonlySet<string>;
  /** Hosts that earlier rollouts may have left between their hooks, when those were interrupted. */
  readonly owed?: ReadonlySet<string>;
  /** Hears of everything before it is done, and has it on disk when it returns. */
  readonly journal?: { append(event: RolloutEvent): void };
  /** Told of every outcome: a host that was not reached may become pending, which is answered as the time it ends. */
  readonly onOutcome?: (host: ApprovedHost, outcome: HostOutcome) => Promise<string | undefined>;
  /** Hosts whose activation has not begun are skipped once this is aborted. */
  readonly cancel: AbortSignal;
  /** Stops watching altogether. */
  readonly abandon: AbortSignal;
  readonly observer: DeployObserver;
  readonly hooks: HookDisplay;
  /** Throws when what must work before an activation does not; a model of a host has nothing of the kind. */
  readonly checkBefore?: (host: HostInventory, onNote: (text: string) => void) => Promise<void>;
  /** What puts a host's own files there; a model of a host has none. */
  readonly uploadsTo?: (host: HostInventory, onNote: (text: string) => void) => HostUploads;
}

/** What a deployment asks of a host: a `HostSession`, or a model of one. */
export interface DeploySession extends CopyTarget {
  readonly connection: { readonly address: string; readonly passedOver: readonly string[] };
  kit(signal: AbortSignal): Promise<DeployKit>;
}

/** A model of a host has no hooks of its own. */
export type DeployKit = ActivationKit & Pick<HostKit, "history"> & Partial<Pick<HostKit, "hook">>;

/** How the command line hears of progress. */
export interface DeployObserver extends RolloutObserver {
  phase(host: string, text: string, options?: { readonly minor?: boolean }): void;
}

export async function deployFleet(
  rollout: RolloutRecord,
  sessions: Sessions,
  options: DeployOptions,
): Promise<HostOutcome[]> {
  const { journal, clock, cancel, observer } = options;
  const approved = new Map(rollout.hosts.map((entry) => [entry.host.name, entry]));
  const waves = rollout.waves.map((names) => names.map((name) => ({ name, entry: approved.get(name)! })));
  const known = new Map([...(options.known ?? [])].filter(([, outcome]) => isSettled(outcome)));
  const noted = async (entry: ApprovedHost, outcome: HostOutcome): Promise<HostOutcome> => {
    const pendingUntil = await options.onOutcome?.(entry, outcome);
    const told =
      outcome.status === "unreachable" && pendingUntil !== undefined ? { ...outcome, pendingUntil } : outcome;
    if (isSettled(told)) journal?.append({ kind: "outcome", outcome: told });
    return told;
  };
  const outcomes = await rollOut(
    waves,
    {
      deploy: async ({ entry }) => await noted(entry, await deployHost(entry, rollout, sessions, options)),
      rollBack: async ({ entry }, changed, reason) =>
        await noted(entry, await takeBack(entry, { rollout, changed, reason }, sessions, options)),
      skip: async ({ entry }, because) =>
        await noted(entry, await deployHost(entry, rollout, sessions, options, because)),
    },
    { policy: rollout.policy, clock, cancel, known, observer },
  );
  if (outcomes.every(isSettled)) journal?.append({ kind: "ended" });
  return outcomes;
}

type Note = (text: string, minor?: boolean, transient?: boolean) => void;
type Sessions = ReadonlyMap<string, DeploySession>;

/** Makes a host's story while `act` works on it; what befalls the host is its outcome. */
async function tell(
  name: string,
  { goal }: Pick<RolloutRecord, "goal">,
  options: DeployOptions,
  act: (note: Note, onCopied: (amount: { paths: number; bytes: number }) => void) => Promise<HostResult>,
): Promise<HostOutcome> {
  const startedMs = options.clock.nowMs();
  const timeline: TimelineEntry[] = [];
  const note: Note = (text, minor = false, transient = false) => {
    if (!transient) timeline.push({ atMs: Math.round(options.clock.nowMs() - startedMs), text });
    options.observer.phase(name, text, { minor });
  };
  let copied: { paths: number; bytes: number } | undefined;
  let result: HostResult;
  try {
    result = await act(note, (amount) => (copied = amount));
  } catch (error) {
    result = failureOf(error, options.cancel);
  }
  return { ...result, host: name, goal, timeline, ...(copied && { copied }) };
}

/** Deploys to a host, or leaves it as it is; one that was begun before an interruption is asked first. */
async function deployHost(
  entry: ApprovedHost,
  rollout: RolloutRecord,
  sessions: Sessions,
  options: DeployOptions,
  skipped?: SkipReason,
): Promise<HostOutcome> {
  const { name } = entry.host;
  // Its activation may have begun before an interruption: until the host was asked, nothing is known.
  let isDoubtful = options.begun?.has(name) === true;
  const outcome = await tell(name, rollout, options, async (note, onCopied) => {
    const session = sessions.get(name);
    const hooks = hooksOf(entry, { rollout, session, note }, options);
    const uploads = (entry.host.uploads ?? []).length === 0 ? undefined : options.uploadsTo?.(entry.host, note);
    const deploy = async (): Promise<HostResult> => {
      if (options.cancel.aborted) return { status: "skipped", because: "cancelled" };
      if (skipped !== undefined && !isDoubtful) return { status: "skipped", because: skipped };
      if (entry.isUnchanged && !isDoubtful && rollout.goal !== "dry-activate") {
        if (isActivated(rollout)) await uploads?.after();
        return { status: "unchanged" };
      }
      const refusal = refusalOf(rollout, name);
      if (refusal !== undefined) throw refusal;
      if (session === undefined) throw new OperationError("HOST_UNREACHABLE", `no session for ${name}`);
      if (!isDoubtful) options.journal?.append({ kind: "host", host: name });
      const kit = await session.kit(options.cancel);
      const { address, passedOver } = session.connection;
      if (passedOver.length > 0) note(`reached at ${address}; ${passedOver.join("; ")}`);
      let plan = transactionPlan(entry, rollout);
      // What becomes the system at the next boot cannot be looked at now.
      const checks = rollout.goal === "boot" ? [] : (entry.host.deployerChecks ?? []);
      if (isDoubtful) {
        note("asking what became of its activation");
        const became = await watch(resumeActivation, kit, plan, { hooks, note, checks, uploads }, options);
        isDoubtful = false;
        if (became !== undefined) return became;
        if (skipped !== undefined) return { status: "skipped", because: skipped };
      }
      if (entry.previous === undefined) {
        plan = { ...plan, ...(await requireNewest(kit, entry, rollout, options.cancel)) };
      }
      const copyCall = { signal: options.cancel };
      await hooks.onBoth("preCopy", kit, copyCall);
      onCopied(await copySystem(plan, { host: entry.host, session, note }, options));
      await hooks.onBoth("postCopy", kit, copyCall);
      if (rollout.goal !== "dry-activate") await options.checkBefore?.(entry.host, note);
      return await activate(kit, plan, { hooks, note, checks, uploads }, options);
    };
    return await hooks.around(deploy, outcomeWord(options.cancel));
  });
  if (!isDoubtful) return outcome;
  const why = "reason" in outcome ? outcome.reason : "the deployment was interrupted";
  const reason = `${name} cannot be asked what became of its activation: ${why}`;
  return { status: "unknown", reason, host: name, goal: rollout.goal, timeline: outcome.timeline };
}

/**
 * Of a host that was not reached when the plan was made, nothing says that it is still as it was then. Answers what it
 * runs and boots, so that nothing newer can come in between either, or be confirmed that is on its way already.
 */
async function requireNewest(
  kit: DeployKit,
  { host }: ApprovedHost,
  rollout: RolloutRecord,
  signal: AbortSignal,
): Promise<Pick<TransactionPlan, "expectedPrevious" | "expectedGeneration">> {
  const { systems, generations } = await kit.facts({ signal });
  const { receipts } = await kit.history({ signal });
  const later = laterDeployment(receipts, rollout);
  if (later !== undefined)
    throw new OperationError("PLAN_STALE", `the plan for ${host.name} is not the newest any more: ${later}`, {
      hint: "make the plan again",
    });
  const generation = defaultGeneration(generations);
  return {
    ...(systems.activated !== null && { expectedPrevious: systems.activated }),
    ...(generation !== undefined && { expectedGeneration: generation }),
  };
}

function hooksOf(
  entry: ApprovedHost,
  { rollout, session, note }: { rollout: RolloutRecord; session?: DeploySession | undefined; note: Note },
  options: DeployOptions,
): HostHooks {
  const { name } = entry.host;
  const isOwed = options.owed?.has(name) === true || options.begun?.has(name) === true;
  return hostHooksOf(entry, rollout, { display: options.hooks, note, address: session?.connection.address, isOwed });
}

/** How hooks are told what became of a host. */
function outcomeWord(cancel: AbortSignal): (ended: { value: HostResult } | { error: unknown }) => string {
  return (ended) => ("value" in ended ? ended.value : failureOf(ended.error, cancel)).status;
}

/** Brings a host that a rollout has changed back to what it ran before, as a transaction of its own. */
async function takeBack(
  entry: ApprovedHost,
  { rollout, changed, reason }: { rollout: RolloutRecord; changed: HostOutcome; reason: string },
  sessions: Sessions,
  options: DeployOptions,
): Promise<HostOutcome> {
  const { name } = entry.host;
  let isBack = false;
  const outcome = await tell(name, rollout, options, async (note) => {
    const session = sessions.get(name);
    const changes =
      changed.status === "temporary" ? { ...changed, system: entry.system } : "receipt" in changed && changed.receipt;
    if (session === undefined || changes === undefined || changes === false) {
      throw new OperationError("HOST_UNREACHABLE", `nothing is known of the system that ${name} ran before`);
    }
    note(`going back: ${reason}`);
    const { previous, system } = changes;
    const { previous: _, generation: __, profiles: ___, ...kept } = entry;
    // What is only booted next does not run yet.
    const runs = rollout.goal === "boot" ? previous : system;
    const back: ApprovedHost = {
      ...kept,
      system: previous,
      ...(runs === undefined ? {} : { previous: runs }),
      ...profilesBefore(changes),
    };
    const because = { ...rollout, reason: `rollback: ${reason}` };
    const { temporarySeconds: ____, ...forth } = transactionPlan(back, because);
    const plan: TransactionPlan = {
      ...forth,
      goal: forth.goal === "temporary" ? "test" : forth.goal,
      id: transactionId(rollout, name, "back"),
      healthChecks: entry.previousHealthChecks,
      hooks: entry.previousHooks ?? [],
    };
    // An interruption does not leave the wave half taken back.
    const whole = { ...options, cancel: options.abandon };
    const hooks = hooksOf(back, { rollout: because, session, note }, options);
    options.journal?.append({ kind: "back", host: name });
    const result = await hooks.around(
      async () => activate(await session.kit(options.abandon), plan, { hooks, note }, whole),
      outcomeWord(options.abandon),
    );
    isBack = result.status === "activated" || result.status === "tested";
    return isBack && "receipt" in result && result.receipt !== undefined
      ? { status: "rolled-back", reason, log: [], receipt: result.receipt }
      : result;
  });
  if (isBack || outcome.status === "unknown") return outcome;
  const notTakenBack = "reason" in outcome ? outcome.reason : "the deployment was interrupted";
  // The same transaction again would end as this one did, and what somebody else has made of the host is theirs.
  const staysSo = outcome.status === "rolled-back" || (outcome.status === "failed" && outcome.code === "KIT_MOVED");
  return { ...changed, timeline: outcome.timeline, notTakenBack, ...(staysSo && { staysSo }) } as HostOutcome;
}

/** A temporary system's profiles return by themselves when another one takes over. */
function profilesBefore(changed: Pick<Receipt, "profiles"> | object): Pick<ApprovedHost, "profiles"> {
  if (!("profiles" in changed) || changed.profiles === undefined) return {};
  return { profiles: changed.profiles.map(({ before: path, link, name, user }) => ({ name, user, link, path })) };
}

async function copySystem(
  plan: TransactionPlan,
  { host, session, note }: { readonly host: HostInventory; readonly session: DeploySession; readonly note: Note },
  options: DeployOptions,
): Promise<{ paths: number; bytes: number }> {
  note("copying");
  const copied = await copyToHost({
    from: options.localStore,
    to: session,
    roots: rootsOf(plan, options.localStore.storeDir),
    substitutes: host.substituteOnDestination,
    clock: options.clock,
    signal: options.cancel,
    onProgress: (progress) => note(`copying ${progress.pathsDone}/${progress.pathsTotal} paths`, true, true),
    onNote: note,
  });
  note(copied.paths === 0 ? "nothing to copy" : `copied ${copied.paths} ${copied.paths === 1 ? "path" : "paths"}`);
  return copied;
}

interface ActivationContext {
  readonly hooks: HostHooks;
  readonly note: Note;
  readonly checks?: readonly DeployerCheck[];
  readonly uploads?: HostUploads | undefined;
}

async function activate(
  kit: DeployKit,
  plan: TransactionPlan,
  context: ActivationContext,
  options: DeployOptions,
): Promise<HostResult> {
  const { hooks, uploads } = context;
  const call = { signal: options.cancel };
  if (isActivated(plan)) {
    await hooks.onDeployer("preActivation", call);
    await uploads?.before();
  }
  if (plan.goal === "reboot") {
    await uploads?.read();
    await hooks.onDeployer("preReboot", call);
  }
  return await watch(activateHost, kit, plan, context, options);
}

function isActivated({ goal }: Pick<TransactionPlan, "goal">): boolean {
  return stepsOf("activate", goal).includes("pre-activation");
}

/** Begins an activation or goes on with one, and sees it to its end. */
async function watch<R extends HostResult | undefined>(
  begin: (activation: ActivationOptions) => Promise<R>,
  kit: DeployKit,
  plan: TransactionPlan,
  { hooks, note, checks = [], uploads }: ActivationContext,
  options: DeployOptions,
): Promise<R> {
  const { clock, abandon } = options;
  const checkHealth = async (withinMs: number): Promise<HealthResult[]> => {
    const onCommand = (argv: readonly string[]): void => options.hooks.onCommand?.(plan.host, "deployer", argv);
    const { run } = options.hooks;
    const results = await runDeployerChecks(checks, {
      clock,
      signal: abandon,
      withinMs,
      settles: true,
      onCommand,
      run,
    });
    for (const result of results) note(describeResult(result));
    return results;
  };
  let returning: Promise<void> | undefined;
  const ended = begin({
    kit,
    plan,
    clock,
    ...(checks.length === 0 ? {} : { checkHealth }),
    cancel: options.cancel,
    abandon,
    beforeConfirm: async () => {
      await uploads?.after();
      if (plan.goal === "reboot") await hooks.onDeployer("postReboot", { signal: abandon });
      if (isActivated(plan)) await hooks.onDeployer("postActivation", { signal: abandon });
      await hooks.onDeployer("preConfirmation", { signal: abandon });
    },
    onRecord: (record) => {
      const command = commandOf(record, plan);
      if (command !== undefined) options.hooks.onCommand?.(plan.host, "host", command);
      const described = describeRecord(record);
      if (described !== undefined) note(described.text, described.isMinor);
      if (record.kind === "state" && record.state === "reverting") returning ??= hooks.onDeployer("preRollback");
    },
    onNote: note,
  });
  // Whatever becomes of it: what comes last must not overlap with a hook.
  await ended.catch(() => undefined);
  await returning;
  const result = await ended;
  const outcome = result?.status;
  if (outcome === "rolled-back") await hooks.onDeployer("postRollback", { outcome });
  else if (outcome !== undefined && CHANGED.has(outcome)) await hooks.onDeployer("postConfirmation", { outcome });
  return result;
}

function failureOf(error: unknown, cancel: AbortSignal): HostResult {
  if (cancel.aborted && (error as { name?: string }).name === "AbortError")
    return { status: "skipped", because: "cancelled" };
  if (!(error instanceof OperationError)) throw error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  if (NOT_REACHED.has(error.code)) return { status: "unreachable", reason: error.message, ...hint };
  return { status: "failed", code: error.code, reason: error.message, ...hint };
}

/** What a host is to have: its system, and what its profiles are to be. */
export function rootsOf(
  { system, profiles = [] }: { readonly system: string; readonly profiles?: readonly WantedProfile[] | undefined },
  storeDir: string,
): StorePath[] {
  const paths = profiles.flatMap(({ path }) => path ?? []);
  return [system, ...paths].map((path) => rootOf(path, storeDir));
}

/** The store path of a full path that is known to be a direct child of the store. */
export function rootOf(path: string, storeDir: string): StorePath {
  const parsed = StorePath.parse(path.slice(storeDir.length + 1));
  if (!parsed.ok) throw new OperationError("STORE_PATH_INVALID", `${path} is not a path of the store ${storeDir}`);
  return parsed.value;
}
