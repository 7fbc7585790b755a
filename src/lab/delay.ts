/**
 * Delay and jitter of a host's link. Many kernels lack netem, so a small process of ours passes the frames on later:
 *
 *     [br0] ta-HOST ~~relay~~ tb-HOST [x-HOST] w-HOST --- h-HOST …
 */

import { OperationError } from "../base/errors.ts";
import { ensureDirectory } from "../system/files.ts";
import { programModule } from "../system/program-files.ts";
import { cgroupDirectories, hierarchies, killCgroup, removeCgroup } from "./cgroup.ts";
import { hostLabel, hostPaths, labPaths, segmentNames } from "./lab-names.ts";
import { reaches } from "./power.ts";
import { tool, tryTool } from "./tools.ts";

export interface Delay {
  /** Each way, so a round trip takes twice as much longer. */
  readonly delayMs: number;
  readonly jitterMs: number;
}

const START_DEADLINE_MS = 10_000;

export async function applyDelay(lab: string, host: string, { delayMs, jitterMs }: Delay): Promise<void> {
  const { netns } = labPaths(lab);
  const { switchEnd } = segmentNames(host);
  const label = hostLabel(host);
  const bridge = `x-${label}`;
  const group = relayCgroup(lab, host);
  await stopRelay(lab, host);
  await tryTool(["ip", "link", "delete", bridge], { netns });
  if (delayMs === 0 && jitterMs === 0) {
    await tool(["ip", "link", "set", switchEnd, "master", "br0"], { netns });
    return;
  }
  for (const { path } of await hierarchies()) await ensureDirectory(`${path}/${group}`);
  const [outer, inner] = [`ta-${label}`, `tb-${label}`];
  const command = [
    process.execPath,
    programModule("src/lab/delay-relay.ts"),
    outer,
    inner,
    String(delayMs),
    String(jitterMs),
  ];
  const start =
    'for group in $GROUPS_; do echo 0 >"$group/cgroup.procs"; done; exec setsid --fork "$@" </dev/null >"$LOG" 2>&1';
  await tool(
    [
      "env",
      `GROUPS_=${(await cgroupDirectories(group)).join(" ")}`,
      `LOG=${hostPaths(lab, host).runtime}/delay.log`,
      "sh",
      "-c",
      start,
      "sh",
      ...command,
    ],
    { netns },
  );
  const made = async (): Promise<boolean> => (await tryTool(["ip", "link", "show", inner], { netns })).code === 0;
  if (!(await reaches(AbortSignal.timeout(START_DEADLINE_MS * 2), START_DEADLINE_MS, made))) {
    throw new OperationError("LAB_TAP_FAILED", `the link of ${host} cannot be delayed: the relay did not start`, {
      hint: `see ${hostPaths(lab, host).runtime}/delay.log; this needs /dev/net/tun`,
    });
  }
  const commands = [
    `link add ${bridge} type bridge forward_delay 0 mcast_snooping 0`,
    `link set ${bridge} up`,
    `link set ${outer} master br0 up`,
    `link set ${inner} master ${bridge} up`,
    `link set ${switchEnd} master ${bridge}`,
  ];
  await tool(["ip", "-batch", "-"], { stdin: `${commands.join("\n")}\n`, netns });
}

/** Ends a host's relay, if there is one; its interfaces go with it. */
export async function stopRelay(lab: string, host: string): Promise<void> {
  await killCgroup(relayCgroup(lab, host));
  await removeCgroup(relayCgroup(lab, host));
}

/** An underscore cannot begin a host's name. */
function relayCgroup(lab: string, host: string): string {
  return `${labPaths(lab).cgroup}/_delay/${host}`;
}
