/**
 * The way to a host: the user's own OpenSSH, with its configuration, agent, keys and jumps.
 *
 * Work goes over one multiplexed connection per host; whatever must prove that the host can still be reached asks for
 * a *fresh* connection, which shares nothing with it. Of a host with several addresses the first that lets us in is
 * used, for as long as it answers.
 */

import { resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import { quotePosix } from "../base/shell-words.ts";
import { hashBytes } from "../format/hash.ts";
import { ensureDirectory, statusOf } from "../system/files.ts";
import { runtimeDirectory } from "../system/directories.ts";
import { userId } from "../system/identity.ts";
import { type DuplexProcess, openDuplex, type ProcessOutcome, run, succeeded } from "../system/process.ts";
import type { SshTarget } from "./inventory.ts";
import { type AsRoot, findWayToRoot, type SudoPassword } from "./privilege.ts";

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
  /** For hosts whose sudo wants one. */
  readonly sudoPassword?: SudoPassword | undefined;
  /** Called with each command before it runs on the host, and with the local one that takes it there. */
  readonly onCommand?: ((remote: readonly string[], local: readonly string[]) => void) | undefined;
}

const CONNECT_TIMEOUT_SECONDS = 10;
/** Of each of several addresses: the next one may be the right one. */
const TRY_TIMEOUT_SECONDS = 5;
const TRY_DEADLINE_MS = 10_000;
const COMMAND_DEADLINE_MS = 60_000;
/** How much of what `ssh` writes is kept for saying why it failed. */
const SAID_LENGTH_MAX = 8192;

export interface RunOverSsh {
  readonly signal: AbortSignal;
  readonly deadlineMs?: number | "none";
  /** Whether the outcome has the output (the default); without it, what comes is only told to `onStdout`. */
  readonly captures?: boolean;
  /** Opens a connection of its own, sharing nothing with those already open. */
  readonly fresh?: boolean;
  /** Runs it as root, also for a user who is not. */
  readonly asRoot?: boolean;
  /** Lets ssh write to standard error what it does. */
  readonly verbose?: boolean;
  readonly onStdout?: (chunk: Uint8Array) => void;
  readonly onStderr?: (chunk: Uint8Array) => void;
}

export class SshConnection {
  readonly target: SshTarget;
  readonly #options: SshOptions;
  /** As they are tried: what answered last comes first. */
  #addresses: readonly [string, ...string[]];
  /** Where work goes, once it is known. */
  #shared: Promise<string> | undefined;
  /** How commands are made root's, once it is known. */
  #asRoot: Promise<AsRoot> | undefined;
  readonly #multiplexed = new Set<string>();
  #passedOver: readonly string[] = [];

  constructor(target: SshTarget, options: SshOptions = {}) {
    this.target = target;
    this.#addresses = [target.host, ...(target.others ?? [])];
    this.#options = options;
  }

  /** The address that is used; before any has answered, the first to be tried. */
  get address(): string {
    return this.#addresses[0];
  }

  /** Why addresses that were tried before it are not used. */
  get passedOver(): readonly string[] {
    return this.#passedOver;
  }

