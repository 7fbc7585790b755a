/** Switches hosts on and off: starts their supervisors, finds their processes again, and cuts the power. */

import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { ensureDirectory, readTail, readTextIfPresent, removeFile, writeFileAtomic } from "../system/files.ts";
import { isRunning, type ProcessIdentity } from "../system/kernel-files.ts";
import {
  cgroupDirectories,
  type HostLimits,
  killCgroup,
  makeHostCgroup,
  processesIn,
  removeCgroup,
  sendSignal,
} from "./cgroup.ts";
import { hostLabel, hostPaths, labPaths, RUNTIME_DIRECTORY, segmentNames } from "./lab-names.ts";
import { renderSupervisor } from "./supervisor-script.ts";
import { tool } from "./tools.ts";

/** `failed` says that the last boot ended by itself with an error: the console log has the reason. */
export type PowerState = "running" | "off" | "failed";

/** What systemd as process 1 of a container does on these signals; glibc counts real-time signals from 34. */
const SIGRTMIN = 34;
const POWER_OFF = SIGRTMIN + 4;
const REBOOT = SIGRTMIN + 5;
/** How `wait` reports an end by SIGKILL. */
const KILLED_STATUS = 137;

const START_DEADLINE_MS = 15_000;

export async function powerState(lab: string, host: string): Promise<PowerState> {
  const { runtime } = hostPaths(lab, host);
  for (const name of ["supervisor", "machine"]) {
    const identity = await recorded(`${runtime}/${name}`);
    if (identity !== undefined && (await isRunning(identity))) return "running";
  }
  const status = Number((await readTextIfPresent(`${runtime}/exit`)) ?? 0);
  return status === 0 || status === KILLED_STATUS ? "off" : "failed";
}

/** How often a host was booted since it was made; grows with each boot. */
export async function bootCount(lab: string, host: string): Promise<number> {
  return Number((await readTextIfPresent(`${hostPaths(lab, host).runtime}/boots`)) ?? 0);
}

/** Starts a host that is off; nothing happens to one that runs. Does not wait for it to have booted. */
export async function powerOn(lab: string, host: string, limits: HostLimits, signal: AbortSignal): Promise<void> {
  if ((await powerState(lab, host)) === "running") return;
  const paths = hostPaths(lab, host);
  await sweep(lab, host);
  await removeFile(`${paths.runtime}/exit`);
  await makeHostCgroup(paths.cgroup, limits);
  await ensureDirectory(paths.runtime);
  const script = renderSupervisor({
    host,
    label: hostLabel(host),
    runtime: paths.runtime,
    labsRuntime: RUNTIME_DIRECTORY,
    disk: paths.disk,
    netns: labPaths(lab).netns,
    bridge: segmentNames(host).bridge,
    cgroups: await cgroupDirectories(paths.cgroup),
    console: paths.console,
    networkFile: paths.network,
  });
  await writeFileAtomic(paths.script, script, { mode: 0o700, durable: false });
  const log = `${paths.runtime}/supervisor.log`;
  // A session of its own and no stream of ours: it must survive the terminal as well as this process.
  await tool(["sh", "-c", 'exec setsid --fork sh "$1" supervise </dev/null >"$2" 2>&1', "sh", paths.script, log], {
    signal,
  });
  await until(
    signal,
    START_DEADLINE_MS,
    async () => (await bootCount(lab, host)) > 0 && (await hasStarted(paths.runtime)),
    async () => {
      const said = (await readTail(log, 2_000).catch(() => Buffer.alloc(0))).toString("utf8").trim();
      return new OperationError(
        "LAB_HOST_NOT_STARTED",
        `${host} could not be switched on${said === "" ? "" : `: ${said}`}`,
      );
    },
  );
}

async function hasStarted(runtime: string): Promise<boolean> {
  return (
    (await readTextIfPresent(`${runtime}/supervisor`)) !== undefined ||
    (await readTextIfPresent(`${runtime}/exit`)) !== undefined
  );
}

