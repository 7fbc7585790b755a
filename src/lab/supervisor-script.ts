/**
 * The shell script that is a host's mains switch and firmware. It outlives the command that started it.
 *
 * `supervise` boots the host again and again until it is switched off: every boot gets a process and a mount namespace
 * of its own, so that one SIGKILL ends all of it, as a power cut would, and no mount of it is ever seen outside.
 * `machine` is process 1 of that namespace: it does what `stage-one.ts` says, and runs the container in a cgroup of its own.
 */

import { quotePosix, renderArgv } from "../base/shell-words.ts";
import { STAGE_ONE } from "./stage-one.ts";

export interface SupervisorSettings {
  readonly host: string;
  /** The container's name; interface names are made from it. */
  readonly label: string;
  /** The directory for the script's own files. */
  readonly runtime: string;
  /** All labs' runtime directory: what is mounted below it is none of the host's business. */
  readonly labsRuntime: string;
  readonly disk: string;
  readonly netns: string;
  /** The bridge to plug the host into. */
  readonly bridge: string;
  /** The host's cgroup directories. */
  readonly cgroups: readonly string[];
  readonly console: string;
  readonly networkFile: string;
}

const CONSOLE_SIZE_MAX = 1024 * 1024;
const CONSOLE_SIZE_KEPT = 256 * 1024;

export function renderSupervisor(settings: SupervisorSettings): string {
  const variables = {
    HOST: settings.host,
    RUNTIME: settings.runtime,
    LABS: settings.labsRuntime,
    DISK: settings.disk,
    ROOT: `${settings.runtime}/root`,
    NETNS: settings.netns,
    CGROUPS: settings.cgroups.join(" "),
    CONSOLE: settings.console,
  };
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${quotePosix(value)}`);
  return `#!/bin/sh
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
${assignments.join("\n")}

join_cgroup() {
  for cgroup in $CGROUPS; do echo 0 >"$cgroup/$1/cgroup.procs" || return 1; done
}

# record NAME PID: who a process is, so that a later one with the same number is not mistaken for it
record() {
  read -r stat <"/proc/$2/stat" || return 1
  set -- "$1" "$2" \${stat##*)}
  echo "$2 \${22}" >"$RUNTIME/$1.new" && mv "$RUNTIME/$1.new" "$RUNTIME/$1"
}

bound_console() {
  [ "$(wc -c <"$CONSOLE")" -gt ${CONSOLE_SIZE_MAX} ] || return 0
  tail -c ${CONSOLE_SIZE_KEPT} "$CONSOLE" >"$CONSOLE.new" && cat "$CONSOLE.new" >"$CONSOLE"
  rm -f "$CONSOLE.new"
}

supervise() {
  join_cgroup ctl || exit 1
  rm -f "$RUNTIME/exit"
  record supervisor $$
  (while sleep 20 && kill -0 $$ 2>/dev/null; do bound_console; done) &
  watcher=$!
  while :; do
    boots=0
    [ ! -f "$RUNTIME/boots" ] || read -r boots <"$RUNTIME/boots"
    echo "$((boots + 1))" >"$RUNTIME/boots"
    echo "--- $HOST: boot $((boots + 1)), $(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$CONSOLE"
    bound_console
    setpriv --pdeathsig KILL nsenter --net="$NETNS" \\
      unshare --mount --propagation slave --pid --fork --kill-child=SIGKILL sh "$0" machine </dev/null >>"$CONSOLE" 2>&1 &
    machine=$!
    record machine "$machine"
    wait "$machine"
    status=$?
    rm -f "$RUNTIME/machine"
    # A reboot ends the container with this status.
    [ "$status" = 133 ] || break
  done
  echo "$status" >"$RUNTIME/exit"
  kill "$watcher" 2>/dev/null
  rm -f "$RUNTIME/supervisor"
}

${STAGE_ONE}
machine() {
  mount -t proc proc /proc || fail "/proc cannot be mounted"
  mkdir -p /run/systemd/nspawn
  mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn || fail "no private /run/systemd/nspawn"
  make_root
  # Copies of other mounts would keep them alive.
  others=$(cut -d' ' -f2 /proc/self/mounts)
  for path in $others; do
    case $path in
      "$ROOT" | "$ROOT"/*) ;;
      "$LABS"/*) umount --lazy "$path" 2>/dev/null ;;
    esac
  done
  # A killed container's interface goes in the background; the next one needs its name.
  for _ in 1 2 3 4 5; do ip link delete "vb-${settings.label}" 2>/dev/null || break; done
  rm -f "$RUNTIME/.#root.lck"
  # Cgroups of the boot before are empty and only in the way.
  for cgroup in $CGROUPS; do find "$cgroup/machine" -mindepth 1 -depth -type d -delete 2>/dev/null; done
  (
    join_cgroup machine || fail "its cgroups cannot be joined"
    exec ${renderArgv(containerArguments(settings))} --directory="$ROOT" "$system/init"
  )
  exit $?
}

"$1"
`;
}

/** `--boot` would look for an operating system without following links through `/system`; the init is given instead. */
function containerArguments({ host, label, bridge, networkFile }: SupervisorSettings): string[] {
  return [
    "systemd-nspawn",
    "--quiet",
    `--machine=${label}`,
    `--hostname=${host}`,
    "--settings=no",
    "--register=no",
    "--keep-unit",
    "--kill-signal=SIGRTMIN+4",
    "--console=read-only",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    `--network-bridge=${bridge}`,
    `--bind-ro=${networkFile}:/run/systemd/network/70-lab.network`,
  ];
}
