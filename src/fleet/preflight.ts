/**
 * What is looked at before anything is built for a host: that it is there, that it is the machine its declaration says,
 * and that there is room on it. One command over ssh that needs nothing of ours on the host.
 */

import type { Clock } from "../base/clock.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import type { SystemBase } from "../machine/system-object.ts";
import type { TransactionGoal } from "../machine/transaction.ts";
import type { HostSession } from "./host-session.ts";
import type { HostInventory } from "./inventory.ts";

/** What a host says of itself. */
export interface HostProbe {
  /** As the kernel says: `x86_64`, `aarch64`. */
  readonly architecture: string;
  /** The wall clock, in seconds. */
  readonly timeSeconds: number;
  readonly user: string;
  readonly hasDaemon: boolean;
  /** Of the filesystem of the store; a filesystem that makes inodes as it needs them has a total of 0. */
  readonly disk: { readonly freeBytes: number; readonly inodesTotal: number; readonly inodesFree: number } | undefined;
  /** Of the root filesystem, on which a host that has no store yet gets one. */
  readonly room: HostProbe["disk"];
  /** What the first process is called. */
  readonly init: string;
  /** Whether there is a `/nix` that was not made for services beside what the host has. */
  readonly hasNix: boolean;
  /** Whether `/nix` is a filesystem of its own, and whether nobody can write to that of `/`. */
  readonly hasNixMount: boolean;
  readonly isReadOnly: boolean;
  /** All of it, in KiB. */
  readonly memoryKiB?: number | undefined;
  /** Its id and that of its boot: the same for two names of one machine, and for no copy of it. */
  readonly machine: string;
  /** The operating system in words. */
  readonly os: string;
  /** What its system is made of; undefined for what is neither. */
  readonly base: SystemBase | undefined;
  /** Whose system it runs, when it runs one of ours. */
  readonly system: { readonly fleet: string; readonly host: string; readonly base: SystemBase } | undefined;
  /** The fingerprint of the ssh key that let us in; unknown when the connection was open before. */
  readonly key: string | undefined;
  /** Where the connection arrived: the address and port on the host itself, and their interface. */
  readonly arrival:
    | { readonly client: string; readonly address: string; readonly port: number; readonly interface?: string }
    | undefined;
}

export interface Preflight {
  readonly session: HostSession;
  readonly probe?: HostProbe;
  readonly warnings: readonly string[];
  /** Why nothing is to be built for the host. */
  readonly error?: OperationError;
}

