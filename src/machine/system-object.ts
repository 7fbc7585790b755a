/**
 * A system object read from an abstract tree: its metadata, its `/etc`, its units.
 *
 * The planner reads it from a store, the executor from the host's disk; neither asks the running host, so that links
 * such as `/usr/lib/…` are followed within the system itself and not within the one that happens to run.
 */

import type { DataVersion } from "./data-version.ts";
import type { HealthCheck } from "./health-check.ts";
import type { Hook } from "./hook.ts";
import { parseUnitTexts, templateOf, unitTypeOf, unitValues, type UnitDefinition } from "./unit-file.ts";

/** Access to files by real path; none of these follows a link in the last component. */
export interface SystemTree {
  /** The text of a regular file. */
  readFile(path: string): string | undefined;
  /** The target of a symbolic link. */
  readlink(path: string): string | undefined;
  /** The names in a directory, in any order. */
  list(path: string): readonly string[] | undefined;
}

export interface SystemPackage {
  readonly name: string;
  readonly version: string;
  readonly path: string;
}

export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** How many ssh keys may log in as this user. */
  readonly keys: number;
  /** On hosts that have others, what it is made with. */
  readonly account?: {
    readonly description: string;
    readonly isSystem: boolean;
    /** Its password opens nothing. */
    readonly isLocked: boolean;
    /** Its services run without a session. */
    readonly isLingering?: boolean;
    /** Where we make its home. */
    readonly homeMode: string | null;
    /** Further groups, ours and the host's. */
    readonly groups: readonly string[];
  };
}

export interface SystemGroup {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** `meta.json` of a system. */
export interface SystemMeta {
  readonly version: 1;
  readonly base: string;
  readonly host: string;
  readonly fleet: string;
  readonly system: string;
  readonly suite: string;
  readonly packages: readonly SystemPackage[];
  readonly users: readonly SystemUser[];
  readonly groups: readonly SystemGroup[];
  readonly openPorts: { readonly tcp: readonly number[]; readonly udp: readonly number[] };
  readonly firewall: boolean;
  readonly persistence: {
    readonly root: string;
    readonly directories: readonly PersistentPath[];
    readonly files: readonly PersistentPath[];
  };
  readonly healthChecks: readonly HealthCheck[];
  /** Of its services' data; absent when none is declared. */
  readonly dataVersions?: readonly DataVersion[];
  /** The host's own; absent when it has none. */
  readonly hooks?: readonly Hook[];
  readonly confirmTimeoutSeconds: number;
  readonly keepGenerations: number;
  readonly primaryAddress: string | null;
  readonly sshPort: number;
}

/**
 * What a host is made of: packages of Debian's; NixOS, whose systems switch to themselves; or what somebody has
 * installed, beside which only some services and files are ours.
 */
export type SystemBase = "debian" | "nixos" | "foreign";

/** A bare path, or a record that has one. */
export type PersistentPath = string | { readonly directory?: string; readonly file?: string; readonly path?: string };

export function persistentPathOf(entry: PersistentPath): string {
  return typeof entry === "string" ? entry : (entry.directory ?? entry.file ?? entry.path ?? "");
}

/** Where units stand, the strongest directory first. */
const UNIT_DIRECTORIES = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

/** What the message bus reads. */
const BUS_DIRECTORIES = ["/etc/dbus-1/system.d", "/usr/share/dbus-1/system.d", "/usr/share/dbus-1/system-services"];

/** Where a host path really is: in the store, or outside of what the system defines (`/dev/null`, `/run/…`). */
export type ResolvedPath =
  { readonly kind: "inside"; readonly path: string } | { readonly kind: "outside"; readonly path: string };

const LINKS_MAX = 40;

export class SystemObject {
  /** The full store path. */
  readonly path: string;
  readonly #tree: SystemTree;
  readonly #links = new Map<string, string | undefined>();
  readonly #resolved = new Map<string, ResolvedPath>();
  readonly #unitNames = new Map<string, ReadonlySet<string>>();
  readonly #units = new Map<string, UnitDefinition | undefined>();
  #wanted: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  #meta: SystemMeta | undefined;

  constructor(tree: SystemTree, path: string) {
    this.#tree = tree;
    this.path = path;
  }

  /** Follows every link of a path as a host running this system would see it. */
  resolve(hostPath: string): ResolvedPath {
    let resolved = this.#resolved.get(hostPath);
    if (resolved === undefined) this.#resolved.set(hostPath, (resolved = this.#follow(hostPath)));
    return resolved;
  }

