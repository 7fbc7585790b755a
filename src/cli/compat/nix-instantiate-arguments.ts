/** The command line of `nix-instantiate`. */

import type { EvaluationArgument, EvaluationOutput } from "../../realise/evaluate.ts";

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
      --dry-run          write nothing
      --store URI        the store to write to
      --show-trace       show the whole trace of an error
      --option NAME VALUE
                         set a Nix option; those that evaluation does not know are ignored

Exit status: 0 on success, 1 for an error of the expression or the store, 2 for a wrong command line.`;

/** A command line that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

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
  readonly showTrace: boolean;
  readonly traceVerbose: boolean;
  readonly store: string | undefined;
  readonly addRoot: string | undefined;
  /** Values of Nix options, such as `max-call-depth`. */
  readonly options: ReadonlyMap<string, string>;
}

/** Flags without an argument that change nothing here. */
const IGNORED = new Set([
  "--indirect",
  "--quiet",
  "--verbose",
  "-v",
  "-vv",
  "-vvv",
  "-Q",
  "--no-build-output",
  "--keep-going",
  "-k",
  "--fallback",
  "--readonly-mode",
  "--repair",
  "--impure",
]);

/** Nix options that may also be given as `--NAME VALUE`. */
const OPTION_FLAGS = new Set([
  "max-call-depth",
  "extra-experimental-features",
  "experimental-features",
  "lint-short-path-literals",
  "lint-absolute-path-literals",
  "lint-url-literals",
  "log-format",
  "max-jobs",
  "cores",
  "eval-store",
  "timeout",
  "max-silent-time",
  "system",
]);

/** Nix options that may also be given as `--NAME` and `--no-NAME`. */
const BOOLEAN_OPTION_FLAGS = new Set(["show-trace", "trace-verbose", "pure-eval", "eval-cache", "abort-on-warn"]);

export function parseArguments(argv: readonly string[]): ParsedArguments {
  const inputs: string[] = [];
  const attrPaths: string[] = [];
  const args: Record<string, EvaluationArgument> = {};
  const searchPath: string[] = [];
  const options = new Map<string, string>();
  const flags = new Set<string>();
  let store: string | undefined;
  let addRoot: string | undefined;
  let at = 0;
  const next = (flag: string): string => {
    const value = argv[at++];
    if (value === undefined) throw new UsageError(`'${flag}' requires an argument; see nix-instantiate --help`);
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
      case "-I":
      case "--include":
        searchPath.push(next(flag));
        return true;
      case "--option":
        options.set(next(flag), next(flag));
        return true;
      case "--store":
        store = next(flag);
        return true;
      case "--add-root":
        addRoot = next(flag);
        return true;
      case "-j":
        next(flag);
        return true;
    }
    const name = flag.slice(2);
    if (OPTION_FLAGS.has(name)) options.set(name, next(flag));
    else if (BOOLEAN_OPTION_FLAGS.has(name)) options.set(name, "true");
    else if (BOOLEAN_OPTION_FLAGS.has(name.replace(/^no-/, ""))) options.set(name.slice("no-".length), "false");
    else return false;
    return true;
  };
  while (at < argv.length) {
    const argument = argv[at++]!;
    if (argument === "" || !argument.startsWith("-") || argument === "-") inputs.push(argument);
    else if (argument.startsWith("-I") && argument.length > 2) searchPath.push(argument.slice(2));
    else if (FLAGS.has(argument)) flags.add(FLAGS.get(argument)!);
    else if (!takeValue(argument) && !IGNORED.has(argument)) {
      throw new UsageError(`unrecognised flag '${argument}'; see nix-instantiate --help`);
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
    dryRun: flags.has("dry-run"),
    attrPaths,
    args,
    searchPath,
    showTrace: options.get("show-trace") === "true",
    traceVerbose: options.get("trace-verbose") === "true",
    store,
    addRoot,
    options,
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
]);

function outputOf(flags: ReadonlySet<string>): EvaluationOutput {
  if (flags.has("parse")) return "parse";
  if (!flags.has("eval")) return "drv";
  if (flags.has("raw")) return "raw";
  if (flags.has("xml")) return "xml";
  return flags.has("json") ? "json" : "value";
}
