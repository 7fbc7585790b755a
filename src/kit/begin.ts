/** Beginning a transaction: preflight, the record on disk, the supervised executor. Nothing that runs is changed here. */

import { describeInhibition, differingInhibitors } from "../machine/switch-inhibitors.ts";
import { defaultGeneration } from "../machine/generation.ts";
import { aborts, hooksAt, hooksWithoutProgram } from "../machine/hook.ts";
import type { SystemBase } from "../machine/system-object.ts";
import { TRANSACTION_GOALS, type BeginAnswer, type StepName, type TransactionPlan } from "../machine/transaction.ts";
import { EMPTY_UNIT_PLAN } from "../machine/unit-plan.ts";
import { computeUnitPlan } from "./activation.ts";
import { isBootedOnce, removeBootOnce, requireBootOnce } from "./boot-once.ts";
import { isAlive, isTimed, openUnfinished } from "./conclude.ts";
import { noteDataVersions } from "./data-versions.ts";
import { superviseExecutor } from "./executor.ts";
import { requireFreePlaces } from "./foreign.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { diskOf } from "./measures.ts";
import { areProfilesBack, keepProfiles, requireProfiles } from "./profiles.ts";
import { requireSecrets } from "./secrets.ts";
import { isScriptLocked, restoreBootDefault, runScript } from "./switch-to-configuration.ts";
import {
  activatedSystem,
  isStorePath,
  profileSystem,
  readGenerations,
  removeRoot,
  runningSystem,
  setRoot,
} from "./systems.ts";
import {
  isTransactionId,
  layBallast,
  readLock,
  readReceipts,
  takeLock,
  TransactionRecord,
} from "./transaction-record.ts";

/** Journals and links need little; this much keeps the host able to write them all. */
const FREE_BYTES_MIN = 16 * 1024 * 1024;
const FREE_INODES_MIN = 200;
const CHECK_VALIDITY_TIMEOUT_SECONDS = 60;
const DRY_ACTIVATE_TIMEOUT_SECONDS = 60;

/** What a system must have to be switched to, as a host sees it: what boots it, and what the kit calls on it. */
const ESSENTIAL_PATHS = [
  "/usr/lib/systemd/systemd",
  "/usr/bin/systemctl",
  "/usr/bin/systemd-run",
  "/usr/bin/flock",
  "/etc/passwd",
];

export function begin(host: Host, plan: TransactionPlan): BeginAnswer {
  // The plan that is sent again may be one that a reboot has ended.
  const unfinished = openUnfinished(host, plan.id);
  const known = TransactionRecord.open(host, plan.id);
  if (known !== undefined) return repeated(host, known, plan);

  if (unfinished !== undefined && (isAlive(host, unfinished) || endsByItself(host, unfinished)))
    throw locked(unfinished);
  requireProfilesMovable(host, plan, unfinished);
  const previous = previousSystem(host, unfinished);
  // A temporary system is replaced; what failed then returns to the one before it.
  const running = (unfinished?.state === "temporary" ? activatedSystem(host) : undefined) ?? previous;
  requireUnmoved(host, plan, running);
  preflight(host, plan, previous);
  const system = host.system(plan.system);
  const partial = partialSystems(host, unfinished, previous);
  if (plan.goal === "dry-activate" && system.base === "nixos") {
    const options = { timeoutSeconds: DRY_ACTIVATE_TIMEOUT_SECONDS, isForced: true };
    const { code, lines } = runScript(host, plan.system, "dry-activate", options);
    if (code !== 0)
      throw new KitError(
        "KIT_FAILED",
        `switch-to-configuration dry-activate ended with ${code}: ${lines.at(-1) ?? ""}`,
      );
    return { id: plan.id, state: "planned", previous, reused: false, units: EMPTY_UNIT_PLAN, output: lines };
  }
  if (plan.goal === "dry-activate") {
    const from = [previous, ...partial].map((path) => host.system(path));
    const units = computeUnitPlan({ host, from, to: system }, host.units.list());
    return { id: plan.id, state: "planned", previous, reused: false, units };
  }

  // Nix registers objects that are not on disk yet: after a power cut, what is to be booted would be empty files.
  host.files.syncFileSystem("/nix/store");
  const record = writeRecord(host, plan, { previous, running, partial, superseded: unfinished });
  startExecutor(host, record);
  return { id: plan.id, state: record.state, previous, reused: false };
}

