/** What a host says of itself before anything is built for it, and what that means. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransactionGoal } from "../machine/transaction.ts";
import type { HostInventory } from "./inventory.ts";
import { checkProbe, checkRoom, clockWarnings, parseProbe } from "./preflight.ts";

const HOST = {
  name: "web",
  preflight: { freeBytesMin: 1000, freeInodesMin: 10, clockSkewSecondsMax: 60 },
} as unknown as HostInventory;

test("an answer is read, whatever a login prints around it", () => {
  const probe = parseProbe(
    [
      "Welcome to web!  pristine user=eve",
      "pristine architecture=aarch64",
      "pristine time=1700000000",
      "pristine user=mara",
      "pristine root=yes",
      "pristine daemon=yes",
      "pristine disk=100 4096 0 0",
      "pristine memory=MemTotal:        2048 kB",
      "pristine machine=0123 4567",
      'pristine os=Example = "Linux"',
      "pristine connection=192.0.2.9 50000 2001:db8::1 2222",
      "pristine interface=eth0",
      'pristine meta={"fleet":"shop","host":"web","packages":[]}',
      "pristine",
    ].join("\n"),
    "debug1: Server accepts key: /root/.ssh/id_ed25519 ED25519 SHA256:abc+/1 agent\r\n",
  );
  assert.deepEqual(probe, {
    key: "SHA256:abc+/1",
    architecture: "aarch64",
    timeSeconds: 1_700_000_000,
    user: "mara",
    hasDaemon: true,
    disk: { freeBytes: 409_600, inodesTotal: 0, inodesFree: 0 },
    memoryKiB: 2048,
    machine: "0123 4567",
    os: 'Example = "Linux"',
    base: "debian",
    system: { fleet: "shop", host: "web", base: "debian" },
    room: undefined,
    init: "",
    hasNix: false,
    hasNixMount: false,
    isReadOnly: false,
    arrival: { client: "192.0.2.9", address: "2001:db8::1", port: 2222, interface: "eth0" },
  });
});

test("an answer in which everything is missing is read, too", () => {
  const { disk, system, arrival, architecture } = parseProbe("pristine disk=\npristine meta={\n");
  assert.deepEqual([disk, system, arrival, architecture], [undefined, undefined, undefined, ""]);
});

test("a host that runs another base than it is declared with is refused", () => {
  const answer = (more: string): string =>
    `pristine architecture=x86_64\npristine daemon=yes\npristine disk=100 4096 0 0\n${more}\n`;
  const nixos = parseProbe(answer("pristine nixos=yes\npristine os=NixOS 26.05"));
  const ours = parseProbe(answer('pristine meta={"fleet":"shop","host":"web"}'));
  const check = (base: "debian" | "nixos", probe: typeof nixos): void => {
    const host = { ...HOST, base, system: "x86_64-linux" } as HostInventory;
    checkProbe(host, "192.0.2.1", probe, { fleet: "shop", adopt: false, needsRoom: false });
  };
  check("nixos", nixos);
  check("debian", ours);
  assert.throws(() => check("debian", nixos), { code: "HOST_BASE", message: /but 192.0.2.1 runs NixOS 26.05/ });
  assert.throws(() => check("nixos", ours), { code: "HOST_BASE", message: /a NixOS system \(deployment.system\)/ });
});

/** What a host of the base "foreign" says beside what every host does, and what it is refused for. */
const FOREIGN: Readonly<
  Record<string, readonly [says: string, refusal?: { readonly code: string; readonly message: RegExp }]>
