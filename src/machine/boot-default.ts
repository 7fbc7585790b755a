/** What a host's boot loader boots by default, as its own configuration says: systemd-boot, GRUB, extlinux. */

import type { SystemTree } from "./system-object.ts";

/** Where boot loaders keep their configuration: the boot partition, or an EFI partition of its own. */
export const BOOT_PLACES = ["/boot", "/boot/efi", "/efi"] as const;
const INIT = /\binit=(\/nix\/store\/[^/\s]+)\/init\b/;
const GRUB_DEFAULT_IS_FIRST = /^\s*set default=["']?0["']?\s*$/m;

/** The boot loaders whose configuration can be read. */
export type BootLoader = "systemd-boot" | "GRUB" | "extlinux";

const ENTRIES: Readonly<Record<BootLoader, (files: SystemTree, place: string) => string | undefined>> = {
  "systemd-boot": systemdBootEntry,
  GRUB: grubEntry,
  extlinux: extlinuxEntry,
};

/**
 * The systems that boot loaders boot by default: one, or more when an earlier boot loader has left its files; none when
 * that cannot be read, as of a unified kernel image or of another default than the first entry.
 */
export function bootDefaults(files: SystemTree): string[] {
  return BOOT_PLACES.flatMap((place) =>
    Object.values(ENTRIES).flatMap((entry) => bootedBy(entry(files, place) ?? "") ?? []),
  );
}

/** What one boot loader boots by default; undefined when it is not there, or that cannot be read. */
export function bootDefaultOf(loader: BootLoader, files: SystemTree): string | undefined {
  const entry = BOOT_PLACES.map((place) => ENTRIES[loader](files, place)).find((text) => text !== undefined);
  return bootedBy(entry ?? "");
}

/** The system that is booted by the first entry in a text. */
export function bootedBy(text: string): string | undefined {
  return INIT.exec(text)?.[1];
}

function systemdBootEntry(files: SystemTree, place: string): string | undefined {
  const name = /^default\s+([\w.+-]+?)(?:\.conf)?\s*$/m.exec(files.readFile(`${place}/loader/loader.conf`) ?? "")?.[1];
  return name === undefined ? undefined : files.readFile(`${place}/loader/entries/${name}.conf`);
}

/** From its first entry on. */
function grubEntry(files: SystemTree, place: string): string | undefined {
  const text = files.readFile(`${place}/grub/grub.cfg`) ?? "";
  if (!GRUB_DEFAULT_IS_FIRST.test(text)) return undefined;
  return text.split(/^\s*menuentry /m)[1];
}

function extlinuxEntry(files: SystemTree, place: string): string | undefined {
  const text = files.readFile(`${place}/extlinux/extlinux.conf`) ?? "";
  const name = /^DEFAULT\s+(\S+)/m.exec(text)?.[1];
  return text.split(/^LABEL\s+/m).find((entry) => entry.split(/\s/, 1)[0] === name);
}
