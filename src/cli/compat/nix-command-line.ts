/** Command lines as `nix` reads them: flags anywhere, each with as many arguments as it takes. */

import type { GivenSetting } from "./nix-settings.ts";
import { settingOfFlag } from "./setting-flags.ts";
import { UsageError } from "./usage-error.ts";

export interface FlagTable {
  /** By long name with its dashes, or short: how many arguments follow. */
  readonly [flag: string]: number;
}

export interface CommandLine {
  readonly words: readonly string[];
  /** What each flag was given with, in order, by its long name. */
  readonly flags: ReadonlyMap<string, readonly (readonly string[])[]>;
  /** Nix's settings in the order they are given. */
  readonly settings: readonly GivenSetting[];
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
  "-t": "--template",
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

/** Reads a command line; with `stopsAtWord`, what follows the first word is left for the command it names. */
export function parseCommandLine(
  argv: readonly string[],
  table: FlagTable,
  options: { readonly stopsAtWord?: boolean } = {},
): CommandLine {
  const words: string[] = [];
  const flags = new Map<string, string[][]>();
  const settings: GivenSetting[] = [];
  let at = 0;
  const take = (flag: string, count: number): string[] => {
    const values = argv.slice(at, at + count);
    at += count;
    if (values.length < count) throw new UsageError(`flag '${flag}' requires ${count} argument(s)`);
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
    if (flag === "--option") {
      const [setting = "", value = ""] = take(flag, 2);
      settings.push({ name: setting, value, isOption: true });
    } else if (flag === "--refresh") settings.push({ name: "tarball-ttl", value: "0" });
    else if (count !== undefined) flags.set(flag, [...(flags.get(flag) ?? []), take(flag, count)]);
    else {
      const setting = settingOfFlag(flag, () => take(flag, 1)[0]!);
      if (setting === undefined) throw new UsageError(`unrecognised flag '${word}'`);
      settings.push(setting);
    }
  }
  return { words, flags, settings, rest: argv.slice(at) };
}

/** The settings and flags of a command after those of the program that names it. */
export function joinCommandLines(outer: CommandLine, inner: CommandLine): CommandLine {
  const flags = new Map(outer.flags);
  for (const [flag, given] of inner.flags) flags.set(flag, [...(flags.get(flag) ?? []), ...given]);
  return { ...inner, flags, settings: [...outer.settings, ...inner.settings] };
}

/** The last value of a flag that takes one. */
export function lastValue(line: CommandLine, flag: string): string | undefined {
  return line.flags.get(flag)?.at(-1)?.[0];
}
