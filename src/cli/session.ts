/** What every command gets: the terminal, the global options, cancellation, and lazily the store and the fleet. */

import type { Command } from "commander";
import { resolve } from "node:path";
import { SudoPassword } from "../fleet/privilege.ts";
import type { Deployer } from "../library/deployer.ts";
import { terminalObserver } from "./render/observer.ts";
import { Progress } from "./render/progress.ts";
import { processTerminal, type Terminal } from "./render/terminal.ts";

/** The options that stand before or after any command. */
export interface GlobalOptions {
  readonly fleet: string;
  readonly store: string;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly showCommands: boolean;
  readonly color: boolean;
  readonly lab: boolean;
  readonly labName: string | undefined;
  readonly sshConfig: string | undefined;
  /** A file with the password for sudo; `-` is standard input. */
  readonly sudoPasswordFile: string | undefined;
  /** False for `--no-cache`. */
  readonly cache: boolean;
}

export interface Session extends Deployer {
  readonly options: GlobalOptions;
  readonly terminal: Terminal;
  readonly progress: Progress;
}

/** The fleet file, and what of other tools can take its place, in the order in which they are looked for. */
const FLEET_FILES = ["fleet.nix", "flake.nix", "hive.nix"] as const;

async function fleetFileHere(): Promise<string> {
  const { exists } = await import("../system/files.ts");
  for (const name of FLEET_FILES) if (await exists(name)) return name;
  return FLEET_FILES[0];
}

/** Runs a command's action: sets up the session, reports errors, and sets the exit status that the action returns. */
export function action<Args extends unknown[]>(
  run: (session: Session, ...args: Args) => Promise<number>,
): (this: Command, ...args: [...Args, ...unknown[]]) => Promise<void> {
  return async function (this: Command, ...args) {
    const given = this.optsWithGlobals<Omit<GlobalOptions, "fleet"> & { readonly fleet?: string }>();
    const options = { ...given, fleet: given.fleet ?? (await fleetFileHere()) };
    if (!options.cache) Object.assign(process.env, { PRISTINE_CACHE: "off", PRISTINE_RESIDENT: "off" });
    const terminal = processTerminal({ color: options.color ? undefined : false });
    const progress = new Progress(terminal);
    const abort = new AbortController();
    const interrupt = (): void => {
      if (abort.signal.aborted) return;
      progress.line("interrupted: ending what can be ended safely…");
      abort.abort(Object.assign(new Error("interrupted"), { name: "AbortError", code: "INTERRUPTED" }));
    };
    process.on("SIGINT", interrupt);
    process.on("SIGTERM", interrupt);
    process.on("SIGHUP", interrupt);
    const session = {
      options,
      fleetFile: resolve(options.fleet),
      store: options.store,
      ssh: { configFile: options.sshConfig, lab: options.labName ?? (options.lab || undefined) },
      terminal,
      progress,
      observer: terminalObserver(terminal, progress, options),
      signal: abort.signal,
      sudoPassword: new SudoPassword(async (question) => {
        const { sudoPasswordFrom } = await import("./sudo-password.ts");
        return await sudoPasswordFrom(options.sudoPasswordFile, question, progress, abort.signal);
      }),
    };
    try {
      process.exitCode = await run(session, ...(args.slice(0, run.length - 1) as Args));
    } catch (error) {
      progress.close();
      const { renderError, errorRecord } = await import("./render/error.ts");
      const { exitCodeOf } = await import("./exit-codes.ts");
      const { nixDirectory } = await import("../fleet/inventory.ts");
      const own = {
        nixDirectory: nixDirectory(),
        isLocking: this.name() === "lock",
        isExpressionTheirs: this.opts<{ expr?: string }>().expr !== undefined,
      };
      if (options.json) terminal.out(JSON.stringify({ error: errorRecord(error, own) }));
      renderError(terminal, error, {
        ...own,
        verbose: options.verbose,
        showTrace: this.opts<{ showTrace?: boolean }>().showTrace ?? false,
      });
      process.exitCode = abort.signal.aborted ? 130 : exitCodeOf(error);
    } finally {
      progress.close();
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
      process.off("SIGHUP", interrupt);
    }
  };
}
