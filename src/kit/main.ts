/**
 * The host kit: the program that a deployer starts on a host over ssh. One JSON document on standard output per command.
 *
 * Exit codes: 0 done, 1 the command line or the plan is wrong, 2 refused, 3 something failed, 4 unhealthy (`check`).
 */

import * as os from "quickjs:os";
import * as std from "quickjs:std";
import { type Receipt, REQUESTED_KINDS, type RequestedReason } from "../machine/transaction.ts";
import type { CheckAnswer, EphemeralEntry, StaleAnswer } from "../machine/facts.ts";
import type { CheckHistoryAnswer } from "../machine/check-history.ts";
import type { HealthCheck } from "../machine/health-check.ts";
import type { HookAnswer, HookRequest } from "../machine/hook.ts";
import { failedUnits } from "./activation.ts";
import { apply } from "./apply.ts";
import { begin, parsePlan } from "./begin.ts";
import { collectFacts } from "./collect-facts.ts";
import { openUnfinished, peekUnfinished } from "./conclude.ts";
import { confirm } from "./confirm.ts";
import { findEphemeral } from "./ephemeral.ts";
import { execute } from "./executor.ts";
import { withFaultPoints } from "./fault-points.ts";
import { bootForeign } from "./foreign.ts";
import { answerOf, isAtRest } from "./follow.ts";
import { runHealthChecks } from "./health.ts";
import { activateSecrets, provideSecrets } from "./secrets.ts";
import { runRequestedHooks } from "./hooks.ts";
import { gated, gatedHooks, gatedPlan, placeKit } from "./gate.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { switchTo } from "./own-confirmation.ts";
import { openBundleFile } from "./quickjs-bundle-file.ts";
import { openHost } from "./quickjs-host.ts";
import { resume } from "./resume.ts";
import { requestRevert } from "./revert.ts";
import { revertRun } from "./revert-run.ts";
import { runningSystem } from "./systems.ts";
import type { FileStatus } from "./stray-search.ts";
import { declaredChecks, readHistories, runTimedCheck, withSince } from "./timed-check.ts";
import { readLock, readReceipts, TransactionRecord } from "./transaction-record.ts";

const LOCK_FILE = "/run/pristine/kit.lock";
const LOCK_WAIT_SECONDS = 60;
const FOLLOW_PAUSE_MS = 40;
const FOLLOW_SECONDS_MAX = 3600;

/** A command that only asks does not wait longer than this for one that changes something. */
const QUERY_LOCK_WAIT_SECONDS = 2;
const LOCK_BUSY = 75;
const UNHEALTHY = 4;
const WENT_BACK = 3;
const REBOOT_SECONDS = 20;
/** How an exec ends when there is no such program, or when its libraries are missing. */
const NOT_STARTED = 127;

/** Commands that change what is recorded run one at a time per host. */
const EXCLUSIVE: ReadonlySet<string> = new Set([
  "begin",
  "confirm",
  "revert",
  "revert-run",
  "resume",
  "place-kit",
  "boot",
]);
/** These conclude what an earlier boot left behind, when nothing else is at work. */
const CONCLUDING: ReadonlySet<string> = new Set(["facts", "status", "history"]);

/** How the command runs: with the lock file held, or after it could not be had. */
const LOCK_VARIABLE = "PRISTINE_KIT_LOCK";

const USAGE = `usage: pristine-kit COMMAND
  facts                               what the host is and runs
  begin < PLAN                        record a transaction and start it
  journal ID [--after N] [--follow]   what happened so far, or as it happens
  confirm ID                          make the new system the boot default
  revert ID [--reason KIND MESSAGE]   return to the recorded previous system
  apply FILE [--receipt FILE]         deploy what a bundle brings
  switch SYSTEM GOAL                  make a system what runs, as its switch-to-configuration asks for it
  check [< CHECKS]                    run health checks
  check-run NAME                      run one of the running system, and note what it saw
  check-history                       what was noted
  stale < PATHS                       units with processes that use store paths
  hook < REQUEST                      run hooks that belong to no transaction
  secrets [SYSTEM]                    decrypt those of the running system, at boot; of one that activates itself
  ephemeral                           what a reboot would erase
  boot                                put the files of the boot default in place, on a foreign host
  place-kit PATH                      make this kit the host's
  reboot                              reboot
  gate COMMAND                        what a restricted deploy user may run of these
  status | history                    the unfinished transaction; all receipts`;

