/**
 * Runs other programs: argument vectors only, never a shell.
 *
 * A program normally gets a process group of its own, so that cancelling ends everything it started: SIGTERM first,
 * SIGKILL when the grace period is over. `openDuplex` gives the two byte streams of a program that speaks a protocol.
 */

import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { OperationError } from "../base/errors.ts";
import { renderArgv } from "../base/shell-words.ts";
import { makePipe, withFixedAddresses } from "./native.ts";

export interface SpawnOptions {
  readonly cwd?: string | undefined;
  /** The complete environment; without it the program inherits ours. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Added to the environment. */
  readonly extraEnv?: Readonly<Record<string, string>> | undefined;
  /**
   * `own` (the default) starts a session of its own; `shared` stays in ours, for programs that ask on the terminal
   * (ssh, sudo). Only the program itself is then signalled, not what it started.
   */
  readonly group?: "own" | "shared" | undefined;
  /** Descriptors of ours that the program sees as 3, 4, …; they stay open here. */
  readonly inheritedFds?: readonly number[] | undefined;
  /** Data that the program reads from its descriptors after those, each from a pipe of its own. */
  readonly inputs?: readonly Uint8Array[] | undefined;
  /** Start the program with memory addresses that do not vary. */
  readonly fixedAddresses?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Ends the program after this time; the outcome then says `timedOut`. */
  readonly deadlineMs?: number | undefined;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs?: number | undefined;
}

export interface RunOptions extends SpawnOptions {
  /** What the program reads; the word `inherit` gives it our own standard input. */
  readonly stdin?: Uint8Array | string | undefined;
  /** Called with output as it comes, in addition to capturing it. */
  readonly onStdout?: ((chunk: Uint8Array) => void) | undefined;
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined;
  /** `capture` is the default; `discard` still calls `onStdout`; `inherit` gives the program our own streams. */
  readonly output?: "capture" | "discard" | "inherit" | undefined;
  /** One pipe for both output streams, so that their order is kept; everything arrives as standard output. */
  readonly mergeStderr?: boolean | undefined;
  /** Captured bytes per stream; more than this ends the program with an error. */
  readonly outputSizeMax?: number | undefined;
}

