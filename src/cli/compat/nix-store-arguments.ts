/** The command line of `nix-store`: one operation, its flags, and what it is about. */

import type { GivenSetting } from "./nix-settings.ts";
import { settingNamed } from "./nix-setting-table.ts";
import { UsageError } from "./usage-error.ts";

export const STORE_USAGE = `Usage: nix-store OPERATION [OPTION]... [PATH]...
Looks into a store and changes it.
  -r, --realise PATH...      build derivations, or see that paths are there; prints the outputs
      --add FILE...          copy files and directories to the store
      --add-fixed [--recursive] ALGORITHM FILE...
      --print-fixed-path [--recursive] ALGORITHM HASH NAME
  -q, --query QUERY PATH...  --outputs, --requisites (-R), --references, --referrers, --referrers-closure, --deriver (-d),
                             --valid-derivers, --binding (-b) NAME, --hash, --size, --tree, --resolve, --roots;
                             with --use-output (-u), --force-realise (-f), --include-outputs
      --check-validity [--print-invalid] PATH...
      --delete PATH...       delete what nothing needs
      --gc [--print-roots|--print-live|--print-dead]
      --dump FILE, --restore FILE
                             between a file or directory and an archive on standard output or input
      --export PATH..., --import
      --verify [--check-contents], --verify-path PATH...
  -l, --read-log PATH...
      --init
With --store URI, --add-root PATH, --dry-run, --ignore-unknown, --no-output, --stdin, --option NAME VALUE.
Exit status: 0 on success, 1 for any error.`;

/** Operations by every way to name them. */
const OPERATIONS: Readonly<Record<string, string>> = {
  "--realise": "realise",
  "--realize": "realise",
  "-r": "realise",
  "--add": "add",
  "-A": "add",
  "--add-fixed": "add-fixed",
  "--print-fixed-path": "print-fixed-path",
  "--delete": "delete",
  "--query": "query",
  "-q": "query",
  "--read-log": "read-log",
  "-l": "read-log",
  "--check-validity": "check-validity",
  "--gc": "gc",
  "--dump": "dump",
  "--restore": "restore",
  "--export": "export",
  "--import": "import",
  "--init": "init",
  "--verify": "verify",
  "--verify-path": "verify-path",
  "--version": "version",
  "--help": "help",
};

const SWITCHES = new Set(["--no-output", "--stdin", "--no-gc-warning"]);

/** Flags without meaning here. */
const IGNORED = new Set(["--indirect", "--quiet", "--verbose", "-v", "--debug", "-Q", "--no-build-output"]);

export interface StoreCommand {
  readonly operation: string;
  readonly flags: readonly string[];
  readonly operands: readonly string[];
  readonly store: string | undefined;
  readonly addRoot: string | undefined;
  readonly hidesOutput: boolean;
  readonly hidesGcWarning: boolean;
  /** More operands come on standard input, in words. */
  readonly readsOperands: boolean;
  readonly settings: readonly GivenSetting[];
}

export function parseStoreCommand(argv: readonly string[]): StoreCommand {
  const flags: string[] = [];
  const operands: string[] = [];
  const settings: GivenSetting[] = [];
  const given: { operation?: string; store?: string; addRoot?: string } = {};
  const seen = new Set<string>();
  let at = 0;
  const next = (flag: string): string => {
    const value = argv[at++];
    if (value === undefined) throw new UsageError(`'${flag}' requires an argument`);
    return value;
  };
  while (at < argv.length) {
    const word = argv[at++]!;
    const operation = OPERATIONS[word];
    if (operation !== undefined) {
      if (given.operation !== undefined && given.operation !== operation) {
        throw new UsageError("only one operation may be specified");
      }
      given.operation = operation;
    } else if (!word.startsWith("-") || word === "-") operands.push(word);
    else if (word === "--store") given.store = next(word);
    else if (word === "--add-root") given.addRoot = next(word);
    else if (word === "--option") settings.push({ name: next(word), value: next(word), isOption: true });
    else if (word === "-j") settings.push({ name: "max-jobs", value: next(word) });
    else if (SWITCHES.has(word)) seen.add(word);
    else if (word === "--log-format") next(word);
    else if (/^-[A-Za-z]{2,}$/.test(word)) {
      argv = [...Array.from(word.slice(1), (letter) => `-${letter}`), ...argv.slice(at)];
      at = 0;
    } else if (!IGNORED.has(word) && !takeSetting(word, settings, next)) flags.push(word);
  }
  if (given.operation === undefined) throw new UsageError("no operation specified");
  return {
    operation: given.operation,
    flags,
    operands,
    store: given.store,
    addRoot: given.addRoot,
    hidesOutput: seen.has("--no-output"),
    hidesGcWarning: seen.has("--no-gc-warning"),
    readsOperands: seen.has("--stdin"),
    settings,
  };
}

function takeSetting(word: string, settings: GivenSetting[], next: (flag: string) => string): boolean {
  const name = word.slice("--".length);
  const setting = word.startsWith("--") ? settingNamed(name) : undefined;
  if (setting === undefined) {
    const switched = name.startsWith("no-") ? name.slice("no-".length) : "";
    if (settingNamed(switched)?.kind !== "boolean") return false;
    settings.push({ name: switched, value: "false" });
    return true;
  }
  settings.push({ name, value: setting.kind === "boolean" ? "true" : next(word) });
  return true;
}
