/**
 * What a reboot would erase: everything on the host's volatile filesystems that neither the skeleton, nor the system's
 * `tmpfiles.d`, nor systemd itself makes.
 */

import type { EphemeralAnswer, EphemeralEntry } from "../machine/facts.ts";
import { SKELETON } from "../machine/skeleton.ts";
import { persistentPathOf, SystemObject, type SystemMeta } from "../machine/system-object.ts";
import { unitValues } from "../machine/unit-file.ts";
import type { Host } from "./host.ts";
import { runningSystem } from "./systems.ts";

export interface FileStatus {
  readonly kind: EphemeralEntry["kind"];
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly modified: string;
  /** The filesystem it lies on. */
  readonly device: number;
}

/** Status of one file, links not followed. */
export type StatusOf = (path: string) => FileStatus | undefined;

const ENTRIES_MAX = 5000;
const DEPTH_MAX = 64;

/** Volatile places that are looked at; `/run` is what systemd and services make anew, and is left out. */
const ROOTS = ["/", "/tmp", "/var/tmp", "/dev/shm"];

/** Made by systemd, sshd, nspawn or the kernel itself at every boot; a trailing slash covers all below. */
const OWN_PATHS = [
  "/system",
  "/.new",
  "/run/",
  "/proc/",
  "/sys/",
  "/dev/pts/",
  "/lost+found",
  "/var/run",
  "/var/lock",
  "/var/lib/systemd/",
  "/var/lib/dbus/",
  "/var/lib/private",
  "/var/cache/private",
  "/var/log/private",
  "/var/log/journal/",
  "/var/log/README",
  "/var/log/wtmp",
  "/var/log/btmp",
  "/var/log/lastlog",
  "/var/lib/lastlog/",
  "/var/lib/wtmpdb/",
  "/var/.updated",
  "/etc/.updated",
];

/** Private temporary directories of services, which go with the service. */
const SERVICE_TEMPORARY = /^\/(?:tmp|var\/tmp)\/(?:systemd-private-|\.(?:X11|ICE|XIM|font)-unix|snap-private-tmp)/;

export function findEphemeral(host: Host, statusOf: StatusOf): EphemeralAnswer {
  const systemPath = runningSystem(host);
  const system = systemPath === undefined ? undefined : new SystemObject(host.files, systemPath);
  const persisted = persistedPaths(system?.meta);
  const names = { users: namesIn(host, "/etc/passwd"), groups: namesIn(host, "/etc/group") };
  const owned = system === undefined ? { kept: [], caches: [] } : serviceDirectories(system);
  const known = new Set([
    ...SKELETON.directories.map(({ path }) => path),
    ...SKELETON.links.map(({ path }) => path),
    ...tmpfilesPaths(host),
    ...persisted,
    ...homesOf(system?.meta),
    ...owned.kept,
  ]);
  const search = new Search(host, statusOf, { known, skipped: new Set([...persisted, ...owned.caches]), names });
  const devices = new Set<number>();
  for (const root of ROOTS) {
    const status = statusOf(root);
    if (status === undefined || devices.has(status.device)) continue;
    devices.add(status.device);
    if (root === "/" || isVolatile(host, root)) search.walk(root, status.device, 0);
  }
  const entries = search.entries.sort((one, other) => (one.path < other.path ? -1 : 1));
  return {
    entries,
    totalBytes: entries.reduce((sum, entry) => sum + entry.size, 0),
    totalEntries: entries.reduce((sum, entry) => sum + 1 + entry.entries, 0),
    persisted,
    truncated: search.isTruncated,
  };
}

interface Knowledge {
  readonly known: ReadonlySet<string>;
  /** Not looked into: it stays, or nobody misses it. */
  readonly skipped: ReadonlySet<string>;
  readonly names: { readonly users: ReadonlyMap<number, string>; readonly groups: ReadonlyMap<number, string> };
}

class Search {
  readonly entries: EphemeralEntry[] = [];
  isTruncated = false;
  readonly #host: Host;
  readonly #statusOf: StatusOf;
  readonly #knowledge: Knowledge;

  constructor(host: Host, statusOf: StatusOf, knowledge: Knowledge) {
    this.#host = host;
    this.#statusOf = statusOf;
    this.#knowledge = knowledge;
  }