export interface ExitStatus {
  /** The exit code, or `undefined` when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly timedOut: boolean;
}

export interface ProcessOutcome extends ExitStatus {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

const GRACE_MS = 2_000;
/** How long pipes may stay open after the program has ended, held by something it left behind. */
const PIPE_LINGER_MS = 1_000;
const OUTPUT_SIZE_MAX = 256 * 1024 * 1024;

export function succeeded(status: ExitStatus): boolean {
  return status.code === 0 && !status.timedOut;
}

/** Says how a program ended, in words: `exit code 2`, `killed by SIGKILL`, `timed out`. */
export function renderExit(status: ExitStatus): string {
  if (status.timedOut) return "timed out";
  return status.code === undefined ? `killed by ${status.signal ?? "a signal"}` : `exit code ${status.code}`;
}

/** Runs a program to its end. A failing exit is an outcome, not an error; failing to start or being aborted throws. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<ProcessOutcome> {
  const inherit = options.output === "inherit";
  const stdin = options.stdin === "inherit" ? "inherit" : options.stdin === undefined ? "ignore" : "pipe";
  const merged = options.mergeStderr === true && !inherit ? makePipe() : undefined;
  const output = inherit ? "inherit" : (merged?.writeFd ?? "pipe");
  const running = start(argv, options, [stdin, output, output], merged);
  const { child } = running;
  if (stdin === "pipe" && child.stdin !== null) {
    // The program may end before it has read everything; its exit status is what matters then.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.stdin);
  }
  const sizeMax = options.outputSizeMax ?? OUTPUT_SIZE_MAX;
  const capture = (options.output ?? "capture") === "capture";
  let failure: Error | undefined;
  const fail = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error));
    running.kill();
  };
  const collect = (stream: Readable | null, onChunk: ((chunk: Uint8Array) => void) | undefined): Buffer[] => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream?.on("data", (chunk: Buffer) => {
      try {
        if (failure === undefined) onChunk?.(chunk);
      } catch (error) {
        // A handler that fails, on a full disk for instance, ends the program: nobody listens to it any more.
        fail(error);
      }
      if (!capture) return;
      size += chunk.length;
      if (size <= sizeMax) chunks.push(chunk);
      else
        fail(new OperationError("PROCESS_OUTPUT_TOO_LARGE", `${argv[0]} wrote more than ${sizeMax} bytes of output`));
    });
    return chunks;
  };
  const stdout = collect(running.merged ?? child.stdout, options.onStdout);
  const stderr = collect(child.stderr, options.onStderr);
  const status = await running.closed;
  options.signal?.throwIfAborted();
  if (failure !== undefined) throw failure;
  return { ...status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
}

/** As `run`, but a failing exit throws `PROCESS_FAILED` with the end of what the program wrote to its standard error. */
export async function runChecked(argv: readonly string[], options: RunOptions = {}): Promise<ProcessOutcome> {
  const outcome = await run(argv, options);
  if (succeeded(outcome)) return outcome;
  const said = outcome.stderr.toString("utf8").trimEnd().split("\n").slice(-10).join("\n");
  throw new OperationError(
    "PROCESS_FAILED",
    `${renderArgv(argv)}: ${renderExit(outcome)}${said === "" ? "" : `\n${said}`}`,
  );
}

/** The two byte streams of a running program. */
export interface DuplexProcess {
  readonly pid: number;
  /** What the program writes to its standard output. */
  readonly readable: Readable;
  /** The program's standard input. */
  readonly writable: Writable;
  /** The end of what the program wrote to its standard error. */
  stderrTail(): string;
  /** Settles when the program has ended; never rejects once the program was started. */
  readonly exited: Promise<ExitStatus>;
  /** Ends the program: its input is closed, then SIGTERM, then SIGKILL. */
  close(): Promise<ExitStatus>;
}

const STDERR_TAIL_CHARS = 16 * 1024;

/** Starts a program that speaks a protocol on its standard input and output. */
export function openDuplex(
  argv: readonly string[],
  options: SpawnOptions & {
    readonly onStderr?: ((chunk: Uint8Array) => void) | undefined;
    /** Leave standard error to the terminal. */
    readonly stderr?: "capture" | "inherit" | undefined;
  } = {},
): DuplexProcess {
  const running = start(argv, options, ["pipe", "pipe", options.stderr === "inherit" ? "inherit" : "pipe"]);
  const { child } = running;
  let tail = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    options.onStderr?.(chunk);
    tail = (tail + chunk.toString("utf8")).slice(-STDERR_TAIL_CHARS);
  });
  const writable = child.stdin as Writable;
  const readable = child.stdout as Readable;
  // Broken pipes are seen by the reader as the end of the stream; the exit status says why.
  writable.on("error", () => undefined);
  readable.on("error", () => undefined);
  // A program that cannot be started looks to the reader like one that ended at once.
  const exited = running.closed.catch((error: unknown): ExitStatus => {
    tail += error instanceof Error ? error.message : String(error);
    readable.destroy();
    return { code: 127, signal: undefined, timedOut: false };
  });
  return {
    pid: child.pid ?? -1,
    readable,
    writable,
    stderrTail: () => tail,
    exited,
    close: async () => {
      writable.end();
      readable.resume();
      const grace = setTimeout(() => running.kill(), 200);
      try {
        return await exited;
      } finally {
        clearTimeout(grace);
      }
    },
  };
}

/** The path of a program that may be run, looked for on `PATH` unless its name has a slash; `undefined` without one. */
export async function findProgram(name: string, path: string = process.env["PATH"] ?? ""): Promise<string | undefined> {
  const { isExecutable } = await import("./files.ts");
  const directories = `${path}:/usr/sbin:/sbin`.split(":").filter((directory) => directory !== "");
  const candidates = name.includes("/") ? [name] : directories.map((directory) => `${directory}/${name}`);
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  return undefined;
}

/** Whether a process of this id exists (it may belong to another user). */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

