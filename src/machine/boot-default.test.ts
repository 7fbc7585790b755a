/** What boot loaders boot by default, in configurations as NixOS writes them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { bootDefaults } from "./boot-default.ts";

const systemOf = (digit: string): string => `/nix/store/${digit.repeat(32)}-nixos-system-web-26.05`;
const [OLD, NEW] = [systemOf("0"), systemOf("1")];

const entry = (system: string): string => `title NixOS
linux /EFI/nixos/kernel.efi
initrd /EFI/nixos/initrd.efi
options init=${system}/init loglevel=4
`;
const grub = (byDefault: string): string => `if [ "\${next_entry}" ]; then
  set default="\${next_entry}"
else
  set default=${byDefault}
fi
menuentry "NixOS - Default" {
  linux ($drive1)//kernels/linux-bzImage systemConfig=${NEW} init=${NEW}/init loglevel=4
  initrd ($drive1)//kernels/initrd
}
submenu "NixOS - All configurations" {
menuentry "NixOS - Configuration 1" {
  linux ($drive1)//kernels/linux-bzImage init=${OLD}/init
}
}
`;
const extlinux = `TIMEOUT 50
DEFAULT nixos-default

LABEL nixos-1
  APPEND init=${OLD}/init

LABEL nixos-default
  LINUX ../nixos/bzImage
  APPEND init=${NEW}/init loglevel=4
`;
const ENTRIES = {
  "/boot/loader/entries/nixos-generation-1.conf": entry(OLD),
  "/boot/loader/entries/nixos-generation-2.conf": entry(NEW),
};

const cases: Record<string, { files: Readonly<Record<string, string>>; expected: readonly string[] }> = {
  "nothing that is known": { files: {}, expected: [] },
  "systemd-boot": {
    files: { "/boot/loader/loader.conf": "timeout 5\ndefault nixos-generation-2.conf\n", ...ENTRIES },
    expected: [NEW],
  },
  "systemd-boot, an entry by its bare name": {
    files: { "/boot/loader/loader.conf": "default nixos-generation-1\n", ...ENTRIES },
    expected: [OLD],
  },
  "systemd-boot, whatever was chosen last": {
    files: { "/boot/loader/loader.conf": "default @saved\n", ...ENTRIES },
    expected: [],
  },
  GRUB: { files: { "/boot/grub/grub.cfg": grub("0") }, expected: [NEW] },
  "GRUB, quoted": { files: { "/boot/grub/grub.cfg": grub('"0"') }, expected: [NEW] },
  "GRUB, another entry than the first": { files: { "/boot/grub/grub.cfg": grub("2") }, expected: [] },
  extlinux: { files: { "/boot/extlinux/extlinux.conf": extlinux }, expected: [NEW] },
  "GRUB now, systemd-boot before": {
    files: {
      "/boot/grub/grub.cfg": grub("0"),
      "/efi/loader/loader.conf": "default old.conf\n",
      "/efi/loader/entries/old.conf": entry(OLD),
    },
    expected: [NEW, OLD],
  },
};
for (const [title, { files, expected }] of Object.entries(cases)) {
  test(`the boot default: ${title}`, () => {
    const tree = { readFile: (path: string) => files[path], readlink: () => undefined, list: () => undefined };
    assert.deepEqual(bootDefaults(tree), expected);
  });
}
