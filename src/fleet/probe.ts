/**
 * What `pristine probe` finds on a machine that no fleet declares: one shell script over ssh, which only reads. It is
 * written for the least of shells (POSIX sh, busybox); what a machine lacks is an empty answer.
 */

import { OperationError } from "../base/errors.ts";
import type { SystemBase } from "../machine/system-object.ts";
import { answersIn } from "./preflight.ts";
import type { SshConnection } from "./ssh.ts";

/** What a machine says of itself. */
export interface MachineFindings {
  /** As the kernel says: `x86_64`, `aarch64`. */
  readonly architecture: string;
  readonly kernel: string;
  readonly os: { readonly id: string; readonly name: string };
  /** The name of process 1, and systemd's version where that runs. */
  readonly init: { readonly name: string; readonly systemdVersion?: number };
  /** What it runs in, by systemd's names (`kvm`, `docker`); `none` is a machine of its own. */
  readonly virtualization?: string;
  readonly firmware: "efi" | "bios or other";
  readonly cpuCount: number;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number; readonly swapBytes: number };
  readonly disks: readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Those of `/` and, where they are others, `/boot`, `/boot/efi`, `/nix` and `/var`. */
  readonly filesystems: readonly {
    readonly mount: string;
    readonly type: string;
    readonly isReadOnly: boolean;
    readonly sizeBytes: number;
    readonly freeBytes: number;
  }[];
  readonly addresses: readonly { readonly interface: string; readonly address: string }[];
  /** The interface of the default route. */
  readonly route?: string;
  /** Who sets up the network: active units that are known for it. */
  readonly networkUnits: readonly string[];
  readonly ssh: { readonly server: string; readonly units: readonly string[]; readonly port?: number };
  readonly user: { readonly name: string; readonly groups: readonly string[]; readonly isRoot: boolean };
  /** Programs to become root by. */
  readonly escalations: readonly string[];
  /** Users of people, from `/etc/passwd`. */
  readonly users: readonly { readonly name: string; readonly id: number; readonly shell: string }[];
  readonly kernelFeatures: {
    readonly cgroup2: boolean;
    readonly overlay: boolean;
    readonly userNamespaces: boolean;
    readonly kexec: boolean;
  };
  /** The Nix store, where there is one. */
  readonly store?: { readonly hasDaemon: boolean };
  /** What of ours, or of NixOS, it runs already. */
  readonly base?: SystemBase;
  /** On a host of the base `debian`: the declared keys of the user who logged in, which its system has. */
  readonly authorizedKeys?: readonly string[];
}

const DEADLINE_MS = 30_000;

/** The braces let it be read as a whole. Nothing here writes, asks sudo (which would log and mail), or goes out on the network. */
export const PROBE_SCRIPT = `{
exec 2>/dev/null </dev/null
PATH=$PATH:/usr/sbin:/sbin:/run/current-system/sw/bin
say() { printf 'pristine %s=%s\\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null; }
say architecture "$(uname -m)"
say kernel "$(uname -r)"
say osid "$(. /etc/os-release; printf %s "$ID")"
say os "$(. /etc/os-release; printf %s "$PRETTY_NAME")"
say init "$(cat /proc/1/comm)"
if [ -d /run/systemd/system ]; then say systemd "$(systemctl --version)"; fi
if have systemd-detect-virt; then say virtualization "$(systemd-detect-virt)"; fi
if [ -d /sys/firmware/efi ]; then say efi yes; fi
say cpus "$(grep -c '^processor' /proc/cpuinfo)"
while read -r key value unit; do
  case $key in MemTotal: | MemAvailable: | SwapTotal:) say memory "$key $value" ;; esac
done </proc/meminfo
for disk in /sys/block/*; do
  if [ -e "$disk/device" ]; then say disk "$(cat "$disk/size") \${disk##*/}"; fi
done
while read -r device mount type options rest; do
  case $mount in
    / | /boot | /boot/efi | /nix | /var)
      case ",$options," in *,ro,*) mode=ro ;; *) mode=rw ;; esac
      set -- $(df -Pk "$mount" | tail -n 1)
      say filesystem "$mount $type $mode $2 $4" ;;
  esac
done </proc/self/mounts
ip -o addr show scope global | while read -r number interface family address rest; do
  say address "$interface $address"
done
while read -r interface destination rest; do
  if [ "$destination" = 00000000 ]; then say route "$interface"; fi
done </proc/net/route
for unit in systemd-networkd NetworkManager networking ifupdown-ng connman; do
  if systemctl --quiet is-active "$unit.service"; then say network "$unit.service"; fi
done
for unit in ssh.service ssh.socket sshd.service sshd.socket dropbear.service; do
  if systemctl --quiet is-active "$unit"; then say sshunit "$unit"; fi
done
for server in sshd dropbear; do if have "$server"; then say sshserver "$server"; fi; done
say connection "$SSH_CONNECTION"
say user "$(id -un)"
say uid "$(id -u)"
say groups "$(id -Gn)"
for program in sudo doas run0; do if have "$program"; then say escalation "$program"; fi; done
while IFS=: read -r name password id group comment home shell; do
  if [ "$id" -ge 1000 ] && [ "$id" -lt 60000 ]; then say account "$id $name $shell"; fi
done </etc/passwd
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then say cgroup2 yes; fi
while read -r first second; do
  if [ "$first" = overlay ] || [ "$second" = overlay ]; then say overlay yes; fi
done </proc/filesystems
if ls "/lib/modules/$(uname -r)/kernel/fs/overlayfs" >/dev/null; then say overlay yes; fi
if [ "$(cat /proc/sys/user/max_user_namespaces)" -gt 0 ]; then say userns yes; fi
if [ -e /sys/kernel/kexec_loaded ] && [ "$(cat /proc/sys/kernel/kexec_load_disabled)" = 0 ]; then say kexec yes; fi
if [ -d /nix/store ]; then say store yes; fi
if have nix-daemon; then say daemon yes; fi
if [ -r /run/current-system/nixos-version ]; then say base nixos
elif [ -e /nix/var/pristine/foreign ]; then say base foreign
elif [ -r /run/pristine/activated/meta.json ] || [ -r /system/meta.json ]; then
  say base debian
  while read -r key; do say key "$key"; done <"/etc/ssh/authorized_keys.d/$(id -un)"
fi
say end yes
exit 0
}
`;

