/** The commands and global options of the `pristine` program; each command's work is loaded when it runs. */

import { Command } from "commander";
import { registerAdopt } from "./commands/adopt.ts";
import { registerBuild } from "./commands/build.ts";
import { registerBundle } from "./commands/bundle.ts";
import { registerCache } from "./commands/cache.ts";
import { registerDemo } from "./commands/demo.ts";
import { registerDeploy } from "./commands/deploy.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerDiff } from "./commands/diff.ts";
import { registerExec } from "./commands/exec.ts";
import { registerExport } from "./commands/export.ts";
import { registerFlake } from "./commands/flake.ts";
import { registerInit } from "./commands/init.ts";
import { registerInspect } from "./commands/inspect.ts";
import { registerLab } from "./commands/lab.ts";
import { registerLogs } from "./commands/logs.ts";
import { registerMesh } from "./commands/mesh.ts";
import { registerNixosModule } from "./commands/nixos-module.ts";
import { registerOption } from "./commands/option.ts";
import { registerProbe } from "./commands/probe.ts";
import { registerSecrets } from "./commands/secrets.ts";

declare const PRISTINE_VERSION: string;

/** The program, ready to parse arguments. */
export function makeProgram(): Command {
  const program = new Command("pristine")
    .description("Deploys machines as pure functions: declare hosts in the Nix language, and they become exactly that.")
    .version(typeof PRISTINE_VERSION === "string" ? PRISTINE_VERSION : "source", "--version", "print the version")
    .option("--fleet <file>", "the fleet file (default: fleet.nix, else flake.nix or hive.nix)")
    .option("--store <uri>", "the local store: auto, local, local?root=DIRECTORY", "auto")
    .option("--lab", "act on the hosts of the fleet's local lab instead of the real ones", false)
    .option("--lab-name <name>", "the same for a lab of another name")
    .option("--ssh-config <file>", "an OpenSSH configuration to use instead of yours")
    .option("--sudo-password-file <file>", "a file with the password for sudo, - for standard input, instead of asking")
    .option("--show-commands", "show each command that runs for a host, and where", false)
    .option("--json", "print one JSON value for programs", false)
    .option("--verbose", "show causes of errors and timelines of all hosts", false)
    .option("--no-cache", "evaluate anew, without remembered results and the resident process")
    .option("--no-color", "plain text (NO_COLOR is honoured too)")
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText("after", "\nStart with 'pristine init', or see it all run on this machine: 'pristine demo'.");

  registerInit(program);
  registerBuild(program);
  registerFlake(program);
  registerOption(program);
  registerAdopt(program);
  registerExport(program);
  registerProbe(program);
  registerSecrets(program);
  registerMesh(program);
  registerNixosModule(program);
  registerDeploy(program);
  registerBundle(program);
  registerInspect(program);
  registerDiff(program);
  registerExec(program);
  registerLogs(program);
  registerLab(program);
  registerCache(program);
  registerDemo(program);
  registerCompletion(program);

  // Commander prints its own errors; only the exit status is ours. Subcommands inherit the override.
  for (const command of [...program.commands, ...program.commands.flatMap((group) => group.commands)])
    command.exitOverride();
  return program;
}