/** A plan is for what it was made against, and no newer plan may have come to that again in between. */
function requireUnmoved(host: Host, { expectedPrevious, expectedGeneration }: TransactionPlan, running: string): void {
  const hint = "make the plan again";
  if (expectedPrevious !== undefined && expectedPrevious !== running) {
    throw new KitError("KIT_MOVED", `the host runs ${running}, but the plan was made against ${expectedPrevious}`, {
      hint,
    });
  }
  const generation = defaultGeneration(readGenerations(host));
  if (expectedGeneration !== undefined && generation !== expectedGeneration) {
    const since = `the boot default is generation ${generation ?? "none"}, and was ${expectedGeneration} when the plan was made`;
    throw new KitError("KIT_MOVED", `somebody has deployed since: ${since}`, { hint });
  }
}

/** What an interrupted transaction has made of profiles outlives a boot, before which this goal does nothing. */
function requireProfilesMovable(
  host: Host,
  { goal }: TransactionPlan,
  unfinished: TransactionRecord | undefined,
): void {
  if (goal !== "boot" || unfinished === undefined || areProfilesBack(host, unfinished)) return;
  throw new KitError("KIT_STATE", `transaction ${unfinished.id} was interrupted, and its profiles are in force still`, {
    hint: "deploy with the goal switch, which can return them",
  });
}

function startExecutor(host: Host, record: TransactionRecord): void {
  const outcome = superviseExecutor(host, record);
  if (outcome.ok) return;
  const message = `the executor cannot be started: ${outcome.message}`;
  removeRoot(host, "pending");
  record.conclude("reverted", { reason: { kind: "step-failed", step: "record", message } });
  throw new KitError("KIT_FAILED", message);
}

/** The same plan sent again, because the deployer did not hear the answer. */
function repeated(host: Host, record: TransactionRecord, plan: TransactionPlan): BeginAnswer {
  if (record.plan.system !== plan.system || record.plan.goal !== plan.goal) {
    throw new KitError("KIT_USAGE", `the transaction id ${plan.id} is taken by another plan`, {
      transaction: record.status(),
    });
  }
  record.concludeSuperseded();
  // Cut off between the record and the executor's start: nothing else would ever start it.
  const isWaiting = record.state === "recorded" && record.facts.bootId === host.bootId();
  if (isWaiting && readLock(host)?.id === record.id && !isAlive(host, record)) startExecutor(host, record);
  return { id: plan.id, state: record.state, previous: record.facts.previous, reused: true };
}

/**
 * Whether it must be left to its deadline: the way back from a system that was booted once is another boot, which what
 * takes over from it does not have.
 */
function endsByItself(host: Host, record: TransactionRecord): boolean {
  return isBootedOnce(host, record) && isTimed(host);
}

function locked(record: TransactionRecord): KitError {
  const { user, host, pid } = record.plan.operator;
  const status = record.status();
  return new KitError(
    "KIT_LOCKED",
    `transaction ${record.id} of ${user}@${host} (process ${pid}, ${record.plan.reason}) is ${record.state} since ${status.beganAt}`,
    {
      transaction: status,
      hint:
        status.revertsInSeconds === undefined
          ? "wait for it to end"
          : `wait for it to end; without confirmation the host returns in ${status.revertsInSeconds} s`,
    },
  );
}

/** What to return to: what was fully activated last, or what an interrupted transaction recorded. */
function previousSystem(host: Host, unfinished: TransactionRecord | undefined): string {
  // Across a reboot nothing is active in part: what was booted is.
  const recorded = unfinished?.plan.goal === "reboot" ? undefined : unfinished?.facts.previous;
  const previous = recorded ?? activatedSystem(host) ?? runningSystem(host);
  if (previous === undefined || baseOf(host, previous) === undefined) {
    throw new KitError(
      "KIT_FAILED",
      "this host does not say which system it runs: /run/pristine/activated and /run/current-system name none",
      {
        hint: "reboot it into a system of Pristine's, or of NixOS",
      },
    );
  }
  return previous;
}

/** Systems that may be active in part: units are compared with their definitions too. */
function partialSystems(host: Host, unfinished: TransactionRecord | undefined, previous: string): string[] {
  const candidates = [activatedSystem(host), runningSystem(host), ...(unfinished?.facts.partial ?? [])];
  if (unfinished?.hasBegun("flip") === true) candidates.push(unfinished.plan.system);
  return [...new Set(candidates.filter((path) => path !== undefined && path !== previous))] as string[];
}