function main(): number {
  const [script = "", ...args] = scriptArgs;
  const isGated = args[0] === "gate";
  const [command = "", ...rest] = isGated ? gated(args.slice(1)) : args;
  if (isGated) forgetEnvironment();
  const real = openHost(script);
  const host = PRISTINE_FAULT_POINTS ? withFaultPoints(real) : real;
  const lock = std.getenv(LOCK_VARIABLE);
  if (lock === undefined && (EXCLUSIVE.has(command) || CONCLUDING.has(command))) return runLocked(host, command, args);
  const unfinished = (): TransactionRecord | undefined =>
    lock === "held" ? openUnfinished(host) : peekUnfinished(host);
  switch (command) {
    case "facts":
      print(collectFacts(host, unfinished()));
      return 0;
    case "begin": {
      const plan = parsePlan(std.in.readAsString());
      print(begin(host, isGated ? gatedPlan(host, plan) : plan));
      return 0;
    }
    case "run":
      execute(host, argument(rest));
      return 0;
    case "journal":
      return journal(host, rest);
    case "confirm":
      print(confirm(host, argument(rest)) ?? TransactionRecord.openKnown(host, argument(rest)).status());
      return 0;
    case "revert":
      print(requestRevert(host, argument(rest), requestedReason(rest)).status());
      return 0;
    case "revert-run":
      revertRun(host, argument(rest), rest[1]);
      return 0;
    case "resume":
      resume(host);
      return 0;
    case "boot":
      return told(bootForeign(host));
    case "apply":
      return applyBundle(host, rest);
    case "switch":
      return switchSystem(host, rest);
    case "check":
      return check(host, isGated ? "" : std.in.readAsString().trim());
    case "check-run":
      return checkRun(host, argument(rest, "the name of a check"));
    case "check-history":
      print({ checks: readHistories(host) } satisfies CheckHistoryAnswer);
      return 0;
    case "stale":
      print(stale(host));
      return 0;
    case "hook": {
      const request = JSON.parse(std.in.readAsString()) as HookRequest;
      print({ results: runRequestedHooks(host, isGated ? gatedHooks(host, request) : request) } satisfies HookAnswer);
      return 0;
    }
    case "secrets":
      return secrets(host, rest[0]);
    case "ephemeral":
      print(findEphemeral(host, statusOf));
      return 0;
    case "place-kit":
      placeKit(host, argument(rest, "the path of a kit"), { isGated });
      print({});
      return 0;
    case "reboot":
      return reboot(host);
    case "status":
      print({ transaction: unfinished()?.status() ?? null, lock: readLock(host) ?? null });
      return 0;
    case "history":
      unfinished();
      print({ receipts: readReceipts(host) });
      return 0;
    default:
      throw new KitError("KIT_USAGE", command === "" ? USAGE : `there is no command '${command}'`, { hint: USAGE });
  }
}

/** What a restricted user has in his environment is not for what runs as root; how much of it is left is up to sudo. */
function forgetEnvironment(): void {
  for (const name of Object.keys(std.getenviron())) if (name !== LOCK_VARIABLE) std.unsetenv(name);
}

function print(value: unknown): void {
  std.out.puts(`${JSON.stringify(value)}\n`);
  std.out.flush();
}

function argument(args: readonly string[], what: string = "a transaction id"): string {
  const [value] = args;
  if (value === undefined) throw new KitError("KIT_USAGE", `${what} is missing`);
  return value;
}

