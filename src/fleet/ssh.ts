/**
 * The way to a host: the user's own OpenSSH, with its configuration, agent, keys and jumps.
 *
 * Work goes over one multiplexed connection per host; whatever must prove that the host can still be reached asks for
 * a *fresh* connection, which shares nothing with it.
 */

import { OperationError } from "../base/errors.ts";
import { quotePosix } from "../base/shell-words.ts";
import { ensureDirectory, statusOf } from "../system/files.ts";
import { runtimeDirectory } from "../system/directories.ts";
import { userId } from "../system/identity.ts";
import { type DuplexProcess, openDuplex, type ProcessOutcome, run, succeeded } from "../system/process.ts";
import type { SshTarget } from "./inventory.ts";

/** One program run on a host: arguments are never re-parsed, `stdin` never reaches a log. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly stdin?: Uint8Array | string;
}

export interface SshOptions {
  /** An OpenSSH configuration file to use in place of the user's. */
  readonly configFile?: string | undefined;
  /** A private key to offer besides those that OpenSSH knows of. */
  readonly identityFile?: string | undefined;
  /** Called with each command before it runs, for `--show-commands` and logs. */
  readonly onCommand?: ((argv: readonly string[]) => void) | undefined;
}

const CONNECT_TIMEOUT_SECONDS = 10;
const COMMAND_DEADLINE_MS = 60_000;

export interface RunOverSsh {
  readonly signal: AbortSignal;
  readonly deadlineMs?: number;
  /** Opens a connection of its own, sharing nothing with those already open. */
  readonly fresh?: boolean;
  readonly onStdout?: (chunk: Uint8Array) => void;
  readonly onStderr?: (chunk: Uint8Array) => void;
}

export class SshConnection {
  readonly target: SshTarget;
  readonly #options: SshOptions;

  constructor(target: SshTarget, options: SshOptions = {}) {
    this.target = target;
    this.#options = options;
  }

  /** Runs a command to its end. A failing command is an outcome; failing to reach the host throws. */
  async run(command: Command, options: RunOverSsh): Promise<ProcessOutcome> {
    const argv = await this.#argv(command.argv, options.fresh ?? false, []);
    this.#options.onCommand?.(argv);
    const outcome = await run(argv, {
      signal: options.signal,
      deadlineMs: options.deadlineMs ?? COMMAND_DEADLINE_MS,
      stdin: command.stdin,
      onStdout: options.onStdout,
      onStderr: options.onStderr,
    });
    if (outcome.timedOut) {
      throw new OperationError("HOST_TIMEOUT", `${this.target.host} did not answer '${command.argv[0]}' in time`, {
        retryable: true,
      });
    }
    if (outcome.code === 255) throw this.#connectionError(outcome.stderr.toString("utf8"));
    return outcome;
  }

  /** As `run`, but a failing command throws `HOST_COMMAND_FAILED` with the end of what it wrote. */
  async runChecked(command: Command, options: RunOverSsh): Promise<ProcessOutcome> {
    const outcome = await this.run(command, options);
    if (succeeded(outcome)) return outcome;
    const said = outcome.stderr.toString("utf8").trimEnd().split("\n").slice(-10).join("\n");
    throw new OperationError(
      "HOST_COMMAND_FAILED",
      `'${command.argv.join(" ")}' on ${this.target.host} failed: ${said}`,
    );
  }

  /** Starts a program that speaks a protocol on its standard input and output. */
  async open(argv: readonly [string, ...string[]], signal: AbortSignal): Promise<DuplexProcess> {
    const full = await this.#argv(argv, false, []);
    this.#options.onCommand?.(full);
    return openDuplex(full, { signal });
  }

  /** The arguments of an interactive `ssh`, for `pristine ssh`. */
  async interactive(command: readonly string[]): Promise<string[]> {
    return this.#argv(command, true, ["-t"]);
  }

  /** What a failed connection means, from what `ssh` wrote. */
  connectionError(stderr: string): OperationError {
    return this.#connectionError(stderr);
  }

  /** Ends the multiplexed connection, if any. */
  async close(): Promise<void> {
    const argv = await this.#argv([], false, ["-O", "exit"]);
    await run(argv, { deadlineMs: 5_000, output: "discard" }).catch(() => undefined);
  }

  async #argv(command: readonly string[], fresh: boolean, extra: readonly string[]): Promise<string[]> {
    const { host, user, port } = this.target;
    const config = this.#options.configFile === undefined ? [] : ["-F", this.#options.configFile];
    const identity = this.#options.identityFile === undefined ? [] : [`-oIdentityFile=${this.#options.identityFile}`];
    if (user !== undefined) identity.push("-l", user);
    if (port !== undefined) identity.push("-p", String(port));
    const multiplex = fresh
      ? ["-oControlMaster=no", "-oControlPath=none"]
      : ["-oControlMaster=auto", `-oControlPath=${await controlDirectory()}/%C`, "-oControlPersist=30"];
    return [
      "ssh",
      ...config,
      "-oBatchMode=yes",
      `-oConnectTimeout=${CONNECT_TIMEOUT_SECONDS}`,
      "-oServerAliveInterval=5",
      "-oServerAliveCountMax=3",
      ...multiplex,
      ...identity,
      ...extra,
      "--",
      host,
      ...(command.length === 0 ? [] : [command.map(quotePosix).join(" ")]),
    ];
  }

  #connectionError(stderr: string): OperationError {
    const { host } = this.target;
    const said = stderr.trim().split("\n").slice(-3).join("\n");
    if (/host key verification failed|remote host identification has changed/i.test(stderr)) {
      return new OperationError("HOST_KEY_MISMATCH", `the host key of ${host} is not the one that is known`, {
        hint: `make sure that this is the right machine, then update known_hosts (ssh-keygen -R ${host})`,
      });
    }
    if (/permission denied|too many authentication failures/i.test(stderr)) {
      return new OperationError("HOST_PERMISSION_DENIED", `${host} refused our ssh key: ${said}`, {
        hint: `check that 'ssh ${host}' works, and that the key's public part is declared in users.users.root.openssh.authorizedKeys`,
      });
    }
    return new OperationError(
      "HOST_UNREACHABLE",
      `${host} cannot be reached: ${said === "" ? "ssh ended without a word" : said}`,
      {
        hint: "check that it is up and that its address is right",
        retryable: true,
      },
    );
  }
}

let controls: Promise<string> | undefined;

/** A private directory for connection sockets; its path must stay short, since a socket's name has at most 107 bytes. */
function controlDirectory(): Promise<string> {
  controls ??= privateDirectory(runtimeDirectory(), "ssh");
  return controls;
}

/**
 * Makes `NAME` in `parent`. What lies in a directory that others may write to (`/tmp`) may have been put there by them:
 * ssh would take their socket for a connection to the host.
 */
export async function privateDirectory(parent: string, name: string): Promise<string> {
  const directory = `${parent}/${name}`;
  for (const path of [parent, directory]) {
    await ensureDirectory(path, 0o700);
    const status = await statusOf(path);
    if (status?.kind === "directory" && status.uid === userId() && (status.mode & 0o022) === 0) continue;
    throw new OperationError("DIRECTORY_NOT_PRIVATE", `${path} is not a directory that only this user can write to`, {
      hint: "remove it, or set XDG_RUNTIME_DIR to a directory of yours",
    });
  }
  return directory;
}
