/**
 * What lies on a host's persistent filesystems although nothing declared it: written by hand below the root of
 * persistence, beside the store, or into the store without being registered there. It outlives reboots.
 */

import { persistentPathOf, type SystemMeta } from "../machine/system-object.ts";
import type { Host } from "./host.ts";
import { type Knowledge, StraySearch, type StatusOf } from "./stray-search.ts";
import { isStorePath } from "./systems.ts";

const STORE = "/nix/store";
/** The directories that a host of ours and its store engine make beside the store; what lies in them is theirs. */
const NIX_PATHS = [STORE, "/nix/var/nix", "/nix/var/pristine", "/nix/var/log/nix", "/nix/lost+found"];
/** Below the root of persistence: the base's own, whatever is declared. */
const IDENTITY = ["/etc/machine-id", "/lost+found"];
const HOST_KEY = /^\/etc\/ssh\/ssh_host_[a-z0-9]+_key(?:\.pub)?$/;
/** The store engine's own: hard links between equal files, and locks of paths that are being made. */
const STORE_OWN = /^\.links$|\.lock$/;
/** How many paths are asked for at once. */
const PATHS_MAX = 500;
const QUERY_TIMEOUT_SECONDS = 60;

export interface KeptOptions {
  readonly persistence: SystemMeta["persistence"] | undefined;
  readonly names: Knowledge["names"];
}

export function findKept(host: Host, statusOf: StatusOf, options: KeptOptions): StraySearch {
  const root = options.persistence?.root ?? "/persist";
  const declared = [...(options.persistence?.directories ?? []), ...(options.persistence?.files ?? [])].map(
    (entry) => `${root}${persistentPathOf(entry)}`,
  );
  const skipped = new Set([...declared, ...IDENTITY.map((path) => `${root}${path}`), ...NIX_PATHS]);
  const isHostKey = (path: string): boolean => path.startsWith(root) && HOST_KEY.test(path.slice(root.length));
  const search = new StraySearch(host, statusOf, {
    known: new Set([...skipped, `${root}/etc/ssh/ssh_host_ed25519_key`]),
    isSkipped: (path) => skipped.has(path) || isHostKey(path),
    names: options.names,
  });
  for (const start of [root, "/nix"]) {
    const status = statusOf(start);
    if (status?.kind === "directory") search.walk(start, status.device, 0);
  }
  for (const path of invalidPaths(host)) {
    const status = statusOf(path);
    if (status !== undefined) search.report(path, status);
  }
  return search;
}

/** What lies in the store's directory and is not a valid path of the store. */
function invalidPaths(host: Host): string[] {
  const paths = (host.files.list(STORE) ?? [])
    .filter((name) => !STORE_OWN.test(name))
    .map((name) => `${STORE}/${name}`);
  const invalid = paths.filter((path) => !isStorePath(path));
  if (host.which("nix-store") === undefined) return invalid;
  const candidates = paths.filter(isStorePath);
  for (let start = 0; start < candidates.length; start += PATHS_MAX) {
    const command = ["nix-store", "--check-validity", "--print-invalid", ...candidates.slice(start, start + PATHS_MAX)];
    const { stdout } = host.run(command, { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
    invalid.push(...stdout.split("\n").filter((line) => line !== ""));
  }
  return invalid;
}
