/**
 * What a reboot would erase: everything on the host's volatile filesystems that neither the skeleton, nor the system's
 * `tmpfiles.d`, nor systemd itself makes.
 */

import type { EphemeralAnswer } from "../machine/facts.ts";
import { filesOf, secretsOf } from "../machine/secrets.ts";
import { SKELETON } from "../machine/skeleton.ts";
import { persistentPathOf, type SystemObject, type SystemMeta } from "../machine/system-object.ts";
import { unitValues } from "../machine/unit-file.ts";
import type { Host } from "./host.ts";
import { findKept } from "./kept-strays.ts";
import { StraySearch, type StatusOf } from "./stray-search.ts";
import { runningSystem } from "./systems.ts";

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
  const system = systemPath === undefined ? undefined : host.system(systemPath);
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
    // Links that are made at every boot.
    ...filesOf(secretsOf(system)).map(({ path }) => path),
  ]);
  // What leads to something of the base's own is only a way to it.
  for (const own of OWN_PATHS) known.add(own.replace(/\/$/, ""));
  const skipped = new Set([...persisted, ...owned.caches]);
  const isSkipped = (path: string): boolean => isOwn(path) || skipped.has(path);
  const search = new StraySearch(host, statusOf, { known, isSkipped, names });
  const devices = new Set<number>();
  for (const root of ROOTS) {
    const status = statusOf(root);
    if (status === undefined || devices.has(status.device)) continue;
    devices.add(status.device);
    if (root === "/" || isVolatile(host, root)) search.walk(root, status.device, 0);
  }
  const entries = search.sorted();
  const kept = findKept(host, statusOf, { persistence: system?.meta?.persistence, names });
  return {
    entries,
    totalBytes: entries.reduce((sum, entry) => sum + entry.size, 0),
    totalEntries: entries.reduce((sum, entry) => sum + 1 + entry.entries, 0),
    persisted,
    kept: kept.sorted(),
    truncated: search.isTruncated || kept.isTruncated,
  };
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