/** Why a return is asked for, where that is said. */
function requestedReason(args: readonly string[]): RequestedReason | undefined {
  const at = args.indexOf("--reason");
  if (at < 0) return undefined;
  const kind = REQUESTED_KINDS.find((known) => known === args[at + 1]);
  const message = args[at + 2];
  if (kind === undefined || message === undefined) {
    throw new KitError("KIT_USAGE", `--reason takes one of ${REQUESTED_KINDS.join(", ")}, and a sentence`);
  }
  return { kind, message: message.slice(0, REASON_CHARS_MAX) };
}

const REASON_CHARS_MAX = 4096;

/** Starts the command again under `flock`, whose lock goes with the process, however that ends. */
function runLocked(host: Host, command: string, args: readonly string[]): number {
  const isQuery = CONCLUDING.has(command);
  const seconds = isQuery ? QUERY_LOCK_WAIT_SECONDS : LOCK_WAIT_SECONDS;
  const kit = [host.kitCommand, ...args];
  const flock = [
    "flock",
    "--exclusive",
    `--timeout=${seconds}`,
    `--conflict-exit-code=${LOCK_BUSY}`,
    LOCK_FILE,
    ...kit,
  ];
  const status = host.which("flock") === undefined ? NOT_STARTED : runInherited(flock, "held");
  if (status !== LOCK_BUSY && status !== NOT_STARTED) return status;
  if (isQuery) return runInherited(kit, "busy");
  if (status === NOT_STARTED) {
    // The way back must not need a program of the system that it leaves.
    if (command === "revert-run") return runInherited(kit, "busy");
    throw new KitError("KIT_FAILED", "this host has no 'flock' (util-linux) that starts");
  }
  throw new KitError("KIT_LOCKED", `another command has been at work on this host for ${seconds} s`, {
    hint: "look at it with 'pristine status'",
  });
}

function runInherited(command: readonly string[], lock?: "held" | "busy"): number {
  const env = { ...std.getenviron(), ...(lock === undefined ? {} : { [LOCK_VARIABLE]: lock }) };
  const status = os.exec(command, { block: true, usePath: true, env });
  return status < 0 ? 3 : status;
}

function journal(host: Host, args: readonly string[]): number {
  const id = argument(args);
  const after = Number(args[args.indexOf("--after") + 1] ?? 0);
  if (args.includes("--after") && !Number.isInteger(after)) throw new KitError("KIT_USAGE", "--after takes a number");
  let seen = args.includes("--after") ? after : 0;
  let record = TransactionRecord.openKnown(host, id);
  if (!args.includes("--follow")) {
    print(answerOf(record, seen));
    return 0;
  }
  const until = host.uptimeMs() + FOLLOW_SECONDS_MAX * 1000;
  for (;;) {
    for (const line of record.recordsAfter(seen)) print(line);
    seen = Math.max(seen, record.lastSeq);
    if (isAtRest(host, record) || host.uptimeMs() > until) break;
    host.sleepMs(FOLLOW_PAUSE_MS);
    record = TransactionRecord.openKnown(host, id);
  }
  print({ ...answerOf(record, seen), records: [] });
  return 0;
}

/** What is done goes to standard error as it happens. */
function applyBundle(host: Host, args: readonly string[]): number {
  const path = argument(args, "the file of a bundle");
  const named = args.includes("--receipt") ? argument(args.slice(args.indexOf("--receipt") + 1), "a file") : undefined;
  const receiptPath = named ?? `${path}.receipt`;
  const applied = apply(host, openBundleFile(path), {
    receiptPath,
    onNote: note,
    handOver: (kit) => runInherited([kit, "apply", path, "--receipt", receiptPath]),
  });
  if ("exitCode" in applied) return applied.exitCode;
  print({ receipt: applied.receipt, receiptFile: receiptPath });
  return exitCodeOf(applied.receipt);
}

