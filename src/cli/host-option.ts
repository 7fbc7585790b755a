/** Options that several commands share: which hosts are meant, and values that may be given several times. */

import { Option } from "commander";

/** `--on`, which picks hosts. */
export function onOption(): Option {
  return new Option("--on <patterns>", "hosts: names, globs, @tags, separated by commas")
    .argParser(collect)
    .default([], "all");
}

/** Adds one more value of a repeatable option. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
