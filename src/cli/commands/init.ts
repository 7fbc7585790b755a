/** `pristine init`: a fleet to start from. */

import type { Command } from "commander";
import { OperationError } from "../../base/errors.ts";
import { quotePosix } from "../../base/shell-words.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { collect } from "../host-option.ts";
import { action, type Session } from "../session.ts";

interface InitCommandOptions {
  readonly template?: string;
  readonly newKey?: boolean;
  readonly from: readonly string[];
  readonly probe: boolean;
}

export function registerInit(program: Command): void {
  program
    .command("init")
    .summary("write a fleet to start from")
    .description(
      "Writes a short commented fleet.nix, one file per host, a shared module and a .gitignore into DIRECTORY. Your ssh public keys go to keys/operator.pub, from where the hosts let you in as root; without any, a key pair is made. With --from, writes a fleet.nix for hosts that are there: ssh hosts ([NAME=][ssh://][USER@]ADDRESS[:PORT]), those of an Ansible inventory (INI or YAML), of a Colmena hive (hive.nix) or of a flake. Hosts are looked at as 'probe' does, which changes nothing on them. An existing file is never overwritten.",
    )
    .argument("[directory]", "where to write", ".")
    .option("--from <source>", "what to make the fleet from: a host for ssh, or a path; may be repeated", collect, [])
    .option("--no-probe", "with --from: contact no host")
    .option("--template <name>", "the example to start from: start (the default), shop")
    .option("--new-key", "make a key pair for this fleet, although you have one")
    .addHelpText(
      "after",
      `${exitCodesHelp({
        ok: "written",
        usage: "a file is in the way, a source cannot be read, or nothing can be written: nothing was",
        hostsFailed: "written, and a host was not reached, or stands there as a comment only",
      })}\n\nExamples:\n  pristine init shop --from root@db.example.org --from web=admin@192.0.2.7:2222\n  pristine init --from ./inventory/hosts.yml --no-probe\n  pristine init --from ./hive.nix`,
    )
    .action(
      action(async (session, directory: string, options: InitCommandOptions) => {
        const { template, newKey, from, probe } = options;
        if (from.length === 0 && !probe) throw new OperationError("USAGE", "--no-probe goes with --from");
        if (from.length === 0) return await initFromTemplate(session, directory, { template, newKey });
        if (template === undefined && newKey === undefined) return await initFromSources(session, directory, options);
        throw new OperationError(
          "USAGE",
          "--template and --new-key do not go with --from, whose hosts are there already",
        );
      }),
    );
}

async function initFromTemplate(
  session: Session,
  directory: string,
  options: { readonly template: string | undefined; readonly newKey: boolean | undefined },
): Promise<number> {
  const { initFleet } = await import("../../fleet/init.ts");
  const { terminal, signal } = session;
  const { written, madeKey } = await initFleet(directory, {
    template: options.template ?? "start",
    newKey: options.newKey ?? false,
    signal,
  });
  if (session.options.json) {
    terminal.out(JSON.stringify({ written }));
    return EXIT.ok;
  }
  for (const path of written) terminal.out(`  ${path}`);
  terminal.out(
    madeKey
      ? "\nkeys/operator is a new key pair: the hosts will let it in as root. Keep the private part to yourself."
      : "\nkeys/operator.pub holds your ssh public keys: the hosts will let them in as root.",
  );
  terminal.out(`
Next:
  ${inDirectory(directory)}pristine lock            # resolve and verify the Debian packages
  pristine lab up          # rehearse on this machine, in containers (needs root)
  pristine deploy --lab    # the same deployment that real hosts get`);
  return EXIT.ok;
}

async function initFromSources(session: Session, directory: string, options: InitCommandOptions): Promise<number> {
  const { initFleetFrom } = await import("../../fleet/init-from/init-from.ts");
  const { initializedFromRecord, renderInitializedFrom } = await import("../render/init-from.ts");
  const { probeDisplay } = await import("../render/probe.ts");
  const { terminal, signal, observer, progress } = session;
  const made = await initFleetFrom(directory, {
    sources: options.from,
    probes: options.probe,
    configFile: session.options.sshConfig,
    onCommand: observer.command,
    onProgress: probeDisplay(progress),
    signal,
  });
  if (session.options.json) terminal.out(JSON.stringify(initializedFromRecord(made)));
  else {
    for (const line of renderInitializedFrom(made, terminal)) terminal.out(line);
    terminal.out(`
Next:
  ${inDirectory(directory)}pristine lock    # resolve and verify the Debian packages
  pristine plan    # what a deployment would change`);
  }
  const isWhole =
    made.hosts.every(({ base, answer }) => base !== null && answer?.error === undefined) &&
    made.adopted.every(({ left }) => left.length === 0);
  return isWhole ? EXIT.ok : EXIT.hostsFailed;
}

function inDirectory(directory: string): string {
  return directory === "." ? "" : `cd ${quotePosix(directory)} && `;
}
