/**
 * Runs `git`: arguments only, nothing asked on the terminal, no hooks, and no repository but the one that is named.
 *
 * The user's configuration counts, because how a server is reached stands there.
 */

import { OperationError } from "../../base/errors.ts";
import { findProgram, openDuplex, type DuplexProcess, run, succeeded } from "../../system/process.ts";

/** Lists of files and references; contents are streamed. */
const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;

const FIXED_OPTIONS = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["advice.detachedHead", "false"],
  ["init.defaultBranch", "__pristine_no_branch"],
].flatMap(([name, value]) => ["-c", `${name}=${value}`]);

/** Variables that would make git look at another repository than the one that is named. */
const LOCATING =
  /^GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|CEILING_DIRECTORIES|PREFIX|QUARANTINE_PATH|ATTR_SOURCE|REPLACE_REF_BASE|SHALLOW_FILE|GRAFT_FILE)$/;

export interface GitOutcome {
  readonly ok: boolean;
  readonly stdout: Buffer;
  /** The last of what git had to say. */
  readonly said: string;
  /** All of it. */
  readonly stderr: string;
}

export interface GitOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

export class Git {
  readonly #env: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  constructor(env: Readonly<Record<string, string | undefined>>, signal: AbortSignal) {
    const kept = Object.entries(env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !LOCATING.test(entry[0]),
    );
    this.#env = {
      ...Object.fromEntries(kept),
      GIT_TERMINAL_PROMPT: "0",
      GIT_OPTIONAL_LOCKS: "0",
      GIT_ATTR_NOSYSTEM: "1",
      GIT_NO_REPLACE_OBJECTS: "1",
      LC_ALL: "C",
    };
    this.#signal = signal;
  }

  async run(args: readonly string[], options: GitOptions = {}): Promise<GitOutcome> {
    const outcome = await run([await this.#program(), ...FIXED_OPTIONS, ...args], {
      env: { ...this.#env, ...options.env },
      signal: this.#signal,
      outputSizeMax: OUTPUT_BYTES_MAX,
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    });
    const stderr = outcome.stderr.toString("utf8");
    return { ok: succeeded(outcome), stdout: outcome.stdout, said: lastWords(stderr), stderr };
  }

  /** The output of a call that must succeed; `what` says what was tried. */
  async output(what: string, args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
    const { ok, stdout, said } = await this.run(args, options);
    if (!ok) throw new OperationError("FETCH_FAILED", `${what}: ${said}`);
    return stdout;
  }

  /** As `output`, as one line of text. */
  async line(what: string, args: readonly string[]): Promise<string> {
    return (await this.output(what, args)).toString("utf8").trim();
  }

  async open(args: readonly string[]): Promise<DuplexProcess> {
    return openDuplex([await this.#program(), ...FIXED_OPTIONS, ...args], { env: this.#env, signal: this.#signal });
  }

  async #program(): Promise<string> {
    const found = await findProgram("git", this.#env["PATH"] ?? process.env["PATH"] ?? "");
    if (found !== undefined) return found;
    throw new OperationError("PROGRAM_MISSING", "the program 'git' was not found", {
      hint: "install it: apt-get install git",
    });
  }
}

/** Git repeats itself; the first complaint is the reason. */
function lastWords(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const reason = lines.find((line) => /^(fatal|error):/.test(line)) ?? lines.at(-1);
  return reason?.replace(/^(fatal|error): /, "") ?? "git failed";
}
