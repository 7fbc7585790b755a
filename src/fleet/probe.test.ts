/** What machines say of themselves, from recorded answers, and what can be made of them. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { run } from "../system/process.ts";
import { type PossibleBase, possibleBases } from "./possible-bases.ts";
import { type MachineFindings, parseFindings, PROBE_SCRIPT } from "./probe.ts";

const DEBIAN = {
  architecture: "x86_64",
  kernel: "6.1.0-28-amd64",
  osid: "debian",
  os: "Debian GNU/Linux 12 (bookworm)",
  init: "systemd",
  systemd: "systemd 252 (252.39-1~deb12u1)\n+PAM +AUDIT -SMACK",
  virtualization: "kvm",
  cpus: "2",
  memory: ["MemTotal: 2014000", "MemAvailable: 1700000", "SwapTotal: 0"],
  disk: "41943040 vda",
  filesystem: ["/ ext4 rw 20000000 15000000", "/boot ext4 rw 900000 700000"],
  address: ["eth0 192.0.2.7/24", "eth0 2001:db8::7/64"],
  route: "eth0",
  network: "networking.service",
  sshunit: "ssh.service",
  sshserver: "sshd",
  connection: "192.0.2.1 50000 192.0.2.7 22",
  user: "root",
  uid: "0",
  groups: "root",
  account: ["1000 mara /bin/bash"],
  cgroup2: "yes",
  overlay: "yes",
  userns: "yes",
  kexec: "yes",
  end: "yes",
};

type Answers = Readonly<Record<string, string | readonly string[] | undefined>>;

function recorded(...parts: readonly Answers[]): string {
  const lines = Object.entries(Object.assign({}, ...parts) as Answers).flatMap(([key, values = []]) =>
    [values].flat().map((value) => `pristine ${key}=${value}`),
  );
  return ["Welcome!", ...lines, ""].join("\n");
}

function found(...parts: readonly Answers[]): MachineFindings {
  const findings = parseFindings(recorded(DEBIAN, ...parts));
  assert.ok(findings !== undefined);
  return findings;
}

function verdicts(findings: MachineFindings): Record<PossibleBase["base"], string> {
  return Object.fromEntries(
    possibleBases(findings).map(({ base, possible, reasons }) => [base, `${possible}: ${reasons[0]}`]),
  ) as Record<PossibleBase["base"], string>;
}

const NOT_YET = {
  debian: "later: taking a machine over is not there yet",
  nixos: "later: taking a machine over is not there yet",
  foreign: "now: services of the store run beside the host's own packages",
};

test("Debian's answer is read", () => {
  assert.deepEqual(found(), {
    architecture: "x86_64",
    kernel: "6.1.0-28-amd64",
    os: { id: "debian", name: "Debian GNU/Linux 12 (bookworm)" },
    init: { name: "systemd", systemdVersion: 252 },
    virtualization: "kvm",
    firmware: "bios or other",
    cpuCount: 2,
    memory: { totalBytes: 2_062_336_000, availableBytes: 1_740_800_000, swapBytes: 0 },
    disks: [{ name: "vda", sizeBytes: 21_474_836_480 }],
    filesystems: [
      { mount: "/", type: "ext4", isReadOnly: false, sizeBytes: 20_480_000_000, freeBytes: 15_360_000_000 },
      { mount: "/boot", type: "ext4", isReadOnly: false, sizeBytes: 921_600_000, freeBytes: 716_800_000 },
    ],
    addresses: [
      { interface: "eth0", address: "192.0.2.7/24" },
      { interface: "eth0", address: "2001:db8::7/64" },
    ],
    route: "eth0",
    networkUnits: ["networking.service"],
    ssh: { server: "sshd", units: ["ssh.service"], port: 22 },
    user: { name: "root", groups: ["root"], isRoot: true },
    escalations: [],
    users: [{ name: "mara", id: 1000, shell: "/bin/bash" }],
    kernelFeatures: { cgroup2: true, overlay: true, userNamespaces: true, kexec: true },
  });
});

const UBUNTU = { osid: "ubuntu", os: "Ubuntu 24.04.1 LTS", systemd: "systemd 255 (255.4-1ubuntu8.4)" };
const SUDO = { user: "ubuntu", uid: "1000", groups: "ubuntu adm sudo", escalation: "sudo" };
const ALPINE = {
  osid: "alpine",
  os: "Alpine Linux v3.20",
  init: "init",
  systemd: undefined,
  virtualization: undefined,
};

suite("what can be made of a machine", () => {
  const cases: Readonly<Record<string, readonly [Answers, Partial<typeof NOT_YET>]>> = {
    "Debian, as root": [{}, {}],
    "Ubuntu, as a user with sudo": [{ ...UBUNTU, ...SUDO }, {}],
    "Debian on arm64": [{ architecture: "aarch64" }, {}],
    "Alpine, without systemd": [ALPINE, { foreign: "no: init is init, not systemd" }],
    "an architecture without packages of ours": [
      { architecture: "armv7l" },
      sameFor("no: the architecture is armv7l, not x86_64 or aarch64"),
    ],
    "a user without a way to root": [
      { ...SUDO, escalation: undefined },
      sameFor("no: ubuntu is not root, and there is no sudo, doas or run0"),
    ],
    "an old systemd": [{ systemd: "systemd 237" }, { foreign: "no: systemd 237 is older than 238" }],
    "a container": [
      { virtualization: "lxc" },
      {
        debian: "no: it is a container (lxc), whose kernel and disk are another machine's",
        nixos: "no: it is a container (lxc), whose kernel and disk are another machine's",
      },
    ],
    "little memory": [{ memory: "MemTotal: 262144" }, sameFor("no: 256 MiB of memory are less than 450")],
    "a read-only root": [{ filesystem: "/ squashfs ro 100 0" }, sameFor("no: / is read-only")],
    "a store of its own that is full": [
      { filesystem: ["/ ext4 rw 9000000 9000000", "/nix ext4 rw 900000 1024"] },
      {
        debian: "no: 1 MiB free on /nix are less than 2048",
        nixos: "no: 1 MiB free on /nix are less than 2048",
        foreign: "no: 1 MiB free on /nix are less than 512",
      },
    ],
    NixOS: [
      { osid: "nixos", base: "nixos", store: "yes", daemon: "yes" },
      {
        debian: "no: it runs a system of the base 'nixos' already",
        nixos: "now: it runs such a system already",
        foreign: "no: all of its system is declared already (base 'nixos')",
      },
    ],
  };
  for (const [title, [answers, expected]] of Object.entries(cases)) {
    test(title, () => assert.deepEqual(verdicts(found(answers)), { ...NOT_YET, ...expected }));
  }
});

function sameFor(verdict: string): typeof NOT_YET {
  return { debian: verdict, nixos: verdict, foreign: verdict };
}

test("an answer that was cut off is none", () => {
  assert.equal(parseFindings(recorded(DEBIAN, { end: undefined })), undefined);
  assert.equal(parseFindings("This account is not available.\n"), undefined);
});

test("the script runs here, and finds this machine", async () => {
  const outcome = await run(["sh", "-s"], { stdin: PROBE_SCRIPT, deadlineMs: 30_000 });
  const findings = parseFindings(outcome.stdout.toString("utf8"));
  assert.equal(outcome.stderr.toString("utf8"), "");
  assert.equal(findings?.architecture, { x64: "x86_64", arm64: "aarch64" }[process.arch as string]);
  assert.equal(findings?.user.isRoot, process.getuid?.() === 0);
  assert.ok(findings.memory.totalBytes > 0 && findings.filesystems.length > 0 && findings.cpuCount > 0);
});
