/**
 * The entry by which systemd-boot or GRUB boots a system, as each calls it, and GRUB's environment block, in which the
 * entry of the next boot is named.
 */

import { BOOT_PLACES, bootedBy } from "./boot-default.ts";
import type { SystemTree } from "./system-object.ts";

/** Files of entries that count the tries of a boot have the counter in their names, but not in what they are called. */
const TRIES = /\+\d+(?:-\d+)?(?=\.conf$)/;

export function systemdBootEntryOf(files: SystemTree, system: string): string | undefined {
  for (const place of BOOT_PLACES) {
    const directory = `${place}/loader/entries`;
    const name = files
      .list(directory)
      ?.find((entry) => entry.endsWith(".conf") && bootedBy(files.readFile(`${directory}/${entry}`) ?? "") === system);
    if (name !== undefined) return name.replace(TRIES, "");
  }
  return undefined;
}

const BLOCK_BEGIN = /^\s*(?:(menuentry|submenu)\s+(["'])(.*?)\2)?.*\{\s*$/;
const BLOCK_END = /^\s*\}\s*$/;

/**
 * What `next_entry` is set to for a system: titles, from the outermost menu inwards. Undefined when there is no entry, or
 * none that is booted without somebody who types a password.
 */
export function grubEntryOf(config: string, system: string): string | undefined {
  const isGuarded = /^\s*set superusers=/m.test(config);
  const blocks: { readonly title: string | undefined; readonly isOpen: boolean }[] = [];
  for (const line of config.split("\n")) {
    const begin = BLOCK_BEGIN.exec(line);
    if (begin !== null) blocks.push({ title: begin[3], isOpen: !isGuarded || /\s--unrestricted\b/.test(line) });
    else if (BLOCK_END.test(line)) blocks.pop();
    else if (blocks.at(-1)?.isOpen === true && bootedBy(line) === system) {
      const titles = blocks.flatMap(({ title }) => title ?? []);
      if (titles.length === blocks.length) return titles.map((title) => title.replaceAll(">", ">>")).join(">");
    }
  }
  return undefined;
}

/** Whether GRUB looks at `next_entry` at all, and forgets it then. */
export function honoursNextEntry(config: string): boolean {
  return /^\s*set default=["']?\$\{next_entry\}["']?\s*$/m.test(config) && /^\s*save_env next_entry\s*$/m.test(config);
}

const ENVIRONMENT_HEADER = "# GRUB Environment Block";
const ENVIRONMENT_BYTES = 1024;

/** The entry of the next boot that an environment block names. */
export function nextEntryOf(block: string): string | undefined {
  const value = /^next_entry=(.*)$/m.exec(block)?.[1];
  return value === undefined || value === "" ? undefined : value.replace(/\\(.)/g, "$1");
}

/** An environment block with another entry of the next boot, or with none. It keeps its size, as GRUB writes into it. */
export function withNextEntry(block: string, entry: string | undefined): string {
  const kept = block.split("\n").filter((line) => /^\w+=/.test(line) && !line.startsWith("next_entry="));
  const next = entry === undefined ? [] : [`next_entry=${entry.replaceAll("\\", "\\\\")}`];
  const text = [ENVIRONMENT_HEADER, ...kept, ...next, ""].join("\n");
  const size = Math.max(ENVIRONMENT_BYTES, bytesOf(block));
  if (bytesOf(text) > size) throw new Error(`GRUB's environment block has no room for '${entry ?? ""}'`);
  return text + "#".repeat(size - bytesOf(text));
}

function bytesOf(text: string): number {
  return encodeURIComponent(text).replace(/%../g, "x").length;
}
