/** How systemd-boot and GRUB call the entry of a system, in configurations as NixOS writes them, and GRUB's environment. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { grubEntryOf, honoursNextEntry, nextEntryOf, systemdBootEntryOf, withNextEntry } from "./boot-entry.ts";

const systemOf = (digit: string): string => `/nix/store/${digit.repeat(32)}-nixos-system-web-26.05`;
const [OLD, NEW, SPECIAL, ABSENT] = [systemOf("0"), systemOf("1"), systemOf("2"), systemOf("3")];

const entry = (title: string, system: string, options = ""): string => `menuentry "${title}" --class nixos ${options} {
search --set=drive1 --fs-uuid 1234
  linux ($drive1)//kernels/linux-bzImage init=${system}/init loglevel=4
  initrd ($drive1)//kernels/initrd
}

`;
const MENU = `if [ "\${next_entry}" ]; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
  set timeout=1
  set boot_once=true
else
  set default=0
fi
function savedefault {
  if [ -z "\${boot_once}" ]; then
    saved_entry="\${chosen}"
  fi
}
${entry("NixOS", OLD, "--unrestricted")}submenu "NixOS - All configurations" --class submenu {
submenu "> NixOS - Configuration 3 (2026-11-28 - 26.05)" --class submenu {
${entry("NixOS - Configuration 3 - Default (2026-11-28 - 26.05)", SPECIAL)}}
${entry("NixOS - Configuration 2 (2026-11-27 - 26.05)", NEW)}${entry("NixOS - Configuration 1 (2026-11-26 - 26.05)", OLD)}}
`;

test("GRUB's entry of a system is called by the titles of its menus", () => {
  assert.equal(grubEntryOf(MENU, OLD), "NixOS");
  assert.equal(grubEntryOf(MENU, NEW), "NixOS - All configurations>NixOS - Configuration 2 (2026-11-27 - 26.05)");
  assert.equal(
    grubEntryOf(MENU, SPECIAL),
    "NixOS - All configurations>>> NixOS - Configuration 3 (2026-11-28 - 26.05)>" +
      "NixOS - Configuration 3 - Default (2026-11-28 - 26.05)",
  );
  assert.equal(grubEntryOf(MENU, ABSENT), undefined);
});

test("an entry that GRUB boots only for who knows a password is none", () => {
  const guarded = `set superusers="root"\n${MENU}`;
  assert.equal(grubEntryOf(guarded, OLD), "NixOS");
  assert.equal(grubEntryOf(guarded, NEW), undefined);
});

test("GRUB's configuration says whether it looks at the next entry, and forgets it", () => {
  assert.equal(honoursNextEntry(MENU), true);
  assert.equal(honoursNextEntry(MENU.replace("  save_env next_entry\n", "")), false);
  // What NixOS wrote before 2020.
  assert.equal(honoursNextEntry(MENU.replaceAll("next_entry", "saved_entry")), false);
});

test("GRUB's environment block keeps its size and what else it says", () => {
  const header = "# GRUB Environment Block\n";
  const pad = (text: string): string => text.padEnd(1024, "#");
  const title = "NixOS - All configurations>NixOS - Configuration 2 (2026-11-27 - 26.05)";
  const set = withNextEntry("", title);
  assert.equal(set, pad(`${header}next_entry=${title}\n`));
  assert.equal(nextEntryOf(set), title);
  assert.equal(withNextEntry(set, undefined), pad(header));
  assert.equal(nextEntryOf(pad(header)), undefined);
  assert.equal(nextEntryOf(pad(`${header}next_entry=\n`)), undefined);
  const other = pad(`${header}saved_entry=NixOS\nnext_entry=x\n`);
  const changed = withNextEntry(other, "a\\b é");
  assert.equal(Buffer.from(changed).length, 1024);
  assert.equal(nextEntryOf(changed), "a\\b é");
  assert.match(changed, /^saved_entry=NixOS$/m);
  assert.throws(() => withNextEntry("", "x".repeat(1024)), /no room/);
});

test("systemd-boot calls an entry by its file, without its counter", () => {
  const files: Readonly<Record<string, string>> = {
    "nixos-generation-1.conf": `options init=${OLD}/init quiet\n`,
    "nixos-generation-2+3-1.conf": `options init=${NEW}/init quiet\n`,
    "nixos-generation-3+2.conf": `options init=${SPECIAL}/init quiet\n`,
  };
  const directory = "/boot/loader/entries";
  const tree = {
    readFile: (path: string) => files[path.slice(directory.length + 1)],
    readlink: () => undefined,
    list: (path: string) => (path === directory ? Object.keys(files) : undefined),
  };
  const names = [OLD, NEW, SPECIAL, ABSENT].map((system) => systemdBootEntryOf(tree, system));
  assert.deepEqual(names, ["nixos-generation-1.conf", "nixos-generation-2.conf", "nixos-generation-3.conf", undefined]);
});
