/** What `nix` does: find the subcommand, run it, report. */

import { NIX_VERSION } from "../../language/nix-version.ts";
import { guardOutput } from "../render/terminal.ts";
import { endOnInterrupt, runCompatProgram } from "./compat-program.ts";
import { joinCommandLines, parseCommandLine } from "./nix-command-line.ts";
import { UsageError } from "./usage-error.ts";

const USAGE = `Usage: nix [OPTION]... COMMAND [ARGUMENT]...

The part of the nix program that Pristine's evaluator serves.

  eval [ATTRIBUTE]   print the value of --expr EXPR or --file PATH
  eval [FLAKE#NAME]  print an output of a flake
  flake COMMAND      check, init, lock, metadata, show, update
  hash COMMAND       convert, file, path, to-base16, to-base32, to-base64, to-sri
  repl               evaluate expressions interactively

Options of eval and repl:
  --expr EXPR, -f, --file PATH       what to evaluate
  --arg NAME EXPR, --argstr NAME TEXT, --arg-from-file NAME PATH, --arg-from-stdin NAME
                                     an argument for functions on the way
  -I, --include PATH                 add to the search path
  --impure                           see the environment and all files
  --read-only                        write nothing to the store
  --show-trace                       show the whole trace of an error
Options of eval:
  --json, --raw, --pretty            the form of the output
  --apply EXPR                       call this function with the value
  --write-to PATH                    write a string, or a set of strings, as files
Options of flake:
  --json, --all-systems, --legacy    what show and metadata print
  --no-build                         check evaluates only
  --flake FLAKE, -t TEMPLATE         what update locks and init writes

Exit status: 0 on success, 1 for an error.
`;

/** Commands of nix that are not here, and what to use. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  build: "'pristine build' builds systems, 'nix-instantiate' makes derivations",
  copy: "'pristine deploy' copies what it deploys",
  log: "':log' of 'pristine repl' shows the log of a build",
  "path-info": "use a real nix on the same store",
  store: "use a real nix on the same store",
};

const KNOWN = new Set([
  ..."app bundle config daemon derivation develop dump-path edit env fmt formatter help key nar".split(" "),
  ..."print-dev-env profile realisation registry run search shell upgrade-nix why-depends".split(" "),
]);

export async function main(): Promise<number> {
  guardOutput();
  return await runCompatProgram("nix", async (abort) => {
    const outer = parseCommandLine(process.argv.slice(2), {}, { stopsAtWord: true });
    const command = outer.words[0];
    // A session is not ended by Ctrl-C, only what it is doing.
    if (command !== "repl") endOnInterrupt(abort);
    if (outer.flags.has("--version")) process.stdout.write(`nix (Nix) ${NIX_VERSION}\n`);
    else if (outer.flags.has("--help")) process.stdout.write(USAGE);
    else if (command === "eval") {
      const { EVAL_FLAGS, runNixEval } = await import("./nix-eval.ts");
      const line = joinCommandLines(outer, parseCommandLine(outer.rest, EVAL_FLAGS));
      if (line.flags.has("--help")) process.stdout.write(USAGE);
      else await runNixEval(line, abort.signal);
    } else if (command === "flake") {
      const { FLAKE_FLAGS, runNixFlake } = await import("./nix-flake.ts");
      const line = joinCommandLines(outer, parseCommandLine(outer.rest, FLAKE_FLAGS));
      if (line.flags.has("--help")) process.stdout.write(USAGE);
      else await runNixFlake(line, abort.signal);
    } else if (command === "repl") {
      const { REPL_FLAGS, runNixRepl } = await import("./nix-repl.ts");
      const line = joinCommandLines(outer, parseCommandLine(outer.rest, REPL_FLAGS));
      if (line.flags.has("--help")) process.stdout.write(USAGE);
      else await runNixRepl(line, NIX_VERSION, abort.signal);
    } else if (command === "hash") {
      const { runNixHash } = await import("./nix-hash.ts");
      await runNixHash(outer.rest);
    } else refuse(command);
    return undefined;
  });
}

function refuse(command: string | undefined): never {
  if (command === undefined) throw new UsageError("no subcommand specified");
  const instead = ELSEWHERE[command];
  if (instead === undefined && !KNOWN.has(command)) {
    throw new UsageError(`'${command}' is not a recognised command`);
  }
  throw new Error(`'nix ${command}' is not part of Pristine${instead === undefined ? "" : `: ${instead}`}`);
}
