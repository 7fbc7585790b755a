/** What can be made of a machine that was probed, and why. */

import type { MachineFindings } from "./probe.ts";

/** A way to manage a machine: by which base its system would be made. */
export interface PossibleBase {
  readonly base: "debian" | "nixos" | "foreign";
  /** `now`: a fleet can declare and deploy it. `later`: the machine is fit, this version is not. `no`: the machine is not fit. */
  readonly possible: "now" | "later" | "no";
  /** What speaks against it, or what is missing; else what it rests on. */
  readonly reasons: readonly string[];
}

const MIB = 2 ** 20;
/** The kit, and hosts of the Debian base, exist for these. */
const ARCHITECTURES = ["x86_64", "aarch64"];
/** As small as hosts are tested. */
const MEMORY_BYTES_MIN = 450 * MIB;
/** Two generations of a small system. */
const TAKEOVER_BYTES_MIN = 2048 * MIB;
/** The kit and a small service with its packages. */
const FOREIGN_BYTES_MIN = 512 * MIB;
/** The first that has `TemporaryFileSystem=`, without which services with a root directory get no state. */
const SYSTEMD_MIN = 238;
/** Containers, by systemd's names: their kernel and their disk are another machine's. */
const CONTAINERS = [
  "systemd-nspawn",
  "lxc",
  "lxc-libvirt",
  "docker",
  "podman",
  "openvz",
  "rkt",
  "wsl",
  "container-other",
];

export function possibleBases(found: MachineFindings): PossibleBase[] {
  return [takeover(found, "debian"), takeover(found, "nixos"), foreign(found)];
}

/** A base whose system is all of the machine's: it runs already, or takes the place of what does. */
function takeover(found: MachineFindings, base: "debian" | "nixos"): PossibleBase {
  if (found.base === base) {
    const isReady = found.store?.hasDaemon === true;
    const against = [...rootObstacles(found), ...(isReady ? [] : ["there is no nix-daemon"])];
    return against.length > 0
      ? no(base, against)
      : { base, possible: "now", reasons: ["it runs such a system already"] };
  }
  const container = CONTAINERS.find((name) => name === found.virtualization);
  const against = [
    ...architectureObstacles(found),
    ...rootObstacles(found),
    ...(container === undefined
      ? []
      : [`it is a container (${container}), whose kernel and disk are another machine's`]),
    ...memoryObstacles(found),
    ...roomObstacles(found, TAKEOVER_BYTES_MIN),
    ...(found.base === undefined ? [] : [`it runs a system of the base '${found.base}' already`]),
  ];
  if (against.length > 0) return no(base, against);
  const way = found.kernelFeatures.kexec
    ? "its kernel can start another one (kexec)"
    : "its kernel has no kexec: by a disk or a network boot";
  return { base, possible: "later", reasons: ["taking a machine over is not there yet", way] };
}

/** Services of ours beside the packages of the machine's own system. */
function foreign(found: MachineFindings): PossibleBase {
  const { name, systemdVersion } = found.init;
  const isNew = systemdVersion !== undefined && systemdVersion >= SYSTEMD_MIN;
  const against = [
    ...architectureObstacles(found),
    ...(isNew
      ? []
      : [
          systemdVersion === undefined
            ? `init is ${name || "unknown"}, not systemd`
            : `systemd ${systemdVersion} is older than ${SYSTEMD_MIN}`,
        ]),
    ...rootObstacles(found),
    ...memoryObstacles(found),
    ...roomObstacles(found, FOREIGN_BYTES_MIN),
    ...(found.base === undefined || found.base === "foreign"
      ? []
      : [`all of its system is declared already (base '${found.base}')`]),
    ...(found.base === undefined && found.store !== undefined ? ["it has a /nix/store that is not of our making"] : []),
  ];
  if (against.length > 0) return no("foreign", against);
  return {
    base: "foreign",
    possible: "now",
    reasons: ["services of the store run beside the host's own packages", `systemd ${systemdVersion} can run them`],
  };
}

const no = (base: PossibleBase["base"], reasons: readonly string[]): PossibleBase => ({
  base,
  possible: "no",
  reasons,
});

function architectureObstacles({ architecture }: MachineFindings): string[] {
  return ARCHITECTURES.includes(architecture)
    ? []
    : [`the architecture is ${architecture}, not ${ARCHITECTURES.join(" or ")}`];
}

function rootObstacles({ user, escalations }: MachineFindings): string[] {
  return user.isRoot || escalations.length > 0 ? [] : [`${user.name} is not root, and there is no sudo, doas or run0`];
}

function memoryObstacles({ memory: { totalBytes } }: MachineFindings): string[] {
  return totalBytes >= MEMORY_BYTES_MIN
    ? []
    : [`${mib(totalBytes)} MiB of memory are less than ${mib(MEMORY_BYTES_MIN)}`];
}

/** The store would be on `/nix`, which is most often part of `/`. */
function roomObstacles({ filesystems }: MachineFindings, bytesMin: number): string[] {
  // The last mount of a directory is what is seen there.
  const store =
    filesystems.findLast(({ mount }) => mount === "/nix") ?? filesystems.findLast(({ mount }) => mount === "/");
  if (store === undefined) return ["it is not known what / is on"];
  if (store.isReadOnly) return [`${store.mount} is read-only`];
  return store.freeBytes >= bytesMin
    ? []
    : [`${mib(store.freeBytes)} MiB free on ${store.mount} are less than ${mib(bytesMin)}`];
}

const mib = (bytes: number): number => Math.floor(bytes / MIB);
