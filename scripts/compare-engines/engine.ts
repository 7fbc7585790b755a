/** Runs an engine in bounded processes and asks it about attributes, however many of them kill it. */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { ANSWER_MARK, type Answer, type AttrPath, type PackageSet, probeExpression, type Questions } from "./probe.ts";

/** A program that takes the options of `nix-instantiate`. */
export interface Engine {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Options for writing derivations to `storeDir`. */
  readonly instantiateOptions: readonly string[];
  /** The directory that holds what the engine calls `/nix/store`. */
  readonly storeDir: string;
}

export interface Bounds {
  /** Without an answer for this long, the engine is stopped. */
  readonly timeoutMs: number;
  /** Resident memory of the engine's processes at which it is stopped. */
  readonly memoryMax: number;
}

/** An answer, the error that ended the process instead of one, or why there is neither. */
export type Outcome =
  | Answer
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "unanswered"; readonly reason: string };

const ANSWER_LINE = `trace: ${ANSWER_MARK}`;
const POLL_MS = 500;
const STDERR_MAX = 1 << 26;

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it was stopped, when it was. */
  readonly stopped: string | undefined;
}

/** Runs the engine with options; `onError` sees each piece of standard error as it comes. */
export async function runEngine(
  engine: Engine,
  options: readonly string[],
  bounds: Bounds,
  onError: (piece: string) => void = () => {},
): Promise<Finished> {
  const [program, ...argv] = [...engine.argv, ...options];
  const child = spawn(program!, argv, { env: engine.env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let [stdout, stderr] = ["", ""];
  let stopped: string | undefined;
  let lastSign = Date.now();
  child.stdout.setEncoding("utf8").on("data", (piece: string) => void (stdout += piece));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    lastSign = Date.now();
    if (stderr.length < STDERR_MAX) stderr += piece;
    onError(piece);
  });
  const stop = (reason: string): void => {
    stopped ??= reason;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const watch = setInterval(() => {
    if (child.pid === undefined || child.exitCode !== null) return;
    if (Date.now() - lastSign > bounds.timeoutMs) stop(`no answer within ${bounds.timeoutMs / 1000} s`);
    else if (residentMemory(child.pid) > bounds.memoryMax) stop(`more memory than ${bounds.memoryMax >> 20} MiB`);
  }, POLL_MS);
  try {
    const status = await new Promise<number | null>((settle, fail) => {
      child.on("error", fail).on("close", (code) => settle(code));
    });
    return { status, stdout, stderr, stopped };
  } finally {
    clearInterval(watch);
  }
}

/** Resident bytes of a process and all below it. */
function residentMemory(root: number): number {
  const children = new Map<number, number[]>();
  const pages = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const fields = readFileSync(`/proc/${entry}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
      pages.set(Number(entry), Number(fields[21]));
    } catch {
      // It ended between the listing and the look.
    }
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found.reduce((sum, pid) => sum + (pages.get(pid) ?? 0), 0) * 4096;
}

/** Fails, with what the engine said, when it cannot evaluate anything. */
export async function assertRuns(engine: Engine, engineOptions: readonly string[], bounds: Bounds): Promise<void> {
  const { stdout, stderr, stopped } = await runEngine(engine, ["--eval", ...engineOptions, "-E", "1 + 1"], bounds);
  if (stdout.trim() === "2") return;
  throw new Error(`'${engine.name}' (${engine.argv[0]}) does not evaluate 1 + 1: ${stopped ?? stderr.trim()}`);
}

/** Asks about every path; answers come in the paths' order through `onAnswer`. */
export async function ask(
  engine: Engine,
  set: PackageSet,
  paths: readonly AttrPath[],
  options: Questions & {
    readonly catches: boolean;
    /** Keep all that is said of an error, where it came about included. */
    readonly traces: boolean;
    readonly engineOptions: readonly string[];
    readonly writes: boolean;
    readonly bounds: Bounds;
  },
  onAnswer: (path: AttrPath, outcome: Outcome) => void,
): Promise<void> {
  let rest = paths;
  while (rest.length > 0) {
    let answered = 0;
    let unread = "";
    const batch = rest;
    const takeLines = (piece: string): void => {
      const lines = (unread + piece).split("\n");
      unread = lines.pop()!;
      for (const line of lines) {
        const text = line.startsWith(ANSWER_LINE) && line.endsWith("}") ? line.slice(ANSWER_LINE.length) : "";
        if (text === "") continue;
        const { index, answer } = JSON.parse(text) as { index: number; answer: Answer };
        answered = index + 1;
        onAnswer(batch[index]!, answer);
      }
    };
    const expression = probeExpression(set, batch, options);
    const writing = options.writes ? ["--read-write-mode", ...engine.instantiateOptions] : [];
    const traces = options.traces ? ["--show-trace"] : [];
    const flags = ["--eval", "--strict", ...traces, ...writing, ...options.engineOptions, "-E", expression];
    const finished = await runEngine(engine, flags, options.bounds, takeLines);
    takeLines("\n");
    // What stopped an engine may be due to what it was asked before, so it is asked once more, alone.
    const mayAnswerAlone = finished.stopped !== undefined && answered > 0;
    if (answered < batch.length && !mayAnswerAlone) {
      onAnswer(batch[answered]!, outcomeOf(finished, options.traces));
      answered++;
    }
    rest = batch.slice(answered);
  }
}

function outcomeOf(finished: Finished, traces: boolean): Outcome {
  if (finished.stopped !== undefined) return { kind: "unanswered", reason: finished.stopped };
  const message = traces ? traceOf(finished.stderr) : messageOf(finished.stderr);
  if (message !== undefined) return { kind: "error", message };
  const reason = `ended (${finished.status}) without an error message: ${finished.stderr.slice(-300)}`;
  return { kind: "unanswered", reason };
}

/** The text of the error that ended an evaluation, without what led to it. */
export function messageOf(stderr: string): string | undefined {
  const lines = stderr.split("\n");
  const start = lines.findLastIndex((line) => /^\s*error: \S/.test(line));
  if (start < 0) return undefined;
  const indent = /^\s*/.exec(lines[start]!)![0];
  const text = lines.slice(start).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
  const end = text.findIndex((line, at) => at > 0 && /^ *at \S.*:$/.test(line));
  return text
    .slice(0, end < 0 ? undefined : end)
    .join("\n")
    .trim()
    .replace(/^error: /, "");
}

/** All that was said of the error, without the lines of the question itself. */
function traceOf(stderr: string): string | undefined {
  const start = stderr.search(/^error:/m);
  return start < 0 ? undefined : stderr.slice(start).trim();
}