function preflight(host: Host, plan: TransactionPlan, previous: string): void {
  const state = host.run(["systemctl", "is-system-running"], { timeoutSeconds: 10 }).stdout.trim();
  if (state === "stopping") throw new KitError("KIT_INHIBITED", "the host is shutting down");
  const disk = diskOf(host, "/nix");
  if (disk.freeBytes < FREE_BYTES_MIN || disk.inodesFree < FREE_INODES_MIN) {
    throw new KitError(
      "KIT_DISK_FULL",
      `/nix has ${disk.freeBytes} bytes and ${disk.inodesFree} inodes left; a transaction needs ${FREE_BYTES_MIN} and ${FREE_INODES_MIN}`,
      { hint: "collect garbage on the host, or give it a larger disk" },
    );
  }
  requireSystem(host, plan.system, previous);
  for (const { path } of plan.profiles ?? []) if (path !== null) requireValid(host, path);
  requireArchitecture(host, plan.system);
  requireProfiles(host, plan, baseOf(host, plan.system));
  if (baseOf(host, plan.system) === "foreign") requireForeign(host, plan);
  requireHooks(host, plan, previous);
  requireSecrets(host, host.system(plan.system));
  if (isScriptLocked(host, { waitSeconds: 0 })) {
    throw new KitError("KIT_LOCKED", "somebody runs a switch-to-configuration on this host", {
      hint: "wait for it to end",
    });
  }
  if (plan.goal === "reboot") requireBootOnce(host, plan.system);
  else if (plan.goal !== "boot" && plan.ignoreInhibitors !== true) requireNoInhibitor(host, plan.system, previous);
}

function baseOf(host: Host, path: string): SystemBase | undefined {
  return host.system(path).base;
}

function requireSystem(host: Host, path: string, previous: string): void {
  const system = host.system(path);
  const { base } = system;
  if (base === undefined) {
    throw new KitError("KIT_SYSTEM_INVALID", `${path} is not a system in this host's store`, { hint: "copy it first" });
  }
  const running = baseOf(host, previous);
  if (base !== running) {
    throw new KitError(
      "KIT_SYSTEM_INVALID",
      `${path} is a system of the base ${base}, and the host runs one of the base ${running}`,
      {
        hint: "a host keeps the base that it was installed with",
      },
    );
  }
  const missing = base !== "debian" ? [] : ESSENTIAL_PATHS.filter((essential) => !system.has(essential));
  if (missing.length > 0) {
    throw new KitError("KIT_SYSTEM_INVALID", `${path} lacks ${missing.join(", ")}`);
  }
  requireValid(host, path);
}

function requireValid(host: Host, path: string): void {
  const nixStore = host.which("nix-store");
  if (nixStore === undefined) return;
  // Valid means registered with its whole closure; a copy that was cut off is not.
  const command = [...nixStore, "--check-validity", path];
  const { code, stderr } = host.run(command, { timeoutSeconds: CHECK_VALIDITY_TIMEOUT_SECONDS });
  if (code !== 0) {
    const detail = stderr.trim().split("\n").at(-1) ?? "";
    throw new KitError("KIT_SYSTEM_INVALID", `${path} is not valid in this host's store: ${detail}`, {
      hint: "copy its closure again",
    });
  }
}

function requireArchitecture(host: Host, path: string): void {
  const wanted = host.system(path).platform;
  const machine = host.run(["uname", "-m"], { timeoutSeconds: 5 }).stdout.trim();
  if (wanted !== undefined && machine !== "" && wanted !== `${machine}-linux`) {
    throw new KitError("KIT_SYSTEM_INVALID", `the system is for ${wanted}, the host is ${machine}-linux`);
  }
}

/** What is not of our making stays as it is. */
function requireForeign(host: Host, { goal, system }: TransactionPlan): void {
  if (goal === "reboot") {
    throw new KitError("KIT_SYSTEM_INVALID", "what this host boots is not ours, so no boot of it can be tried once", {
      hint: "deploy with the goal switch, or with boot",
    });
  }
  requireFreePlaces(host, host.system(system));
}

/** A hook that cannot run must not be noticed in the middle. What runs before the activation has the previous system. */
function requireHooks(host: Host, plan: TransactionPlan, previous: string): void {
  const { hooks = [] } = plan;
  const early = hooksAt(hooks, "host", "preActivation").filter((hook) => aborts(hook, "preActivation"));
  const missing = [
    { system: plan.system, lacking: hooksWithoutProgram(host.system(plan.system), hooks) },
    { system: previous, lacking: hooksWithoutProgram(host.system(previous), early) },
  ].flatMap(({ system, lacking }) =>
    lacking.map(({ name, command }) => `hook '${name}' runs ${command[0] ?? "nothing"}, which ${system} does not have`),
  );
  if (missing.length === 0) return;
  throw new KitError("KIT_HOOK_MISSING", missing.join("; "), {
    hint: "add its package to environment.systemPackages; what is to run before an activation must have been deployed before",
  });
}

