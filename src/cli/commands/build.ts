/** `pristine lock` and `build`: from the fleet file to store paths, without touching a host. */

import { type Command, Option } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { OperationError } from "../../base/errors.ts";
import { addLockOptions, isInstallable, type LockOptions, selectRequest } from "../flake-options.ts";
import { action, type Session } from "../session.ts";
import { collect, onOption } from "../host-option.ts";
import { registerEval } from "./eval.ts";
import { registerRepl } from "./repl.ts";

/** More changes than this are only counted. */
const LISTED_MAX = 30;

export function registerBuild(program: Command): void {
  program
    .command("lock")
    .summary("resolve and verify the Debian packages that the fleet uses")
    .description(
      "Finds the packages that the fleet's hosts need, resolves them with their dependencies against the Debian suite (verified from the archive key down: InRelease signature, index hash, package hash), and writes pristine.lock beside the fleet file. Commit the lock with the fleet; run this again after naming a new package, and to take in security updates.\n\n" +
        "The mirror is the one that apt on this machine uses, or PRISTINE_DEBIAN_MIRROR.",
    )
    .addOption(
      new Option("--architecture <name>", "also lock for this architecture: amd64 or arm64")
        .argParser(collect)
        .default([], "those of the hosts"),
    )
    .option("--offline", "use only indexes that were fetched before")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "the lock is written or was up to date",
        usage: "a package is unknown, a signature or hash is wrong, the mirror cannot be reached",
      }),
    )
    .action(
      action(async (session, options: { architecture: string[]; offline?: boolean }) => {
        const { lockFleet } = await import("../../fleet/lock.ts");
        const { renderLockEvent } = await import("../render/lock.ts");
        const { renderBytes } = await import("../../base/quantities.ts");
        const { progress, terminal } = session;
        const result = await lockFleet(session.fleetFile, {
          signal: session.signal,
          architectures: options.architecture,
          offline: options.offline ?? false,
          onEvent: (event) => renderLockEvent(progress, event),
        });
        const sizes = Object.entries(result.packages).map(
          ([architecture, count]) =>
            `${count} packages for ${architecture} (${renderBytes(result.bytes[architecture] ?? 0)})`,
        );
        progress.done(
          "lock",
          `${sizes.join(", ")}; ${result.changes.length === 0 ? "nothing changed" : `${result.changes.length} changed`}`,
        );
        if (session.options.json) terminal.out(JSON.stringify(result));
        else if (result.changes.length <= LISTED_MAX) {
          for (const { name, from, to } of result.changes)
            terminal.out(`  ${name} ${from ?? "(new)"} → ${to ?? "(gone)"}`);
        }
        return EXIT.ok;
      }),
    );

  registerEval(program);
  registerRepl(program);

  const build = program
    .command("build")
    .summary("build the systems of hosts, or outputs of flakes")
    .description(
      "Evaluates and builds the systems of hosts into the local store, and prints their store paths. A word with a # or the path or URL of a flake names outputs of a flake instead.",
    )
    .argument("[hosts...]", "host names, globs or @tags (default: all), or outputs of flakes: FLAKE#ATTRIBUTE")
    .addOption(onOption());
  addLockOptions(build)
    .option("--impure", "evaluate flakes with environment, time and files")
    .option("--show-trace", "show the whole trace of an error")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "built",
        usage: "evaluation or the build failed for every host",
        hostsFailed: "it failed for some hosts; the others' systems are built",
      }),
    )
    .action(
      action(async (session, names: string[], options: BuildOptions) => {
        if (names.some(isInstallable)) return await buildInstallables(session, names, options);
        return await buildHosts(session, names, options);
      }),
    );
}

interface BuildOptions extends LockOptions {
  readonly on: string[];
  readonly impure?: boolean;
  readonly showTrace?: boolean;
}

/** Builds the systems of hosts: what is wrong with one of them keeps no other from being built. */
async function buildHosts(session: Session, names: readonly string[], { on }: BuildOptions): Promise<number> {
  const { buildEach } = await import("../../library/build.ts");
  const { openContext, outputsOf } = await import("../../library/context.ts");
  const { errorRecordOf } = await import("../render/plan.ts");
  const { safeText } = await import("../../base/safe-text.ts");
  const context = await openContext(session, { hosts: [...names, ...on], systems: true, keepGoing: true });
  const evaluated = context.hosts.filter(({ name }) => !context.failed.has(name));
  const outputs = new Map(evaluated.map((host) => [host.name, outputsOf(context, host)]));
  const drvPaths = [...outputs.values()].flat().map(({ drvPath }) => drvPath);
  // For one system alone nothing else is worth building once something has failed.
  const unbuilt = await buildEach(session, context, drvPaths, { keepGoing: new Set(drvPaths).size > 1 });
  const failed = new Map<string, Error>(context.failed);
  for (const [host, made] of outputs) {
    const [error] = made.flatMap(({ drvPath }) => unbuilt.get(drvPath) ?? []);
    if (error !== undefined) failed.set(host, error);
  }
  const built = [...outputs].filter(([host]) => !failed.has(host));
  const [first] = unbuilt.values();
  if (first !== undefined && built.length === 0 && context.failed.size === 0) throw first;
  const { options, progress, terminal } = session;
  for (const [host, error] of failed) {
    if (!(error instanceof OperationError)) throw error;
    progress.done(host, `${safeText(error.message)} [${error.code}]`, "failed");
  }
  if (options.json) {
    const hosts = built.map(([host, [{ drvPath, outPath: path }, ...profiles]]) => ({
      host,
      drvPath,
      path,
      ...(profiles.length === 0 ? {} : { profiles: profiles.map(({ outPath }) => outPath) }),
    }));
    const errors = [...failed].map(([host, error]) => ({ host, error: errorRecordOf(error as OperationError) }));
    terminal.out(JSON.stringify({ hosts: [...hosts, ...errors] }));
  } else for (const [host, [{ outPath }]] of built) terminal.out(`${terminal.colors.bold(host)} ${outPath}`);
  return failed.size === 0 ? EXIT.ok : built.length === 0 ? EXIT.usage : EXIT.hostsFailed;
}

/** Builds outputs of flakes and prints their store paths. */
async function buildInstallables(session: Session, words: readonly string[], options: BuildOptions): Promise<number> {
  const hosts = words.filter((word) => !isInstallable(word));
  if (hosts.length > 0 || options.on.length > 0) {
    throw new OperationError("USAGE", "hosts and outputs of flakes cannot be built in one command");
  }
  const { buildFlakeOutput } = await import("../flake-build.ts");
  const built: Awaited<ReturnType<typeof buildFlakeOutput>>[number][] = [];
  for (const word of words) built.push(...(await buildFlakeOutput(session, selectRequest(word, options), options)));
  if (session.options.json) session.terminal.out(JSON.stringify({ outputs: built }));
  else for (const { path } of built) session.terminal.out(path);
  return EXIT.ok;
}
