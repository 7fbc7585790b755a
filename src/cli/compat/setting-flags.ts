/** Nix's settings as flags of a command line: `--NAME VALUE`, `--NAME` and `--no-NAME`, `--extra-NAME VALUE`. */

import { settingNamed } from "./nix-setting-table.ts";
import type { GivenSetting } from "./nix-settings.ts";

/** The setting that a flag gives, or `undefined` when it is none; `next` takes the word after it. */
export function settingOfFlag(flag: string, next: (flag: string) => string): GivenSetting | undefined {
  if (!flag.startsWith("--")) return undefined;
  const name = flag.slice("--".length);
  const setting = settingNamed(name);
  if (setting?.kind === "boolean") return { name, value: "true" };
  if (setting !== undefined) return { name, value: next(flag) };
  if (name.startsWith("no-") && settingNamed(name.slice("no-".length))?.kind === "boolean") {
    return { name: name.slice("no-".length), value: "false" };
  }
  if (name.startsWith("extra-") && settingNamed(name.slice("extra-".length))?.kind === "list") {
    return { name, value: next(flag) };
  }
  return undefined;
}
