/** A system object for tests, written as a few texts. */

import { SystemObject, type SystemMeta, type SystemTree } from "../../src/machine/system-object.ts";

/** What a system says of itself when a test does not care. */
export const PLAIN_META: SystemMeta = {
  version: 1,
  base: "debian",
  host: "h",
  fleet: "f",
  system: "x86_64-linux",
  suite: "trixie",
  packages: [],
  users: [{ name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/sh", keys: 1 }],
  groups: [],
  openPorts: { tcp: [22], udp: [] },
  firewall: false,
  persistence: { root: "/persist", directories: [], files: [] },
  healthChecks: [],
  confirmTimeoutSeconds: 60,
  keepGenerations: 5,
  primaryAddress: null,
  sshPort: 22,
};

/** Keys are paths below the system, or full store paths; a value that begins with `->` is a link. */
export function systemOf(
  name: string,
  files: Readonly<Record<string, string>>,
  meta: Partial<SystemMeta> = {},
): SystemObject {
  const path = `/nix/store/${name}`;
  const entries = new Map(
    Object.entries(files).map(([key, text]) => [key.startsWith("/") ? key : `${path}/${key}`, text]),
  );
  entries.set(`${path}/meta.json`, JSON.stringify({ ...PLAIN_META, ...meta }));
  const tree: SystemTree = {
    readFile: (at) => {
      const text = entries.get(at);
      return text?.startsWith("->") === true ? undefined : text;
    },
    readlink: (at) => {
      const text = entries.get(at);
      return text?.startsWith("->") === true ? text.slice(2).trim() : undefined;
    },
    list: (at) => {
      const names = new Set<string>();
      for (const key of entries.keys()) {
        if (key.startsWith(`${at}/`)) names.add(key.slice(at.length + 1).split("/")[0] as string);
      }
      return names.size === 0 ? undefined : [...names];
    },
  };
  return new SystemObject(tree, path);
}