  /** Runs a command to its end. A failing command is an outcome; failing to reach the host throws. */
  async run(command: Command, options: RunOverSsh): Promise<ProcessOutcome> {
    const fresh = options.fresh ?? false;
    const address = await this.#answering(fresh, options.signal);
    const remote = options.asRoot === true ? (await this.#wayToRoot(options.signal))(command) : command;
    const argv = await this.#argv(address, remote.argv, {
      fresh,
      extra: options.verbose === true ? ["-v"] : [],
    });
    this.#options.onCommand?.(remote.argv, argv);
    const { deadlineMs = COMMAND_DEADLINE_MS, captures = true } = options;
    let said = "";
    const outcome = await run(argv, {
      signal: options.signal,
      deadlineMs: deadlineMs === "none" ? undefined : deadlineMs,
      stdin: remote.stdin,
      output: captures ? "capture" : "discard",
      onStdout: options.onStdout,
      onStderr: (chunk) => {
        said = (said + Buffer.from(chunk).toString("utf8")).slice(-SAID_LENGTH_MAX);
        options.onStderr?.(chunk);
      },
    });
    const lost = this.#lossOf(address, command.argv[0], outcome, said);
    if (lost === undefined) return outcome;
    if (!fresh) this.#shared = undefined;
    throw lost;
  }

  /** As `run`, but a failing command throws `HOST_COMMAND_FAILED` with the end of what it wrote. */
  async runChecked(command: Command, options: RunOverSsh): Promise<ProcessOutcome> {
    const outcome = await this.run(command, options);
    if (succeeded(outcome)) return outcome;
    const said = outcome.stderr.toString("utf8").trimEnd().split("\n").slice(-10).join("\n");
    throw new OperationError("HOST_COMMAND_FAILED", `'${command.argv.join(" ")}' on ${this.address} failed: ${said}`);
  }

  /** Starts a program that speaks a protocol on its standard input and output, as root. */
  async open(argv: readonly [string, ...string[]], signal: AbortSignal): Promise<DuplexProcess> {
    const address = await this.#answering(false, signal);
    const command = (await this.#wayToRoot(signal))({ argv });
    const full = await this.#argv(address, command.argv, { fresh: false });
    this.#options.onCommand?.(command.argv, full);
    const opened = openDuplex(full, { signal });
    if (command.stdin !== undefined) opened.writable.write(command.stdin);
    return opened;
  }

  /** Finds out whether, and how, commands run as root; throws when they cannot. */
  async becomeRoot(signal: AbortSignal): Promise<void> {
    await this.#wayToRoot(signal);
  }

  /** The arguments of an interactive `ssh`, for `pristine ssh`; `isTerminal` asks for a terminal on the host. */
  async interactive(
    command: readonly string[],
    options: { readonly isTerminal: boolean; readonly signal: AbortSignal },
  ): Promise<string[]> {
    const extra = options.isTerminal ? ["-t"] : [];
    const argv = await this.#argv(await this.#answering(true, options.signal), command, { fresh: true, extra });
    this.#options.onCommand?.(command, argv);
    return argv;
  }

  /** What a failed connection means, from what `ssh` wrote. */
  connectionError(stderr: string): OperationError {
    return this.#connectionError(this.address, stderr);
  }

  /** Ends the multiplexed connections, if any. Work that follows opens new ones. */
  async close(): Promise<void> {
    this.#shared = undefined;
    const addresses = [...this.#multiplexed];
    this.#multiplexed.clear();
    await Promise.all(
      addresses.map(async (address) => {
        const argv = await this.#argv(address, [], { fresh: false, extra: ["-O", "exit"] });
        await run(argv, { deadlineMs: 5_000, output: "discard" }).catch(() => undefined);
      }),
    );
  }

  /** Of several addresses, one that lets us in. */
  async #answering(fresh: boolean, signal: AbortSignal): Promise<string> {
    if (this.#addresses.length === 1) return this.address;
    if (fresh) return this.#tryAddresses(true, signal);
    const shared = (this.#shared ??= this.#tryAddresses(false, signal));
    shared.catch(() => {
      if (this.#shared === shared) this.#shared = undefined;
    });
    return shared;
  }

  async #tryAddresses(fresh: boolean, signal: AbortSignal): Promise<string> {
    const failures: OperationError[] = [];
    for (const address of this.#addresses) {
      const argv = await this.#argv(address, ["true"], { fresh });
      this.#options.onCommand?.(["true"], argv);
      const outcome = await run(argv, { signal, deadlineMs: TRY_DEADLINE_MS });
      const failure = this.#lossOf(address, "true", outcome, outcome.stderr.toString("utf8"));
      if (failure === undefined) {
        this.#addresses = [address, ...this.#addresses.filter((other) => other !== address)];
        this.#passedOver = failures.map(({ message }) => message);
        return address;
      }
      failures.push(failure);
    }
    // That a host is there and refuses says more than that nothing answers.
    const refused = failures.find((failure) => !failure.retryable);
    throw new OperationError(
      refused?.code ?? "HOST_UNREACHABLE",
      `none of ${failures.length} addresses lets us in: ${failures.map(({ message }) => message).join("; ")}`,
      { hint: refused?.hint ?? failures[0]?.hint, retryable: refused === undefined },
    );
  }

  async #wayToRoot(signal: AbortSignal): Promise<AsRoot> {
    if (this.target.user === "root") return (command) => command;
    const found = (this.#asRoot ??= this.#findWayToRoot(signal));
    found.catch(() => {
      if (this.#asRoot === found) this.#asRoot = undefined;
    });
    return await found;
  }

  async #findWayToRoot(signal: AbortSignal): Promise<AsRoot> {
    const { privilegeEscalation = "sudo" } = this.target;
    const run = async (command: Command): Promise<ProcessOutcome> => await this.run(command, { signal });
    // What ssh's configuration says is known to ssh alone.
    const user = this.target.user ?? (await run({ argv: ["id", "-un"] })).stdout.toString("utf8").trim();
    if (user === "root") return (command) => command;
    const { address } = this;
    return await findWayToRoot(privilegeEscalation, { address, user, run, password: this.#options.sudoPassword });
  }

  async #argv(
    address: string,
    command: readonly string[],
    options: { readonly fresh: boolean; readonly extra?: readonly string[] },
  ): Promise<string[]> {
    const { user, port, sshOptions = [] } = this.target;
    const config = this.#options.configFile === undefined ? [] : ["-F", this.#options.configFile];
    const identity = this.#options.identityFile === undefined ? [] : [`-oIdentityFile=${this.#options.identityFile}`];
    if (user !== undefined) identity.push("-l", user);
    if (port !== undefined) identity.push("-p", String(port));
    if (!options.fresh) this.#multiplexed.add(address);
    const multiplex = options.fresh
      ? ["-oControlMaster=no", "-oControlPath=none"]
      : ["-oControlMaster=auto", `-oControlPath=${await this.#controlPath()}`, "-oControlPersist=30"];
    return [
      "ssh",
      ...config,
      "-oBatchMode=yes",
      `-oConnectTimeout=${this.#addresses.length === 1 ? CONNECT_TIMEOUT_SECONDS : TRY_TIMEOUT_SECONDS}`,
      "-oServerAliveInterval=5",
      "-oServerAliveCountMax=3",
      ...multiplex,
      ...identity,
      ...sshOptions,
      ...(options.extra ?? []),
      "--",
      address,
      ...(command.length === 0 ? [] : [command.map(quotePosix).join(" ")]),
    ];
  }

  /** One alias may be one machine in a file of ssh's and another one in another file, which ssh's `%C` does not tell apart. */
  async #controlPath(): Promise<string> {
    const { configFile } = this.#options;
    const file =
      configFile === undefined
        ? ""
        : `-${hashBytes("sha256", Buffer.from(resolve(configFile)))
            .toBase16()
            .slice(0, 8)}`;
    return `${await controlDirectory()}/%C${file}`;
  }

  /** What kept a program from being run on the host, or from being heard to its end. */
  #lossOf(address: string, program: string, outcome: ProcessOutcome, said: string): OperationError | undefined {
    if (outcome.timedOut) {
      return new OperationError("HOST_TIMEOUT", `${address} did not answer '${program}' in time`, { retryable: true });
    }
    return outcome.code === 255 ? this.#connectionError(address, said) : undefined;
  }

  #connectionError(host: string, stderr: string): OperationError {
    const lines = stderr.split("\n").filter((line) => !/^(?:debug\d: |OpenSSH_)/.test(line));
    const said = lines.join("\n").trim().split("\n").slice(-3).join("\n");
    const { port = 22 } = this.target;
    const known = port === 22 ? host : `[${host}]:${port}`;
    if (/host key verification failed|remote host identification has changed/i.test(stderr)) {
      return new OperationError("HOST_KEY_MISMATCH", `the host key of ${host} is not the one that is known`, {
        hint: `make sure that this is the right machine, then update known_hosts (ssh-keygen -R ${quotePosix(known)})`,
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