/** Ends everything of a host at one instant, as if its plug were pulled. What it has written stays on its disk. */
export async function powerCut(lab: string, host: string): Promise<void> {
  const { runtime } = hostPaths(lab, host);
  // Killing systemd-nspawn would leave the container running. The parent of its process namespace takes all with it.
  const machine = await recorded(`${runtime}/machine`);
  if (machine !== undefined && (await isRunning(machine))) sendSignal(machine.pid, "SIGKILL");
  await sweep(lab, host);
}

/** Asks the host to shut down; when it has not done so in time, the power is cut. Says whether it obeyed. */
export async function powerOff(lab: string, host: string, signal: AbortSignal, deadlineMs: number): Promise<boolean> {
  const init = await containerInit(lab, host);
  if (init !== undefined) sendSignal(init, POWER_OFF);
  const stopped = async (): Promise<boolean> => (await powerState(lab, host)) !== "running";
  const inTime = init !== undefined && (await reaches(signal, deadlineMs, stopped));
  if (!inTime) await powerCut(lab, host);
  return inTime;
}

/** Asks the host to reboot, and waits until the next boot has begun. */
export async function reboot(lab: string, host: string, signal: AbortSignal, deadlineMs: number): Promise<void> {
  const before = await bootCount(lab, host);
  const init = await containerInit(lab, host);
  if (init === undefined)
    throw new OperationError("LAB_HOST_OFF", `${host} cannot reboot: it is not running`, {
      hint: "switch it on first",
    });
  sendSignal(init, REBOOT);
  await until(
    signal,
    deadlineMs,
    async () => (await bootCount(lab, host)) > before,
    () =>
      new OperationError("LAB_HOST_SILENT", `${host} has not rebooted within ${deadlineMs / 1000} seconds`, {
        hint: "its console log tells what it waits for; cutting its power always works",
      }),
  );
}

/** Process 1 of a host's container, as this machine numbers it. */
export async function containerInit(lab: string, host: string): Promise<number | undefined> {
  for (const pid of await processesIn(`${hostPaths(lab, host).cgroup}/machine/payload`)) {
    const status = (await readTextIfPresent(`/proc/${pid}/status`).catch(() => undefined)) ?? "";
    const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/);
    // One number per namespace from ours inwards: this machine, the supervisor's, the container's.
    if (numbers?.length === 3 && numbers[2] === "1") return pid;
  }
  return undefined;
}

/** Ends whatever a host still has, its supervisor included, and forgets its processes. */
export async function sweep(lab: string, host: string): Promise<void> {
  const { runtime, cgroup } = hostPaths(lab, host);
  for (const name of ["supervisor", "machine"]) {
    const identity = await recorded(`${runtime}/${name}`);
    if (identity !== undefined && (await isRunning(identity))) sendSignal(identity.pid, "SIGKILL");
    await removeFile(`${runtime}/${name}`);
  }
  await killCgroup(cgroup);
  await removeCgroup(cgroup);
}

async function recorded(path: string): Promise<ProcessIdentity | undefined> {
  const [pid, startTicks] = ((await readTextIfPresent(path)) ?? "").trim().split(" ").map(Number);
  return pid === undefined || startTicks === undefined ? undefined : { pid, startTicks };
}

/** Waits for a condition by looking again after short, growing pauses. */
export async function reaches(
  signal: AbortSignal,
  deadlineMs: number,
  condition: () => Promise<boolean>,
): Promise<boolean> {
  const deadline = systemClock.nowMs() + deadlineMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.5, 200)) {
    signal.throwIfAborted();
    if (await condition()) return true;
    if (systemClock.nowMs() > deadline) return false;
    await systemClock.sleep(pauseMs, signal);
  }
}

async function until(
  signal: AbortSignal,
  deadlineMs: number,
  condition: () => Promise<boolean>,
  failure: () => OperationError | Promise<OperationError>,
): Promise<void> {
  if (!(await reaches(signal, deadlineMs, condition))) throw await failure();
}
