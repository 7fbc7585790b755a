/** `pristine lock`, `eval` and `build`: from the fleet file to store paths, without touching a host. */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";
import { collect, onOption } from "../host-option.ts";

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
        const { renderLockEvent } = await import("../render/build.ts");
        const { renderBytes } = await import("../render/table.ts");
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

  program
    .command("eval")
    .summary("evaluate a Nix expression, or look into the fleet")
    .description(
      "Evaluates an expression and prints its value. Without --expr or --file the expression is the fleet, which has the attributes hosts.NAME.config, hosts.NAME.options, hosts.NAME.system, inventory and meta. A value is printed as far as it has been evaluated; --strict evaluates all of it.",
    )
    .argument("[attribute]", "an attribute path")
    .option("-E, --expr <expression>", "evaluate this expression")
    .option("-f, --file <path>", "evaluate this file")
    .option("--strict", "evaluate the whole value")
    .option("--raw", "print a string without quotes")
    .option("--show-trace", "show the whole trace of an error")
    .addHelpText(
      "after",
      `${exitCodesHelp({ ok: "evaluated", usage: "the expression is wrong" })}\n\nExample:\n  pristine eval hosts.web1.config.networking.hostName`,
    )
    .action(
      action(
        async (
          session,
          attribute: string | undefined,
          options: { expr?: string; file?: string; strict?: boolean; raw?: boolean; showTrace?: boolean },
        ) => {
          const { evaluate } = await import("../../realise/evaluate.ts");
          const { fleetExpression, nixString } = await import("../../fleet/inventory.ts");
          const expression =
            options.expr ??
            (options.file === undefined
              ? fleetExpression(session.fleetFile)
              : `import (/. + ${nixString(resolve(options.file))})`);
          const result = await evaluate(
            {
              expression,
              baseDir: process.cwd(),
              ...(attribute === undefined ? {} : { attrPath: attribute }),
              output: session.options.json ? "json" : options.raw === true ? "raw" : "value",
              strict: options.strict ?? session.options.json,
              showTrace: options.showTrace ?? false,
            },
            session.signal,
          );
          session.terminal.out(result.text);
          return EXIT.ok;
        },
      ),
    );

  program
    .command("build")
    .summary("build the systems of hosts")
    .description("Evaluates and builds the systems of hosts into the local store, and prints their store paths.")
    .argument("[hosts...]", "host names, globs or @tags (default: all)")
    .addOption(onOption())
    .addHelpText("after", exitCodesHelp({ ok: "built", usage: "evaluation or a build failed" }))
    .action(
      action(async (session, names: string[], options: { on: string[] }) => {
        const { openFleet, build, systemOf } = await import("../fleet-context.ts");
        const context = await openFleet(session, names, { on: options.on, systems: true });
        await build(
          session,
          context,
          context.hosts.map((host) => systemOf(context, host).drvPath),
        );
        const built = context.hosts.map((host) => ({
          host: host.name,
          drvPath: systemOf(context, host).drvPath,
          path: systemOf(context, host).outPath,
        }));
        if (session.options.json) session.terminal.out(JSON.stringify({ hosts: built }));
        else for (const { host, path } of built) session.terminal.out(`${session.terminal.colors.bold(host)} ${path}`);
        return EXIT.ok;
      }),
    );
}