  /** Reports what is unknown as a whole, and looks into what is known. */
  walk(directory: string, device: number, depth: number): void {
    for (const name of this.#host.files.list(directory) ?? []) {
      const path = directory === "/" ? `/${name}` : `${directory}/${name}`;
      if (isOwn(path) || this.#knowledge.skipped.has(path)) continue;
      const status = this.#statusOf(path);
      if (status === undefined || status.device !== device) continue;
      if (this.#knowledge.known.has(path) || this.#leadsToKnown(path)) {
        if (status.kind === "directory" && depth < DEPTH_MAX) this.walk(path, device, depth + 1);
        continue;
      }
      if (this.entries.length >= ENTRIES_MAX) {
        this.isTruncated = true;
        return;
      }
      this.#report(path, status, device);
    }
  }

  /** Whether something known lies below, so that the directory itself is only a way to it. */
  #leadsToKnown(path: string): boolean {
    for (const known of this.#knowledge.known) if (known.startsWith(`${path}/`)) return true;
    return OWN_PATHS.some((own) => own.startsWith(`${path}/`));
  }

  #report(path: string, status: FileStatus, device: number): void {
    const below = status.kind === "directory" ? this.#sizeBelow(path, device, 0) : { size: status.size, entries: 0 };
    const { users, groups } = this.#knowledge.names;
    this.entries.push({
      path,
      kind: status.kind,
      size: below.size,
      entries: below.entries,
      owner: users.get(status.uid) ?? String(status.uid),
      group: groups.get(status.gid) ?? String(status.gid),
      mode: status.mode,
      modified: status.modified,
    });
  }

  #sizeBelow(directory: string, device: number, depth: number): { size: number; entries: number } {
    let size = 0;
    let entries = 0;
    for (const name of this.#host.files.list(directory) ?? []) {
      const path = `${directory}/${name}`;
      const status = this.#statusOf(path);
      if (status === undefined || status.device !== device) continue;
      entries++;
      if (status.kind === "directory") {
        if (depth >= DEPTH_MAX) continue;
        const below = this.#sizeBelow(path, device, depth + 1);
        size += below.size;
        entries += below.entries;
      } else size += status.size;
    }
    return { size, entries };
  }
}

function isOwn(path: string): boolean {
  if (SERVICE_TEMPORARY.test(path)) return true;
  return OWN_PATHS.some((own) => path === own || (own.endsWith("/") && `${path}/` === own));
}

/** Whether a mount point is a filesystem in memory. */
function isVolatile(host: Host, mountPoint: string): boolean {
  const mounts = host.files.readFile("/proc/self/mounts") ?? "";
  const type = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .findLast((fields) => fields[1] === mountPoint)?.[2];
  return type === "tmpfs" || type === "ramfs" || type === "overlay";
}

function persistedPaths(meta: SystemMeta | undefined): string[] {
  if (meta === undefined) return [];
  const { root, directories, files } = meta.persistence;
  return [root, ...[...directories, ...files].map(persistentPathOf)].filter((path) => path !== "").sort();
}

/** Home directories are made by the declaration; only what lies in them counts. */
function homesOf(meta: SystemMeta | undefined): string[] {
  return (meta?.users ?? []).map((user) => user.home).filter((home) => home.startsWith("/"));
}

/**
 * Directories that systemd makes for services. What services put into their state and log directories is lost with the
 * root; caches are made to be lost.
 */
function serviceDirectories(system: SystemObject): { kept: string[]; caches: string[] } {
  const kept: string[] = [];
  const caches: string[] = [];
  for (const name of system.unitNames()) {
    const unit = name.endsWith(".service") ? system.unit(name) : undefined;
    if (unit === undefined) continue;
    const directories = (key: string, base: string): string[] =>
      unitValues(unit, "Service", key)
        .flatMap((value) => value.split(/\s+/))
        .filter((directory) => directory !== "" && !directory.includes("%"))
        .map((directory) => `${base}/${directory.split(":")[0] ?? ""}`);
    kept.push(...directories("StateDirectory", "/var/lib"), ...directories("LogsDirectory", "/var/log"));
    caches.push(...directories("CacheDirectory", "/var/cache"));
  }
  return { kept, caches };
}

function namesIn(host: Host, path: string): Map<number, string> {
  // `/etc` is a link, and so may the file be.
  const text = host.run(["cat", path], { timeoutSeconds: 5 }).stdout;
  return new Map(
    text.split("\n").flatMap((line): [number, string][] => {
      const fields = line.split(":");
      return fields[2] === undefined ? [] : [[Number(fields[2]), fields[0] ?? ""]];
    }),
  );
}

/** Paths that some `tmpfiles.d` line makes, specifiers and patterns left out. */
function tmpfilesPaths(host: Host): string[] {
  const { stdout } = host.run(["systemd-tmpfiles", "--cat-config"], { timeoutSeconds: 20 });
  return stdout.split("\n").flatMap((line) => {
    const [type = "", path = ""] = line.trim().split(/\s+/);
    if (!/^[dDvqQfFLpcbC]/.test(type) || !path.startsWith("/") || path.includes("%")) return [];
    return [path.length > 1 ? path.replace(/\/+$/, "") : path];
  });
}
