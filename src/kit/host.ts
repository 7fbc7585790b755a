/**
 * The interface through which the executor touches its host.
 *
 * There are two implementations: the real one over QuickJS, and the tests' model of a host, which can be killed or cut
 * from power before and after every call.
 */

import type { SystemObject, SystemTree } from "../machine/system-object.ts";
import type { UnitState } from "../machine/unit-plan.ts";

/** Files by absolute path. Reading follows the rules of `SystemTree`; what fails to be written throws. */
export interface HostFiles extends SystemTree {
  exists(path: string): boolean;
  /** Makes a directory and its parents, durably. */
  makeDirectory(path: string): void;
  /** Replaces a file atomically; it is on disk when this returns. */
  writeDurably(path: string, text: string): void;
  /** Appends to a file, which is made when absent; the text is on disk when this returns. */
  appendDurably(path: string, text: string): void;
  /** Makes or replaces a symbolic link by one rename. */
  replaceLink(path: string, target: string, options: { readonly durable: boolean }): void;
  /** Removes a file or a link; nothing happens when it is absent. */
  remove(path: string, options: { readonly durable: boolean }): void;
  /** Removes a directory with everything in it. */
  removeTree(path: string): void;
  /** Puts on disk whatever was written to the file system of a path, by whom ever. */
  syncFileSystem(path: string): void;
  /** When a file or a link was made or changed: ISO 8601 in UTC. */
  modifiedAt(path: string): string;
}

export interface Outcome {
  readonly ok: boolean;
  /** What went wrong, one line. */
  readonly message: string;
}

/** A process that systemd runs for us, outside of any session. */
export interface SupervisedCommand {
  readonly unit: string;
  readonly description: string;
  readonly command: readonly string[];
  /** Run it by a timer after this time instead of now. */
  readonly afterSeconds?: number;
  /** Nobody comes after it: it is started again until it has ended well. */
  readonly isLastResort?: boolean;
}

/** The service manager. Lists of units may be empty: nothing is called then. */
export interface Units {
  /** Every loaded unit. */
  list(): UnitState[];
  stop(units: readonly string[], timeoutSeconds: number): Outcome;
  reload(units: readonly string[], timeoutSeconds: number): Outcome;
  restart(units: readonly string[], timeoutSeconds: number): Outcome;
  start(units: readonly string[], timeoutSeconds: number): Outcome;
  reloadManager(): Outcome;
  /** Whether the manager runs a program or library that is not in `packages`. */
  isManagerStale(isCurrent: (storePath: string) => boolean): boolean;
  reexecuteManager(): Outcome;
  resetFailed(): Outcome;
  isActive(unit: string): boolean;
  /** Kills every process of a unit and waits until it is gone. */
  halt(unit: string): void;
  /** Starts a supervised process; one of the same name that is left over is replaced. */
  supervise(command: SupervisedCommand): Outcome;
  /** Units with a process that runs from a store path that is not current. */
  stale(isCurrent: (storePath: string) => boolean): string[];
  /** The last lines a unit logged. */
  log(unit: string, linesMax: number): string[];
}

export interface RunOptions {
  readonly timeoutSeconds: number;
  /** A file that is there, which gets what it writes to its standard output: we do not see it. */
  readonly stdoutFile?: string;
  /** A file for standard input, from an offset to its end. */
  readonly stdinFile?: { readonly path: string; readonly offset: number };
  /** A short text for standard input, which stays open until the command ends; without it there is none. */
  readonly heldStdin?: string;
}

export interface CommandResult {
  /** The exit code; 124 when the time was up, 127 when there is no such program, 128 + n for signal n. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An operator's program that ran. */
export interface HookRun {
  /** As of `CommandResult`. */
  readonly code: number;
  /** The end of what it wrote, at most `HOOK_OUTPUT_BYTES_MAX`. */
  readonly output: string;
}

/** Files in memory that not everybody may read. Bytes are characters, each of one byte. */
export interface SecretFiles {
  /** Makes a directory of root's, or gives one that is there its mode. */
  makeDirectory(path: string, mode: string): void;
  /** Makes empty files with their owners and modes. */
  make(files: readonly { readonly path: string; readonly owner: string; readonly mode: string }[]): void;
  /** Nothing for a file that is not there. */
  read(path: string): string;
  /** Fills a file that is there. */
  write(path: string, bytes: string): void;
  /** Of a directory to where nothing is. */
  rename(from: string, to: string): void;
}

export interface Host {
  readonly files: HostFiles;
  readonly secretFiles: SecretFiles;
  readonly units: Units;
  /** A system in the host's store, or a path that turns out to be none. What lies there does not change. */
  system(path: string): SystemObject;
  /** The command that starts the kit, to be followed by a subcommand. */
  readonly kitCommand: string;
  /** The kit's own store path, when it runs from one. */
  readonly kitPath: string | undefined;
  readonly kitVersion: string;
  run(command: readonly string[], options: RunOptions): CommandResult;
  /** Runs an operator's program in a session of its own, which ends as a whole when the time is up. */
  runHook(
    command: readonly string[],
    options: { readonly timeoutSeconds: number; readonly environment: Readonly<Record<string, string>> },
  ): HookRun;
  /** How to start a program that the kit carries or the host has. */
  which(program: string): readonly string[] | undefined;
  wallClock(): string;
  /** Milliseconds since boot, monotonic. */
  uptimeMs(): number;
  bootId(): string;
  sleepMs(milliseconds: number): void;
}