/** Looks at a machine; nothing is left behind, not even an open connection. */
export async function probeMachine(connection: SshConnection, signal: AbortSignal): Promise<MachineFindings> {
  const outcome = await connection.runChecked(
    { argv: ["sh", "-s"], stdin: PROBE_SCRIPT },
    { signal, deadlineMs: DEADLINE_MS, fresh: true },
  );
  const findings = parseFindings(outcome.stdout.toString("utf8"));
  if (findings !== undefined) return findings;
  throw new OperationError("HOST_COMMAND_FAILED", `${connection.address} did not answer as a Linux machine does`, {
    hint: "check that its login shell runs commands ('ssh HOST uname -m'), and prints nothing of its own",
  });
}

/** What the script wrote; undefined when it did not come to its end. */
export function parseFindings(text: string): MachineFindings | undefined {
  const said = Map.groupBy(answersIn(text), ([key]) => key);
  const all = (key: string): string[] => (said.get(key) ?? []).map(([, value]) => value.trim());
  const of = (key: string): string => all(key)[0] ?? "";
  if (!said.has("end") || of("architecture") === "") return undefined;
  const memory = new Map(all("memory").map((line) => splitAt(line, ": ")));
  const memoryBytes = (key: string): number => Number(memory.get(key) ?? 0) * 1024;
  const systemd = /^systemd (\d+)/.exec(of("systemd"))?.[1];
  const virtualization = of("virtualization");
  const port = Number(of("connection").split(" ")[3]);
  const route = of("route");
  const base = of("base");
  return {
    architecture: of("architecture"),
    kernel: of("kernel"),
    os: { id: of("osid"), name: of("os") },
    init: { name: of("init"), ...(systemd === undefined ? {} : { systemdVersion: Number(systemd) }) },
    ...(virtualization === "" ? {} : { virtualization }),
    firmware: said.has("efi") ? "efi" : "bios or other",
    cpuCount: Number(of("cpus")),
    memory: {
      totalBytes: memoryBytes("MemTotal"),
      availableBytes: memoryBytes("MemAvailable"),
      swapBytes: memoryBytes("SwapTotal"),
    },
    disks: all("disk").map((line) => {
      const [sectors, name] = splitAt(line, " ");
      return { name, sizeBytes: Number(sectors) * 512 };
    }),
    filesystems: all("filesystem").map((line) => {
      const [mount = "", type = "", mode, size, free] = line.split(" ");
      const [sizeBytes, freeBytes] = [Number(size) * 1024, Number(free) * 1024];
      return { mount, type, isReadOnly: mode === "ro", sizeBytes, freeBytes };
    }),
    addresses: all("address").map((line) => {
      const [name, address] = splitAt(line, " ");
      return { interface: name, address };
    }),
    ...(route === "" ? {} : { route }),
    networkUnits: all("network"),
    ssh: {
      server: all("sshserver").join(", ") || "unknown",
      units: all("sshunit"),
      ...(port > 0 ? { port } : {}),
    },
    user: { name: of("user"), groups: of("groups").split(" "), isRoot: of("uid") === "0" },
    escalations: all("escalation"),
    users: all("account").map((line) => {
      const [id = "", name = "", shell = ""] = line.split(" ");
      return { name, id: Number(id), shell };
    }),
    kernelFeatures: {
      cgroup2: said.has("cgroup2"),
      overlay: said.has("overlay"),
      userNamespaces: said.has("userns"),
      kexec: said.has("kexec"),
    },
    ...(said.has("store") ? { store: { hasDaemon: said.has("daemon") } } : {}),
    ...(base === "debian" || base === "nixos" || base === "foreign" ? { base } : {}),
    ...(base === "debian" ? { authorizedKeys: all("key").filter((key) => key !== "") } : {}),
  };
}

function splitAt(line: string, separator: string): [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + separator.length)];
}
