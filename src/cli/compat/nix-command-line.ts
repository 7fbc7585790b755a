/** Command lines as `nix` reads them: flags anywhere, each with as many arguments as it takes. */

/** A command line that makes no sense; Nix says so with a pointer to its help. */
export class NixUsageError extends Error {
  override readonly name = "NixUsageError";
}

export interface FlagTable {
  /** By long name with its dashes, or short: how many arguments follow. */
  readonly [flag: string]: number;
}

export interface CommandLine {
  readonly words: readonly string[];
  /** What each flag was given with, in order, by its long name. */
  readonly flags: ReadonlyMap<string, readonly (readonly string[])[]>;
  /** Nix settings (`--option NAME VALUE`, `--NAME VALUE`, `--NAME`, `--no-NAME`). */
  readonly settings: ReadonlyMap<string, string>;
  /** What follows the first word, when reading stopped there. */
  readonly rest: readonly string[];
}

const SHORT: Readonly<Record<string, string>> = {
  "-f": "--file",
  "-I": "--include",
  "-h": "--help",
  "-v": "--verbose",
  "-L": "--print-build-logs",
  "-j": "--max-jobs",
};

/** Flags of every command; what they ask for beyond settings is nothing here. */
const COMMON: FlagTable = {
  "--help": 0,
  "--version": 0,
  "--verbose": 0,
  "--quiet": 0,
  "--debug": 0,
  "--offline": 0,
  "--refresh": 0,
  "--print-build-logs": 0,
  "--option": 2,
  "--log-format": 1,
  "--store": 1,
};

const VALUE_SETTINGS = new Set([
  "cores",
  "eval-profile-file",
  "eval-profiler",
  "eval-profiler-frequency",
  "experimental-features",
  "extra-experimental-features",
  "max-call-depth",
  "max-jobs",
  "nix-path",
  "substituters",
  "system",
  "timeout",
]);

const BOOLEAN_SETTINGS = new Set([
  "abort-on-warn",
  "accept-flake-config",
  "allow-import-from-derivation",
  "eval-cache",
  "fallback",
  "keep-going",
  "pure-eval",
  "restrict-eval",
  "show-trace",
  "trace-verbose",
  "warn-dirty",
]);

/** Reads a command line; with `stopsAtWord`, what follows the first word is left for the command it names. */
export function parseCommandLine(
  argv: readonly string[],
  table: FlagTable,
  options: { readonly stopsAtWord?: boolean } = {},
): CommandLine {
  const words: string[] = [];
  const flags = new Map<string, string[][]>();
  const settings = new Map<string, string>();
  let at = 0;
  const take = (flag: string, count: number): string[] => {
    const values = argv.slice(at, at + count);
    at += count;
    if (values.length < count) throw new NixUsageError(`flag '${flag}' requires ${count} argument(s)`);
    return values;
  };
  while (at < argv.length) {
    const word = argv[at++]!;
    if (word === "--") {
      words.push(...argv.slice(at));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      words.push(word);
      if (options.stopsAtWord === true) break;
      continue;
    }
    const flag = SHORT[word] ?? word;
    const count = table[flag] ?? COMMON[flag];
    const name = flag.slice("--".length);
    if (flag === "--option") {
      const [setting = "", value = ""] = take(flag, 2);
      settings.set(setting, value);
    } else if (flag === "--refresh") settings.set("tarball-ttl", "0");
    else if (count !== undefined) flags.set(flag, [...(flags.get(flag) ?? []), take(flag, count)]);
    else if (VALUE_SETTINGS.has(name)) settings.set(name, take(flag, 1)[0]!);
    else if (BOOLEAN_SETTINGS.has(name)) settings.set(name, "true");
    else if (BOOLEAN_SETTINGS.has(name.replace(/^no-/, ""))) settings.set(name.slice("no-".length), "false");
    else throw new NixUsageError(`unrecognised flag '${word}'`);
  }
  return { words, flags, settings, rest: argv.slice(at) };
}

/** The settings and flags of a command after those of the program that names it. */
export function joinCommandLines(outer: CommandLine, inner: CommandLine): CommandLine {
  const flags = new Map(outer.flags);
  for (const [flag, given] of inner.flags) flags.set(flag, [...(flags.get(flag) ?? []), ...given]);
  return { ...inner, flags, settings: new Map([...outer.settings, ...inner.settings]) };
}

/** The last value of a flag that takes one. */
export function lastValue(line: CommandLine, flag: string): string | undefined {
  return line.flags.get(flag)?.at(-1)?.[0];
}
