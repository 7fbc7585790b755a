/** The command line of `nix-instantiate`. */

import type { EvaluationArgument, EvaluationOutput } from "../../realise/evaluate.ts";
import type { GivenSetting } from "./nix-settings.ts";
import { settingOfFlag } from "./setting-flags.ts";
import { UsageError } from "./usage-error.ts";

export const USAGE = `Usage: nix-instantiate [OPTION]... [FILE]...

Evaluates Nix expressions, and writes the derivations they stand for to the store.

  -E, --expr             the arguments are expressions, not files
  -A, --attr PATH        take this attribute (may be given more than once)
      --arg NAME EXPR    an argument for a function at the top, as an expression
      --argstr NAME TEXT an argument for a function at the top, as a string
  -I PATH                add PREFIX=PATH or a directory to the search path
      --eval             print the value instead of instantiating derivations
      --strict           evaluate the value deeply
      --json, --xml, --raw
                         print the value in this form
      --no-location      leave positions out of --xml
      --parse            print the parsed expression
      --find-file        print where <FILE> is found
      --read-write-mode  allow --eval to write to the store
      --dry-run, --readonly-mode
                         write nothing
      --store URI        the store to write to
      --show-trace       show the whole trace of an error
      --option NAME VALUE
                         set a Nix option; those that evaluation does not know are ignored

Exit status: 0 on success, 1 for an error of the expression or the store, 2 for a wrong command line.`;

export interface ParsedArguments {
  readonly help: boolean;
  readonly version: boolean;
  /** Files, expressions or names to find; `-` stands for standard input. */
  readonly inputs: readonly string[];
  readonly areExpressions: boolean;
  readonly readStdin: boolean;
  readonly output: EvaluationOutput;
  readonly findFile: boolean;
  readonly strict: boolean;
  readonly hidePlaces: boolean;
  readonly readWrite: boolean;
  readonly dryRun: boolean;
  readonly attrPaths: readonly string[];
  readonly args: Readonly<Record<string, EvaluationArgument>>;
  readonly searchPath: readonly string[];
  readonly store: string | undefined;
  readonly addRoot: string | undefined;
  readonly hidesGcWarning: boolean;
  /** Nix's settings in the order they are given. */
  readonly settings: readonly GivenSetting[];
  /** Arguments that are the texts of files, by their names. */
  readonly fileArgs: Readonly<Record<string, string>>;
}

/** Flags without an argument that change nothing here. */
const IGNORED = new Set([
  "--indirect",
  "--quiet",
  "--verbose",
  "-v",
  "--debug",
  "-Q",
  "--no-build-output",
  "-K",
  "-k",
  "--repair",
]);

/** Flags that are not settings and whose values change nothing here, by how many those are. */
const IGNORED_VALUES: Readonly<Record<string, number>> = {
  "--log-format": 1,
  "--eval-store": 1,
  "--override-flake": 2,
};

export function parseArguments(given: readonly string[]): ParsedArguments {
  let argv = given;
  const inputs: string[] = [];
  const attrPaths: string[] = [];
  const args: Record<string, EvaluationArgument> = {};
  const searchPath: string[] = [];
  const settings: GivenSetting[] = [];
  const fileArgs: Record<string, string> = {};
  const flags = new Set<string>();
  let store: string | undefined;
  let addRoot: string | undefined;
  let at = 0;
  const next = (flag: string): string => {
    const value = argv[at++];
    if (value === undefined) throw new UsageError(`'${flag}' requires an argument`);
    return value;
  };
  const takeValue = (flag: string): boolean => {
    switch (flag) {
      case "-A":
      case "--attr":
        attrPaths.push(next(flag));
        return true;
      case "--arg":
        args[next(flag)] = { expr: next(flag) };
        return true;
      case "--argstr":
        args[next(flag)] = { string: next(flag) };
        return true;
      case "--arg-from-file":
        fileArgs[next(flag)] = next(flag);
        return true;
      case "--arg-from-stdin":
        fileArgs[next(flag)] = "/dev/stdin";
        return true;
      case "--debugger":
        throw new UsageError("the debugger is not available");
      case "--impure":
        settings.push({ name: "pure-eval", value: "false" });
        return true;
      case "-I":
      case "--include":
        searchPath.push(next(flag));
        return true;
      case "--option":
        settings.push({ name: next(flag), value: next(flag), isOption: true });
        return true;
      case "--store":
        store = next(flag);
        return true;
      case "--add-root":
        addRoot = next(flag);
        return true;
      case "-j":
        settings.push({ name: "max-jobs", value: next(flag) });
        return true;
    }
    if (Object.hasOwn(IGNORED_VALUES, flag)) {
      for (let count = IGNORED_VALUES[flag]!; count > 0; count--) next(flag);
      return true;
    }
    const setting = settingOfFlag(flag, next);
    if (setting !== undefined) settings.push(setting);
    return setting !== undefined;
  };
  while (at < argv.length) {
    const argument = argv[at++]!;
    if (argument === "" || !argument.startsWith("-") || argument === "-") inputs.push(argument);
    else if (argument.startsWith("-I") && argument.length > 2) searchPath.push(argument.slice(2));
    else if (FLAGS.has(argument)) flags.add(FLAGS.get(argument)!);
    else if (/^-[A-Za-z]{2,}$/.test(argument)) {
      // Several short flags in one word.
      argv = [...Array.from(argument.slice(1), (letter) => `-${letter}`), ...argv.slice(at)];
      at = 0;
    } else if (!takeValue(argument) && !IGNORED.has(argument)) {
      throw new UsageError(`unrecognised flag '${argument}'`);
    }
  }
  return {
    help: flags.has("help"),
    version: flags.has("version"),
    inputs: inputs.filter((input) => input !== "-"),
    areExpressions: flags.has("expr"),
    readStdin: inputs.includes("-"),
    output: outputOf(flags),
    findFile: flags.has("find-file"),
    strict: flags.has("strict"),
    hidePlaces: flags.has("no-location"),
    readWrite: flags.has("read-write-mode"),
    // Nix has both names for writing nothing.
    dryRun: flags.has("dry-run") || flags.has("readonly"),
    attrPaths,
    args,
    searchPath,
    store,
    addRoot,
    hidesGcWarning: flags.has("no-gc-warning"),
    settings,
    fileArgs,
  };
}

const FLAGS: ReadonlyMap<string, string> = new Map([
  ["--help", "help"],
  ["-h", "help"],
  ["--version", "version"],
  ["-E", "expr"],
  ["--expr", "expr"],
  ["--eval", "eval"],
  ["--eval-only", "eval"],
  ["--parse", "parse"],
  ["--parse-only", "parse"],
  ["--find-file", "find-file"],
  ["--strict", "strict"],
  ["--json", "json"],
  ["--xml", "xml"],
  ["--raw", "raw"],
  ["--no-location", "no-location"],
  ["--read-write-mode", "read-write-mode"],
  ["--dry-run", "dry-run"],
  ["--readonly-mode", "readonly"],
  ["--no-gc-warning", "no-gc-warning"],
]);

function outputOf(flags: ReadonlySet<string>): EvaluationOutput {
  if (flags.has("parse")) return "parse";
  if (!flags.has("eval")) return "drv";
  if (flags.has("raw")) return "raw";
  if (flags.has("xml")) return "xml";
  return flags.has("json") ? "json" : "value";
}
