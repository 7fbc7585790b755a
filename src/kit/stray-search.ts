/** Walks directories and reports what is unknown, each unknown directory as one entry with its size. */

import type { EphemeralEntry } from "../machine/facts.ts";
import type { Host } from "./host.ts";

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

/** What is told apart while walking. */
export interface Knowledge {
  readonly known: ReadonlySet<string>;
  /** Not looked into. */
  readonly isSkipped: (path: string) => boolean;
  readonly names: { readonly users: ReadonlyMap<number, string>; readonly groups: ReadonlyMap<number, string> };
}

export class StraySearch {
  isTruncated = false;
  readonly #entries: EphemeralEntry[] = [];
  readonly #host: Host;
  readonly #statusOf: StatusOf;
  readonly #knowledge: Knowledge;

  constructor(host: Host, statusOf: StatusOf, knowledge: Knowledge) {
    this.#host = host;
    this.#statusOf = statusOf;
    this.#knowledge = knowledge;
  }

  /** What was found, by path. */
  sorted(): EphemeralEntry[] {
    return this.#entries.toSorted((one, other) => (one.path < other.path ? -1 : 1));
  }

  /** Reports what is unknown as a whole, and looks into what is known. */
  walk(directory: string, device: number, depth: number): void {
    for (const name of this.#host.files.list(directory) ?? []) {
      const path = directory === "/" ? `/${name}` : `${directory}/${name}`;
      if (this.#knowledge.isSkipped(path)) continue;
      const status = this.#statusOf(path);
      if (status === undefined || status.device !== device) continue;
      if (this.#knowledge.known.has(path) || this.#leadsToKnown(path)) {
        if (status.kind === "directory" && depth < DEPTH_MAX) this.walk(path, device, depth + 1);
        continue;
      }
      this.report(path, status);
    }
  }

  /** Whether something known lies below, so that the directory itself is only a way to it. */
  #leadsToKnown(path: string): boolean {
    for (const known of this.#knowledge.known) if (known.startsWith(`${path}/`)) return true;
    return false;
  }

  /** One entry, with the size of all below it that lies on the same filesystem. */
  report(path: string, status: FileStatus): void {
    if (this.#entries.length >= ENTRIES_MAX) {
      this.isTruncated = true;
      return;
    }
    const below =
      status.kind === "directory" ? this.#sizeBelow(path, status.device, 0) : { size: status.size, entries: 0 };
    const { users, groups } = this.#knowledge.names;
    this.#entries.push({
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