  #follow(hostPath: string): ResolvedPath {
    let pending = hostPath.split("/").filter((part) => part !== "" && part !== ".");
    let at: string[] = [];
    let links = 0;
    while (pending.length > 0) {
      const part = pending.shift() as string;
      if (part === "..") {
        at.pop();
        continue;
      }
      if (at.length === 0) {
        const base = this.#rootEntry(part);
        if (base === undefined) return { kind: "outside", path: `/${[part, ...pending].join("/")}` };
        if (base !== part) {
          pending = [...base.split("/").filter((p) => p !== ""), ...pending];
          continue;
        }
      }
      const path = `/${[...at, part].join("/")}`;
      const target = this.#readlink(path);
      if (target === undefined) {
        at.push(part);
        continue;
      }
      if (++links > LINKS_MAX) return { kind: "outside", path: hostPath };
      if (target.startsWith("/")) at = [];
      pending = [...target.split("/").filter((p) => p !== "" && p !== "."), ...pending];
    }
    return { kind: "inside", path: `/${at.join("/")}` };
  }

  /** What stands at the root of a host that runs this system. */
  #rootEntry(name: string): string | undefined {
    switch (name) {
      case "nix":
        return name;
      case "etc":
        return `${this.path}/${name}`;
      case "usr":
        return this.base === "foreign" ? undefined : `${this.path}/${name}`;
      case "system":
        return this.path;
      case "bin":
      case "sbin":
      case "lib":
      case "lib64":
        return this.base === "foreign" ? undefined : `${this.path}/usr/${name}`;
      default:
        return undefined;
    }
  }

  #readlink(path: string): string | undefined {
    if (this.#links.has(path)) return this.#links.get(path);
    const target = this.#tree.readlink(path);
    this.#links.set(path, target);
    return target;
  }

  /** The text of a file, such as `/etc/ssh/sshd_config`. */
  read(hostPath: string): string | undefined {
    const resolved = this.resolve(hostPath);
    return resolved.kind === "inside" ? this.#tree.readFile(resolved.path) : undefined;
  }

  /** The sorted names in a directory. */
  list(hostPath: string): readonly string[] | undefined {
    const resolved = this.resolve(hostPath);
    if (resolved.kind === "outside") return undefined;
    return this.#tree.list(resolved.path)?.toSorted();
  }

  /** Whether a link stands there itself, whatever it leads to. */
  isLink(hostPath: string): boolean {
    const slash = hostPath.lastIndexOf("/");
    const parent = this.resolve(hostPath.slice(0, slash));
    return parent.kind === "inside" && this.#readlink(`${parent.path}${hostPath.slice(slash)}`) !== undefined;
  }

  has(hostPath: string): boolean {
    const resolved = this.resolve(hostPath);
    if (resolved.kind === "outside") return false;
    const slash = resolved.path.lastIndexOf("/");
    return this.#namesIn(resolved.path.slice(0, slash)).has(resolved.path.slice(slash + 1));
  }

  /** `meta.json`; undefined when the path is no system. */
  get meta(): SystemMeta | undefined {
    if (this.#meta === undefined) {
      const text = this.#tree.readFile(`${this.path}/meta.json`);
      if (text !== undefined) this.#meta = JSON.parse(text) as SystemMeta;
    }
    return this.#meta;
  }

  /** Told by what is in it; undefined when the path is no system. */
  get base(): SystemBase | undefined {
    if (this.meta !== undefined) return this.meta.base === "foreign" ? "foreign" : "debian";
    const isNixos =
      this.topEntry("nixos-version") !== undefined && this.#namesIn(`${this.path}/bin`).has("switch-to-configuration");
    return isNixos ? "nixos" : undefined;
  }

  /** The platform that it is for, such as `x86_64-linux`. */
  get platform(): string | undefined {
    return this.meta?.system ?? this.topEntry("system")?.trim();
  }

  /** What stands at the top of the system object itself: the text of a file, or where a link leads. */
  topEntry(name: string): string | undefined {
    const path = `${this.path}/${name}`;
    return this.#readlink(path) ?? this.#tree.readFile(path);
  }

  /** The definition of a unit, a template's for an instance; undefined when the system has none. */
  unit(name: string): UnitDefinition | undefined {
    if (!this.#units.has(name)) this.#units.set(name, this.#readUnit(name));
    return this.#units.get(name);
  }

  /** The names of all unit files, templates included, sorted. */
  unitNames(): readonly string[] {
    const names = new Set<string>();
    for (const directory of UNIT_DIRECTORIES) {
      for (const name of this.#namesOf(directory)) if (UNIT_NAME.test(name)) names.add(name);
    }
    return [...names].sort();
  }

  /** Units named in `.wants`, `.requires` and `.upholds` directories, per unit that pulls them in. */
  wanted(): ReadonlyMap<string, ReadonlySet<string>> {
    return (this.#wanted ??= this.#readWanted());
  }

  #readWanted(): ReadonlyMap<string, ReadonlySet<string>> {
    const wanted = new Map<string, Set<string>>();
    for (const directory of UNIT_DIRECTORIES) {
      for (const name of this.#namesOf(directory)) {
        const match = /^(.+)\.(?:wants|requires|upholds)$/.exec(name);
        if (match === null) continue;
        for (const link of this.#namesOf(`${directory}/${name}`)) {
          // A link may carry an alias; the unit runs under the name of its file.
          const real = this.resolve(`${directory}/${name}/${link}`).path;
          for (const unit of [link, real.slice(real.lastIndexOf("/") + 1)]) {
            let by = wanted.get(unit);
            if (by === undefined) wanted.set(unit, (by = new Set()));
            by.add(match[1] as string);
          }
        }
      }
    }
    return wanted;
  }

  /** Where the programs of a service's `ExecStart` lines really lie, links followed. */
  programs(unit: UnitDefinition): readonly string[] {
    return unitValues(unit, "Service", "ExecStart").map((command) => {
      const program = command.replace(/^[-@:+!|]+/, "").split(/\s+/, 1)[0] ?? "";
      if (!program.startsWith("/") || !this.has(program)) return program;
      const { path } = this.resolve(program);
      // What lies in the system object itself is told by content, not by the object's name.
      return path.startsWith(`${this.path}/`) ? program : path;
    });
  }

  busFiles(): readonly string[] {
    return BUS_DIRECTORIES.flatMap((directory) =>
      (this.list(directory) ?? []).map((name) => {
        const { path } = this.resolve(`${directory}/${name}`);
        return path.startsWith(`${this.path}/`) ? `${name}: ${this.read(`${directory}/${name}`) ?? ""}` : path;
      }),
    );
  }

  #readUnit(name: string): UnitDefinition | undefined {
    const template = templateOf(name);
    const names = template === undefined ? [name] : [name, template];
    const fragment = this.#fragmentOf(names);
    if (fragment === undefined) return undefined;
    const isMasked = fragment.kind === "outside" || this.#textOf(fragment.path) === "";
    if (fragment.kind === "outside" && fragment.path !== "/dev/null") return undefined;
    if (isMasked) return { name, sources: [fragment.path], isMasked, sections: new Map() };
    const aliases = [...new Set([...names, fragment.path.slice(fragment.path.lastIndexOf("/") + 1)])];
    const sources = [fragment.path, ...this.#dropInsOf(aliases)];
    return { name, sources, isMasked, sections: parseUnitTexts(sources.map((path) => this.#textOf(path))) };
  }

  #textOf(path: string): string {
    return this.#tree.readFile(path) ?? "";
  }

  #fragmentOf(names: readonly string[]): ResolvedPath | undefined {
    for (const name of names) {
      for (const directory of UNIT_DIRECTORIES) {
        if (this.#namesOf(directory).has(name)) return this.resolve(`${directory}/${name}`);
      }
    }
    return undefined;
  }

  /** Drop-ins sorted by file name; of two with one name the stronger directory's counts. */
  #dropInsOf(names: readonly string[]): string[] {
    const found = new Map<string, ResolvedPath>();
    for (const directory of UNIT_DIRECTORIES) {
      for (const dropInDirectory of names.flatMap(dropInDirectoriesOf)) {
        if (!this.#namesOf(directory).has(dropInDirectory)) continue;
        for (const file of this.#namesOf(`${directory}/${dropInDirectory}`)) {
          if (!file.endsWith(".conf") || found.has(file)) continue;
          found.set(file, this.resolve(`${directory}/${dropInDirectory}/${file}`));
        }
      }
    }
    return [...found.keys()].sort().flatMap((file) => {
      const resolved = found.get(file) as ResolvedPath;
      return resolved.kind === "inside" ? [resolved.path] : [];
    });
  }

  #namesOf(hostDirectory: string): ReadonlySet<string> {
    const resolved = this.resolve(hostDirectory);
    return resolved.kind === "inside" ? this.#namesIn(resolved.path) : new Set();
  }

  #namesIn(realDirectory: string): ReadonlySet<string> {
    let names = this.#unitNames.get(realDirectory);
    if (names === undefined) {
      names = new Set(this.#tree.list(realDirectory) ?? []);
      this.#unitNames.set(realDirectory, names);
    }
    return names;
  }
}

/** Reads each system of a tree once. */
export function readingOnce(tree: SystemTree): (path: string) => SystemObject {
  const systems = new Map<string, SystemObject>();
  return (path) => {
    let system = systems.get(path);
    if (system === undefined) systems.set(path, (system = new SystemObject(tree, path)));
    return system;
  };
}

const UNIT_NAME = /^[^/]+\.(?:service|socket|timer|path|target|mount|automount|swap|slice)$/;

/** `a-b@c.service` has drop-ins in `a-b@c.service.d`, `a-.service.d` and `service.d`, the most specific first. */
function dropInDirectoriesOf(name: string): string[] {
  const type = unitTypeOf(name);
  const stem = name.slice(0, name.length - type.length - 1);
  const directories = [`${name}.d`];
  for (let dash = stem.lastIndexOf("-"); dash > 0; dash = stem.lastIndexOf("-", dash - 1)) {
    directories.push(`${stem.slice(0, dash + 1)}.${type}.d`);
  }
  return [...directories, `${type}.d`];
}