function requireNoInhibitor(host: Host, path: string, previous: string): void {
  const system = host.system(path);
  const differing = differingInhibitors(host.system(previous), system);
  if (differing.length === 0) return;
  const { message, hint } = describeInhibition(differing);
  throw new KitError("KIT_INHIBITED", message, { hint });
}

interface RecordInput {
  readonly previous: string;
  /** The same, or the temporary system that this takes over from. */
  readonly running: string;
  readonly partial: readonly string[];
  readonly superseded: TransactionRecord | undefined;
}

/** From the journal's first record on, the transaction exists and the way back is known. */
function writeRecord(
  host: Host,
  plan: TransactionPlan,
  { previous, running, partial, superseded }: RecordInput,
): TransactionRecord {
  const base = baseOf(host, plan.system) ?? "debian";
  layBallast(host, base);
  noteDataVersions(host, previous, { isConfirmed: false });
  if (superseded?.plan.goal === "reboot") removeBootOnce(host, superseded.base);
  if (superseded?.base === "nixos") restoreBootDefault(host, superseded);
  const record = TransactionRecord.create(host, plan);
  // What an interrupted confirmation may have changed: the running system keeps a root of its own.
  setRoot(host, "current", running);
  if (running !== previous) setRoot(host, "previous", previous);
  setRoot(host, "pending", plan.system);
  keepProfiles(host, plan);
  if (host.kitPath !== undefined) setRoot(host, "kit", host.kitPath);
  takeLock(host, plan, superseded?.id);
  const now = host.uptimeMs();
  const generations = readGenerations(host);
  const generation = defaultGeneration(generations);
  record.append({
    kind: "recorded",
    facts: {
      base,
      previous,
      profile: profileSystem(host) ?? null,
      bootId: host.bootId(),
      beganAtSeconds: Math.round(now / 1000),
      partial,
      newestGeneration: generations.at(-1)?.number ?? 0,
      ...(generation === undefined ? {} : { generation }),
      ordinal: 1 + Math.max(readReceipts(host)[0]?.ordinal ?? 0, superseded?.facts.ordinal ?? 0),
      ...(superseded === undefined ? {} : { supersedes: superseded.id }),
    },
  });
  for (const step of ["preflight", "record"] satisfies StepName[]) {
    record.append({ kind: "step", step, event: "begin" });
    record.append({ kind: "step", step, event: "end" });
  }
  record.concludeSuperseded();
  return record;
}

/** Reads a plan that a deployer sent; says what is wrong with it. */
export function parsePlan(text: string): TransactionPlan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new KitError("KIT_USAGE", `the plan is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const plan = value as TransactionPlan;
  const problems: string[] = [];
  if (typeof value !== "object" || value === null) throw new KitError("KIT_USAGE", "the plan is no record");
  if (plan.version !== 1) problems.push(`version ${String(plan.version)} is not understood`);
  if (typeof plan.id !== "string" || !isTransactionId(plan.id)) problems.push("id is not a transaction id");
  if (!TRANSACTION_GOALS.includes(plan.goal)) problems.push(`goal '${String(plan.goal)}'`);
  if (typeof plan.system !== "string" || !isStorePath(plan.system)) problems.push("system is no store path");
  if (!isCount(plan.confirmTimeoutSeconds) || plan.confirmTimeoutSeconds < 1) problems.push("confirmTimeoutSeconds");
  const needsTime = plan.goal === "temporary";
  if (needsTime ? !isCount(plan.temporarySeconds) || plan.temporarySeconds < 1 : plan.temporarySeconds !== undefined) {
    problems.push("temporarySeconds");
  }
  if (plan.confirmsItself !== undefined && (plan.confirmsItself !== true || plan.goal !== "reboot")) {
    problems.push("confirmsItself");
  }
  if (plan.activationTimeoutSeconds !== undefined && !isCount(plan.activationTimeoutSeconds)) {
    problems.push("activationTimeoutSeconds");
  }
  if (!isCount(plan.keepGenerations)) problems.push("keepGenerations");
  if (!Array.isArray(plan.healthChecks)) problems.push("healthChecks");
  if (plan.hooks !== undefined && !Array.isArray(plan.hooks)) problems.push("hooks");
  if (plan.profiles !== undefined && !Array.isArray(plan.profiles)) problems.push("profiles");
  if (typeof plan.operator !== "object") problems.push("operator");
  if (problems.length > 0) throw new KitError("KIT_USAGE", `the plan cannot be used: ${problems.join("; ")}`);
  return plan;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 && value <= 1e6;
}
