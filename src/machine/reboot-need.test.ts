/** What only a reboot brings into force, and what keeps a host from switching. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import { rebootNeed } from "./reboot-need.ts";
import { differingInhibitors } from "./switch-inhibitors.ts";

const BOOTED = {
  kernel: "-> /nix/store/k1/vmlinuz",
  initrd: "-> /nix/store/i1/initrd",
  "kernel-params": "loglevel=4 quiet",
  init: "#!/bin/sh\n",
  "etc/sysctl.d/60-pristine.conf": "vm.swappiness = 1\n# net.ignored = 1\nnet.ipv4.ip_forward = 1\n",
};

type Files = Readonly<Record<string, string>>;

const CASES: Readonly<
  Record<string, { readonly wanted: Files; readonly running?: Files; readonly expected: readonly string[] }>
> = {
  "nothing that is read at boot": { wanted: { ...BOOTED, "etc/motd": "hi" }, expected: [] },
  "another kernel and initrd": {
    wanted: { ...BOOTED, kernel: "-> /nix/store/k2/vmlinuz", initrd: "-> /nix/store/i2/initrd" },
    expected: ["the kernel changes", "the initrd changes"],
  },
  "other parameters": {
    wanted: { ...BOOTED, "kernel-params": "loglevel=4 nomodeset" },
    expected: ["the kernel's parameters change (-quiet +nomodeset)"],
  },
  "another stage 2": {
    wanted: { ...BOOTED, init: "#!/bin/sh\nmore\n" },
    expected: ["stage 2 has new commands, which run before systemd"],
  },
  "a stage 2 that does less": { wanted: { ...BOOTED, init: "" }, expected: [] },
  "options of modules": {
    wanted: { ...BOOTED, "etc/modprobe.d/pristine.conf": "blacklist floppy\n" },
    expected: ["modules that are loaded keep their options"],
  },
  "a setting of the kernel that is declared no more": {
    wanted: { ...BOOTED, "etc/sysctl.d/60-pristine.conf": "vm.swappiness = 9\n" },
    expected: ["net.ipv4.ip_forward keeps its value"],
  },
  "a setting that only the running system made": {
    running: { ...BOOTED, "etc/sysctl.d/70.conf": "kernel.panic=1\n" },
    wanted: { ...BOOTED },
    expected: ["kernel.panic keeps its value"],
  },
};

for (const [name, { wanted, running, expected }] of Object.entries(CASES)) {
  test(`reboot: ${name}`, () => {
    const booted = systemOf("booted", BOOTED);
    const reasons = rebootNeed({
      booted,
      running: running === undefined ? booted : systemOf("running", running),
      wanted: systemOf("wanted", wanted),
    });
    assert.deepEqual(
      reasons.map(({ message }) => message),
      expected,
    );
  });
}

test("a host that does not say what it has booted, or has booted this, needs no reboot for it", () => {
  const wanted = systemOf("wanted", { kernel: "k2" });
  assert.deepEqual(rebootNeed({ booted: undefined, wanted }), []);
  assert.deepEqual(rebootNeed({ booted: wanted, running: systemOf("other", BOOTED), wanted }), []);
});

test("inhibitors differ when a value does, or when one is there on one side only", () => {
  const inhibitors = (value: object): Files => ({ "switch-inhibitors": JSON.stringify(value) });
  const old = systemOf("old", inhibitors({ dbus: "daemon", same: "1", gone: "x" }));
  const next = systemOf("next", inhibitors({ dbus: "broker", same: "1" }));
  assert.deepEqual(differingInhibitors(old, next), [
    { name: "dbus", before: "daemon", after: "broker" },
    { name: "gone", before: "x" },
  ]);
  assert.deepEqual(differingInhibitors(old, old), []);
  assert.deepEqual(differingInhibitors(systemOf("a", {}), systemOf("b", { "switch-inhibitors": "\n" })), []);
});