export interface PreflightOptions {
  readonly fleet: string;
  /** Also a host that was deployed under another name, or by another fleet. */
  readonly adopt: boolean;
  /** Whether there must be room for a deployment. */
  readonly needsRoom: boolean;
  /** What is to be done, where that is known. */
  readonly goal?: TransactionGoal | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const CONCURRENCY_MAX = 32;
const DEADLINE_MS = 30_000;

/** What the generic system calls itself, over which hosts are deployed first. */
const BOOTSTRAP = "bootstrap";

/** POSIX shell and what every Linux has; what is missing is an empty answer. The braces let it be read as a whole. */
const SCRIPT = `{
exec 2>/dev/null </dev/null
PATH=$PATH:/usr/sbin:/sbin:/run/current-system/sw/bin:/nix/var/nix/gcroots/pristine/engine/bin
say() { printf 'pristine %s=%s\\n' "$1" "$2"; }
say architecture "$(uname -m)"
say time "$(date +%s)"
say user "$(id -un)"
if command -v nix-daemon >/dev/null; then say daemon yes; fi
say disk "$(stat -f -c '%a %S %c %d' /nix/store)"
say room "$(stat -f -c '%a %S %c %d' /)"
say init "$(cat /proc/1/comm)"
if [ -e /nix ] && ! [ -e /nix/var/pristine/foreign ]; then say nix yes; fi
while read -r device mount type options rest; do
  case "$mount ,$options," in "/nix "*) say nixmount yes ;; "/ "*,ro,*) say root ro ;; "/ "*) say root rw ;; esac
done </proc/self/mounts
say memory "$(grep MemTotal: /proc/meminfo)"
say machine "$(cat /run/machine-id || cat /etc/machine-id) $(cat /proc/sys/kernel/random/boot_id)"
say os "$(. /etc/os-release; printf %s "$PRETTY_NAME")"
if [ -r /run/current-system/nixos-version ]; then say nixos yes; fi
say connection "$SSH_CONNECTION"
set -- $SSH_CONNECTION
set -- $(ip -o addr show to "$3")
say interface "$2"
for system in /run/pristine/activated /system /nix/var/nix/gcroots/pristine/engine; do
  if [ -r "$system/meta.json" ]; then
    say meta "$(tr -d '\\n' <"$system/meta.json")"
    break
  fi
done
exit 0
}
`;

/** Looks at all hosts at the same time; what is wrong with one is that host's answer. */
export async function preflightHosts(
  sessions: readonly HostSession[],
  options: PreflightOptions,
): Promise<readonly Preflight[]> {
  const looked = await mapConcurrently(sessions, CONCURRENCY_MAX, async (session): Promise<Preflight> => {
    try {
      return await preflightHost(session, options);
    } catch (error) {
      if (!(error instanceof OperationError) || options.signal.aborted) throw error;
      return { session, warnings: [], error };
    }
  });
  return refuseTwins(looked);
}

/** Looks at one host; throws what is wrong with it. */
export async function preflightHost(session: HostSession, options: PreflightOptions): Promise<Preflight> {
  const { clock, signal } = options;
  const sentMs = clock.wallClock().getTime();
  const outcome = await session.connection.runChecked(
    { argv: ["sh", "-s"], stdin: SCRIPT },
    { signal, deadlineMs: DEADLINE_MS, verbose: true },
  );
  const probe = parseProbe(outcome.stdout.toString("utf8"), outcome.stderr.toString("utf8"));
  const { address, passedOver } = session.connection;
  checkProbe(session.host, address, probe, options);
  await session.connection.becomeRoot(signal);
  const warnings = clockWarnings(session.host, probe, { sentMs, receivedMs: clock.wallClock().getTime() });
  if (passedOver.length > 0) warnings.push(`reached at ${address}; ${passedOver.join("; ")}`);
  return { session, probe, warnings };
}

/** What the host wrote, and what ssh said on the way there. */
export function parseProbe(text: string, sshSaid: string = ""): HostProbe {
  const said = new Map(answersIn(text));
  const of = (key: string): string => said.get(key)?.trim() ?? "";
  const [client, , address, port] = of("connection").split(" ");
  const onInterface = of("interface");
  const system = systemOf(of("meta"));
  return {
    architecture: of("architecture"),
    timeSeconds: Number(of("time")),
    user: of("user"),
    hasDaemon: said.has("daemon"),
    disk: diskOf(of("disk")),
    room: diskOf(of("room")),
    init: of("init"),
    hasNix: said.has("nix"),
    hasNixMount: said.has("nixmount"),
    // Of several filesystems at one place the last one is seen.
    isReadOnly: of("root") === "ro",
    memoryKiB: memoryOf(of("memory")),
    machine: of("machine"),
    os: of("os"),
    base: said.has("nixos") ? "nixos" : system?.base,
    system,
    key: sshSaid.match(/Server accepts key: .* (SHA256:[A-Za-z0-9+/]+)/)?.[1],
    arrival:
      client === undefined || address === undefined || port === undefined
        ? undefined
        : { client, address, port: Number(port), ...(onInterface === "" ? {} : { interface: onInterface }) },
  };
}

/** What a script said by lines `pristine key=value`; a login may print lines of its own. */
export function answersIn(text: string): [key: string, value: string][] {
  return [...text.matchAll(/^pristine ([a-z0-9]+)=(.*)$/gm)].map(([, key = "", value = ""]) => [key, value]);
}

function diskOf(text: string): HostProbe["disk"] {
  const [blocks, blockBytes, inodesTotal, inodesFree] = text.split(" ").map(Number);
  if (blocks === undefined || blockBytes === undefined || inodesTotal === undefined || inodesFree === undefined)
    return undefined;
  return { freeBytes: blocks * blockBytes, inodesTotal, inodesFree };
}

function memoryOf(text: string): number | undefined {
  const [, kib] = /(\d+) kB/.exec(text) ?? [];
  return kib === undefined ? undefined : Number(kib);
}

function systemOf(meta: string): HostProbe["system"] {
  try {
    const { fleet, host, base } = JSON.parse(meta) as { fleet?: unknown; host?: unknown; base?: unknown };
    if (typeof fleet !== "string" || typeof host !== "string") return undefined;
    return { fleet, host, base: base === "foreign" ? "foreign" : "debian" };
  } catch {
    // No system of ours, or a damaged one: both cannot be deployed to.
    return undefined;
  }
}

const ARCHITECTURES: Readonly<Record<string, string>> = { "x86_64-linux": "x86_64", "aarch64-linux": "aarch64" };

/** Throws the first thing that keeps a host from being deployed to. */
export function checkProbe(
  host: HostInventory,
  address: string,
  probe: HostProbe,
  options: Pick<PreflightOptions, "fleet" | "adopt" | "needsRoom" | "goal">,
): void {
  const wanted = ARCHITECTURES[host.system];
  const { base, system } = probe;
  if (probe.architecture === "") {
    throw new OperationError(
      "HOST_COMMAND_FAILED",
      `${address} does not run commands for ${host.target.user ?? "us"}`,
      {
        hint: "check that its login shell does, and prints nothing of its own",
      },
    );
  }
  if (wanted !== undefined && probe.architecture !== wanted) {
    throw new OperationError(
      "HOST_ARCHITECTURE",
      `${host.name} is declared as ${host.system}, but at ${address} is a machine of type ${probe.architecture}`,
      { hint: "set system.architecture for this host, or check its address" },
    );
  }
  const disk = host.base === "foreign" ? (probe.disk ?? probe.room) : probe.disk;
  if (host.base === "foreign") checkForeign(host, address, { probe, goal: options.goal });
  if ((!probe.hasDaemon && host.base !== "foreign") || disk === undefined) {
    throw new OperationError(
      "HOST_WITHOUT_STORE",
      `${address} has no ${probe.hasDaemon ? "/nix/store" : "nix-daemon"}`,
      {
        hint: "only hosts with a Nix store can be deployed to: start from a bootstrap system",
      },
    );
  }
  if (
    base !== host.base &&
    [host.base, base].some((one) => one === "nixos" || (one === "foreign" && base !== undefined))
  ) {
    const declared = DECLARED[host.base];
    throw new OperationError(
      "HOST_BASE",
      `${host.name} is declared with ${declared}, but ${address} runs ${probe.os || "something else"}`,
      {
        hint: "check deployment.target and deployment.system; a host keeps the base that it was installed with",
      },
    );
  }
  if (base !== "nixos" && host.base !== "foreign" && system === undefined) {
    throw new OperationError("HOST_BASE", `${address} runs ${probe.os || "something"}, not a system of Pristine's`, {
      hint: "check deployment.target; a new machine is started from a bootstrap system",
    });
  }
  if (system !== undefined && isAnother(host, system, options)) {
    throw new OperationError(
      "HOST_IS_ANOTHER",
      `${address}, declared as ${host.name} of the fleet ${options.fleet}, is the host ${system.host} of the fleet ${system.fleet}`,
      { hint: "check deployment.target; if it was renamed, or is to be taken over, deploy with --adopt" },
    );
  }
  if (options.needsRoom) {
    checkRoom(host, disk);
    if (host.buildOnTarget === true) requireBuildMemory(host, probe.memoryKiB);
  }
}

const DECLARED: Readonly<Record<SystemBase, string>> = {
  debian: "packages of Debian's",
  nixos: "a NixOS system (deployment.system)",
  foreign: 'deployment.base = "foreign"',
};

/** Throws when there is no such goal on a host of its base. */
export function requireGoal({ name, base }: HostInventory, goal: TransactionGoal | undefined): void {
  if (goal !== "reboot" || base !== "foreign") return;
  throw new OperationError("HOST_GOAL", `what ${name} boots is not ours, so no boot of it can be tried once`, {
    hint: "deploy it with --goal switch, or with --goal boot",
  });
}

/** Throws when services of ours cannot run beside what a machine has. */
function checkForeign(
  host: HostInventory,
  address: string,
  { probe, goal }: { readonly probe: HostProbe; readonly goal: TransactionGoal | undefined },
): void {
  requireGoal(host, goal);
  if (probe.init !== "systemd") {
    throw new OperationError(
      "HOST_WITHOUT_SYSTEMD",
      `${address} is started by ${probe.init || "something"}, not by systemd`,
      {
        hint: `services of ${host.name} are units of systemd's; 'pristine probe ${host.name}' says what else is possible`,
      },
    );
  }
  if (probe.hasNixMount) {
    throw new OperationError("HOST_IN_THE_WAY", `${address} has a filesystem of its own at /nix`, {
      hint: "systemd asks for our units before it is mounted: unmount it, and let /nix be on the filesystem of /",
    });
  }
  if (probe.hasNix && probe.base === undefined) {
    throw new OperationError("HOST_IN_THE_WAY", `${address} has a /nix that is not of Pristine's making`, {
      hint: "a foreign host gets a store of its own there: take that one away, or choose another host",
    });
  }
  if (probe.isReadOnly) {
    throw new OperationError("HOST_READ_ONLY", `the filesystem of / on ${address} is read-only`, {
      hint: "the store and the links in /etc are made on it: mount it read-write ('mount' and the kernel's log say why it is not)",
    });
  }
}

/** Throws when a host that is to build has less memory than declared. */
export function requireBuildMemory({ buildMemoryMiB = 0, name }: HostInventory, memoryKiB: number = Infinity): void {
  if (memoryKiB >= buildMemoryMiB * 1024) return;
  throw new OperationError(
    "HOST_TOO_SMALL",
    `${name} is to build, and has ${mebibytes(memoryKiB * 1024)} of memory; ${buildMemoryMiB} MiB are needed`,
    {
      hint: "let it be built elsewhere (deployment.buildOnTarget, buildOn), or lower deployment.buildMemoryMiB",
    },
  );
}

/** A generic system is nobody's yet. */
function isAnother(
  host: HostInventory,
  system: NonNullable<HostProbe["system"]>,
  options: Pick<PreflightOptions, "fleet" | "adopt">,
): boolean {
  const isNew = system.fleet === BOOTSTRAP && system.host === BOOTSTRAP;
  const isItself = system.fleet === options.fleet && system.host === host.name;
  return !isNew && !isItself && !options.adopt;
}

/** Throws when less is free on a host than declared, besides `copyBytes`. */
export function checkRoom(
  host: HostInventory,
  disk: { readonly freeBytes: number; readonly inodesTotal: number; readonly inodesFree: number },
  copyBytes: number = 0,
): void {
  const { freeBytesMin, freeInodesMin } = host.preflight;
  const hint =
    "lower deployment.keepGenerations, collect garbage on the host (nix-store --gc), or give it more room; deployment.preflight says how much must stay free";
  if (disk.freeBytes < copyBytes + freeBytesMin) {
    const copy = copyBytes === 0 ? "" : `${mebibytes(copyBytes)} would be copied, and `;
    throw new OperationError(
      "HOST_DISK_FULL",
      `${host.name} has ${mebibytes(disk.freeBytes)} free for its store; ${copy}${mebibytes(freeBytesMin)} must stay free`,
      { hint },
    );
  }
  if (disk.inodesTotal > 0 && disk.inodesFree < freeInodesMin) {
    throw new OperationError(
      "HOST_DISK_FULL",
      `${host.name} has ${disk.inodesFree} inodes free for its store; ${freeInodesMin} must stay free`,
      { hint },
    );
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

/** The host read its clock at some time between the question and the answer. */
export function clockWarnings(
  host: HostInventory,
  probe: HostProbe,
  asked: { readonly sentMs: number; readonly receivedMs: number },
): string[] {
  const ahead = probe.timeSeconds - asked.receivedMs / 1000;
  const behind = asked.sentMs / 1000 - probe.timeSeconds;
  const seconds = Math.floor(Math.max(ahead, behind));
  if (!(seconds > host.preflight.clockSkewSecondsMax)) return [];
  return [
    `its clock is ${seconds} s ${ahead > behind ? "ahead of" : "behind"} this machine's: certificates and timers depend on it`,
  ];
}

/** Hosts that turn out to be one machine would undo each other. */
function refuseTwins(looked: readonly Preflight[]): Preflight[] {
  return looked.map((one) => {
    const machine = one.probe?.machine ?? "";
    const twin = looked.find((other) => other !== one && machine.includes(" ") && other.probe?.machine === machine);
    if (twin === undefined) return one;
    const named = [one, twin].map(({ session }) => `${session.host.name} (${session.connection.address})`);
    const error = new OperationError("HOST_TWICE", `${named.join(" and ")} are one machine`, {
      hint: "check deployment.target of both",
    });
    return { session: one.session, warnings: [], error };
  });
}
