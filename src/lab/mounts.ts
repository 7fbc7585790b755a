/** The mounts of this machine, as far as a lab must find and remove them. */

import { readText } from "../system/files.ts";
import { tool, tryTool } from "./tools.ts";

export interface Mount {
  readonly path: string;
  readonly type: string;
  readonly source: string;
  /** Its number, as `/sys/dev/block` names it. */
  readonly device: string;
  /** Options of the file system itself, such as `name=systemd` of a cgroup hierarchy. */
  readonly superOptions: readonly string[];
}

export async function mounts(): Promise<Mount[]> {
  return parseMountInfo(await readText("/proc/self/mountinfo"));
}

export function parseMountInfo(text: string): Mount[] {
  const found: Mount[] = [];
  for (const line of text.split("\n")) {
    const [left, right] = line.split(" - ");
    const [, , device = "", , path] = left?.split(" ") ?? [];
    const [type, source, superOptions] = right?.split(" ") ?? [];
    if (path === undefined || type === undefined) continue;
    found.push({
      path: unescaped(path),
      type,
      source: unescaped(source ?? ""),
      device,
      superOptions: (superOptions ?? "").split(","),
    });
  }
  return found;
}

export async function isMounted(path: string): Promise<boolean> {
  return (await mounts()).some((mount) => mount.path === path);
}

/** Unmounts everything at and below a directory, the newest first. What is still in use is detached and goes with its last user. */
export async function unmountBelow(directory: string): Promise<void> {
  const below = (await mounts()).filter(({ path }) => path === directory || path.startsWith(`${directory}/`));
  for (const { path } of below.reverse()) {
    if ((await tryTool(["umount", path])).code !== 0) await tool(["umount", "--lazy", path]);
  }
}

/** The kernel writes spaces and the like as octal numbers. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