interface Running {
  readonly child: ChildProcess;
  /** The one output stream, when both were merged. */
  readonly merged: Readable | undefined;
  /** Resolves when the program has ended and its pipes are closed. */
  readonly closed: Promise<ExitStatus>;
  kill(): void;
}

function start(
  argv: readonly string[],
  options: SpawnOptions,
  stdio: readonly ("pipe" | "ignore" | "inherit" | number)[],
  pipe?: { readonly readFd: number; readonly writeFd: number },
): Running {
  const [program, ...args] = argv;
  const ownGroup = (options.group ?? "own") === "own";
  const inputs = options.inputs ?? [];
  const launch = (): ChildProcess => {
    options.signal?.throwIfAborted();
    if (program === undefined) throw new OperationError("PROCESS_NOT_STARTED", "an empty command cannot be run");
    return spawn(program, args, {
      cwd: options.cwd,
      env: { ...(options.env ?? process.env), ...options.extraEnv },
      detached: ownGroup,
      stdio: [...stdio, ...(options.inheritedFds ?? []), ...inputs.map(() => "pipe" as const)] as StdioOptions,
    });
  };
  let child: ChildProcess;
  try {
    child = options.fixedAddresses === true ? withFixedAddresses(launch) : launch();
  } catch (error) {
    if (pipe !== undefined) closeSync(pipe.readFd);
    throw error;
  } finally {
    if (pipe !== undefined) closeSync(pipe.writeFd);
  }
  const merged = pipe === undefined ? undefined : new Socket({ fd: pipe.readFd, readable: true, writable: false });
  const mergedClosed = merged === undefined ? undefined : new Promise((resolve) => merged.once("close", resolve));
  merged?.on("error", () => undefined);
  const inputFdFirst = 3 + (options.inheritedFds?.length ?? 0);
  for (const [index, bytes] of inputs.entries()) {
    const stream = child.stdio[inputFdFirst + index] as Writable | null | undefined;
    // A program that ends before it has read its inputs says why by its exit status.
    stream?.on("error", () => undefined);
    stream?.end(bytes);
  }
  let timedOut = false;
  let ended = false;
  let killTimer: NodeJS.Timeout | undefined;
  let lingerTimer: NodeJS.Timeout | undefined;
  const send = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(ownGroup ? -child.pid : child.pid, signal);
    } catch {
      // It has ended in the meantime, which is what was wanted.
    }
  };
  const kill = (): void => {
    if (killTimer !== undefined || ended) return;
    send("SIGTERM");
    killTimer = setTimeout(() => send("SIGKILL"), options.graceMs ?? GRACE_MS);
  };
  options.signal?.addEventListener("abort", kill, { once: true });
  const deadline =
    options.deadlineMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, options.deadlineMs);
  const settle = (): void => {
    ended = true;
    options.signal?.removeEventListener("abort", kill);
    clearTimeout(deadline);
    clearTimeout(killTimer);
    clearTimeout(lingerTimer);
  };
  const closed = new Promise<ExitStatus>((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      settle();
      merged?.destroy();
      reject(notStarted(program ?? "", options.cwd, error));
    });
    child.once("exit", () => {
      if (killTimer !== undefined) send("SIGKILL");
      lingerTimer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        merged?.destroy();
      }, PIPE_LINGER_MS);
    });
    child.once("close", (code, signal) => {
      void (mergedClosed ?? Promise.resolve()).then(() => {
        settle();
        resolve({ code: code ?? undefined, signal: signal ?? undefined, timedOut });
      });
    });
  });
  return { child, merged, closed, kill };
}

function notStarted(program: string, cwd: string | undefined, error: NodeJS.ErrnoException): OperationError {
  if (error.code === "ENOENT") {
    return new OperationError("PROGRAM_MISSING", `the program '${program}' was not found`, {
      hint:
        cwd === undefined
          ? `install it, or put it on PATH`
          : `install it, put it on PATH, or check that the directory ${cwd} exists`,
      cause: error,
    });
  }
  return new OperationError("PROCESS_NOT_STARTED", `the program '${program}' cannot be started: ${error.message}`, {
    cause: error,
  });
}