> = {
  "is fit when systemd starts it and there is no /nix": [""],
  "is fit when its /nix is ours": ['meta={"fleet":"shop","host":"web","base":"foreign"}'],
  "is refused without systemd": [
    "init=openrc-init",
    { code: "HOST_WITHOUT_SYSTEMD", message: /192\.0\.2\.1 is started by openrc-init, not by systemd/ },
  ],
  "is refused when it does not say what starts it": [
    "init=",
    { code: "HOST_WITHOUT_SYSTEMD", message: /is started by something, not by systemd/ },
  ],
  "is refused with a /nix of somebody else's": [
    "nix=yes",
    { code: "HOST_IN_THE_WAY", message: /has a \/nix that is not of Pristine's making/ },
  ],
  "is refused when Nix is installed there": [
    "nix=yes\npristine daemon=yes\npristine disk=100 4096 0 0",
    { code: "HOST_IN_THE_WAY", message: /has a \/nix that is not of Pristine's making/ },
  ],
  "is refused when /nix is a filesystem of its own": [
    "nix=yes\npristine nixmount=yes",
    { code: "HOST_IN_THE_WAY", message: /has a filesystem of its own at \/nix/ },
  ],
  "is refused when / is read-only": [
    "root=ro",
    { code: "HOST_READ_ONLY", message: /filesystem of \/ on 192\.0\.2\.1/ },
  ],
  "is fit when a read-only / has another one over it": ["root=ro\npristine root=rw"],
};
for (const [title, [says, refusal]] of Object.entries(FOREIGN)) {
  test(`a host that is there already ${title}`, () => {
    const probe = parseProbe(
      `pristine architecture=x86_64\npristine room=100 4096 0 0\npristine init=systemd\npristine ${says}\n`,
    );
    const host = { ...HOST, base: "foreign", system: "x86_64-linux" } as HostInventory;
    const check = (goal: TransactionGoal): void => {
      checkProbe(host, "192.0.2.1", probe, { fleet: "shop", adopt: false, needsRoom: false, goal });
    };
    assert.throws(() => check("reboot"), { code: "HOST_GOAL", message: /what web boots is not ours/ });
    if (refusal !== undefined) assert.throws(() => check("switch"), refusal);
    else check("switch");
  });
}

const ROOM: Readonly<Record<string, readonly [free: number, total: number, inodes: number, copy: number]>> = {
  "room to the byte": [1500, 100, 10, 500],
  "one byte too few": [1499, 100, 10, 500],
  "one inode too few": [1500, 100, 9, 500],
  "inodes that are made as needed": [1500, 0, 0, 500],
};
for (const [name, [freeBytes, inodesTotal, inodesFree, copyBytes]] of Object.entries(ROOM)) {
  test(name, () => {
    const check = (): void => {
      checkRoom(HOST, { freeBytes, inodesTotal, inodesFree }, copyBytes);
    };
    if (name.startsWith("one")) assert.throws(check, { code: "HOST_DISK_FULL" });
    else check();
  });
}

test("a host that is to build has the memory for it", () => {
  const probe = parseProbe(
    'pristine architecture=x86_64\npristine daemon=yes\npristine disk=100 4096 0 0\npristine memory=MemTotal: 2048 kB\npristine meta={"fleet":"shop","host":"web"}',
  );
  const check = (declared: Partial<HostInventory>): void => {
    checkProbe({ ...HOST, ...declared }, "192.0.2.1", probe, { fleet: "shop", adopt: false, needsRoom: true });
  };
  check({ buildMemoryMiB: 3 });
  check({ buildMemoryMiB: 2, buildOnTarget: true });
  const small = { code: "HOST_TOO_SMALL", message: /web is to build, and has 2\.0 MiB/ };
  assert.throws(() => check({ buildMemoryMiB: 3, buildOnTarget: true }), small);
});

test("a clock is compared with the time between question and answer", () => {
  const warned = (timeSeconds: number): string[] =>
    clockWarnings(HOST, { ...parseProbe(""), timeSeconds }, { sentMs: 1_000_000, receivedMs: 1_020_000 });
  assert.deepEqual([940, 1000, 1020, 1080, Number.NaN].map(warned), [[], [], [], [], []]);
  assert.match(warned(938).join(), /^its clock is 62 s behind/);
  assert.match(warned(1082).join(), /^its clock is 62 s ahead of/);
});