function exitCodeOf({ outcome }: Receipt): number {
  return outcome === "confirmed" || outcome === "tested" ? 0 : WENT_BACK;
}

function note(text: string): void {
  std.err.puts(`${text}\n`);
  std.err.flush();
}

function switchSystem(host: Host, args: readonly string[]): number {
  const answer = switchTo(host, argument(args, "the path of a system"), argument(args.slice(1), "a goal"), note);
  print(answer);
  return "outcome" in answer ? exitCodeOf(answer) : 0;
}

/** Checks come as JSON, or from the system that runs. */
function check(host: Host, input: string): number {
  const checks = input === "" ? declaredChecks(host) : (JSON.parse(input) as HealthCheck[]);
  const results = withSince(host, runHealthChecks(host, checks));
  const healthy = results.every((result) => result.healthy);
  print({ healthy, results, failedUnits: failedUnits(host.units.list()) } satisfies CheckAnswer);
  return healthy ? 0 : UNHEALTHY;
}

/** For a boot, where what fails is told to the journal, and the rest is there; or in a NixOS system's activation. */
function secrets(host: Host, activated: string | undefined): number {
  const system = activated ?? runningSystem(host);
  const provide = activated === undefined ? provideSecrets : activateSecrets;
  return told(system === undefined ? undefined : provide(host, host.system(system)));
}

/** To the journal: what could not be done, while the rest was. */
function told(problems: string | undefined): number {
  if (problems !== undefined) std.err.puts(`${problems}\n`);
  return problems === undefined ? 0 : 3;
}

/** As an operator asks for it: what holds a reboot up is not overruled. */
function reboot(host: Host): number {
  const { code, stderr } = host.run(["systemctl", "reboot"], { timeoutSeconds: REBOOT_SECONDS });
  if (code !== 0) throw new KitError("KIT_FAILED", `the host cannot be rebooted: ${stderr.trim() || `exit ${code}`}`);
  print({});
  return 0;
}

/** Store paths come as a JSON list on standard input. */
function stale(host: Host): StaleAnswer {
  const paths = new Set(JSON.parse(std.in.readAsString()) as string[]);
  return { units: host.units.stale((path) => paths.has(path)) };
}

/** For a timer's unit: a line for the journal, and the exit status by which the unit fails. */
function checkRun(host: Host, name: string): number {
  const result = runTimedCheck(host, name);
  if (result === undefined) {
    std.out.puts(`the running system has no health check '${name}'\n`);
    return 0;
  }
  std.out.puts(`${result.healthy ? "healthy" : "unhealthy"}: ${result.message}\n`);
  return result.healthy ? 0 : UNHEALTHY;
}

const KINDS: ReadonlyMap<number, EphemeralEntry["kind"]> = new Map([
  [os.S_IFREG, "file"],
  [os.S_IFDIR, "directory"],
  [os.S_IFLNK, "link"],
  [os.S_IFSOCK, "socket"],
  [os.S_IFIFO, "fifo"],
]);

function statusOf(path: string): FileStatus | undefined {
  const [status, errno] = os.lstat(path);
  if (errno !== 0) return undefined;
  const { dev, uid, gid, size, mtime, mode } = status;
  return {
    kind: KINDS.get(mode & os.S_IFMT) ?? "device",
    size,
    uid,
    gid,
    mode: mode & 0o7777,
    modified: new Date(mtime).toISOString(),
    device: dev,
  };
}

function guarded(): number {
  try {
    return main();
  } catch (error) {
    if (error instanceof KitError) {
      print({ error: error.failure });
      return error.failure.code === "KIT_USAGE" ? 1 : error.failure.code === "KIT_FAILED" ? 3 : 2;
    }
    const message = error instanceof Error ? error.message : String(error);
    print({ error: { code: "KIT_FAILED", message } });
    std.err.puts(`${message}\n${error instanceof Error ? (error.stack ?? "") : ""}`);
    return 3;
  }
}

std.exit(guarded());
