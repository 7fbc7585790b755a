/** The packages of a suite for one architecture, the newest version of each over all sources. Pure. */

import { controlStanzas, type ControlStanza } from "../../format/debian/control.ts";
import { type Clause, parseDependencies, parseProvides, type Provide } from "../../format/debian/dependency.ts";
import { compareVersions } from "../../format/debian/version.ts";
import { FormatError } from "../../base/errors.ts";

export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** Index of the source it comes from. */
  readonly source: number;
  /** Below the source's address. */
  readonly filename: string;
  readonly sha256: string;
  readonly size: number;
  /** In KiB, as Debian gives it. */
  readonly installedSize: number;
  readonly priority: string;
  /** What must be there for it to work: `Pre-Depends`, then `Depends`. */
  readonly depends: string;
  readonly conflicts: string;
  readonly breaks: string;
  readonly provides: readonly Provide[];
}

export interface Provider {
  readonly record: PackageRecord;
  readonly version: string | undefined;
}

const FIELDS: ReadonlySet<string> = new Set([
  "package",
  "version",
  "filename",
  "sha256",
  "size",
  "installed-size",
  "priority",
  "pre-depends",
  "depends",
  "provides",
  "conflicts",
  "breaks",
]);

const PRIORITIES: readonly string[] = ["required", "important", "standard", "optional", "extra"];

export class PackageIndex {
  readonly #records = new Map<string, PackageRecord>();
  #providers: Map<string, Provider[]> | undefined;

  /** Adds the stanzas of a `Packages` file; throws `FormatError`. Of equal versions the first source's stays. */
  add(text: string, source: number): void {
    for (const stanza of controlStanzas(text, FIELDS)) {
      const record = recordOf(stanza, source);
      const known = this.#records.get(record.name);
      if (known === undefined || compareVersions(record.version, known.version) > 0) {
        this.#records.set(record.name, record);
      }
    }
    this.#providers = undefined;
  }

  get size(): number {
    return this.#records.size;
  }

  get(name: string): PackageRecord | undefined {
    return this.#records.get(name);
  }

  names(): Iterable<string> {
    return this.#records.keys();
  }

  /** Packages that provide a name, the most fundamental first, then by name. */
  providers(name: string): readonly Provider[] {
    this.#providers ??= this.#collectProviders();
    return this.#providers.get(name) ?? [];
  }

  /** Versions by name, for evaluating a fleet before anything is locked. */
  versions(): Record<string, string> {
    return Object.fromEntries([...this.#records.values()].map(({ name, version }) => [name, version]));
  }

  #collectProviders(): Map<string, Provider[]> {
    const providers = new Map<string, Provider[]>();
    for (const record of this.#records.values()) {
      for (const { name, version } of record.provides) {
        const list = providers.get(name);
        if (list === undefined) providers.set(name, [{ record, version }]);
        else list.push({ record, version });
      }
    }
    const rank = (record: PackageRecord): number => PRIORITIES.indexOf(record.priority);
    for (const list of providers.values()) {
      list.sort((a, b) => rank(a.record) - rank(b.record) || (a.record.name < b.record.name ? -1 : 1));
    }
    return providers;
  }
}

/** The clauses a package needs. */
export function clausesOf(record: PackageRecord): Clause[] {
  return parseDependencies(record.depends);
}

function recordOf(stanza: ControlStanza, source: number): PackageRecord {
  const name = stanza.get("package") ?? "";
  const required = (field: string): string => {
    const value = stanza.get(field);
    if (value === undefined) throw new FormatError("Packages", `'${name}' has no ${field}`);
    return value;
  };
  const filename = required("filename");
  const sha256 = required("sha256");
  const size = Number(required("size"));
  if (!/^[a-z0-9][a-z0-9+.-]*$/.test(name)) throw new FormatError("Packages", `'${name}' is not a package name`);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new FormatError("Packages", `'${name}' has a broken SHA256`);
  if (!Number.isSafeInteger(size) || size < 0) throw new FormatError("Packages", `'${name}' has a broken size`);
  if (filename.startsWith("/") || /(^|\/)\.\.(\/|$)/.test(filename)) {
    throw new FormatError("Packages", `'${name}' has a file name that leads elsewhere`);
  }
  const provides = stanza.get("provides");
  return {
    name,
    version: required("version"),
    source,
    filename,
    sha256,
    size,
    installedSize: Number(stanza.get("installed-size") ?? "0") || 0,
    priority: stanza.get("priority") ?? "optional",
    depends: [stanza.get("pre-depends"), stanza.get("depends")].filter((field) => field !== undefined).join(", "),
    conflicts: stanza.get("conflicts") ?? "",
    breaks: stanza.get("breaks") ?? "",
    provides: provides === undefined ? [] : parseProvides(provides),
  };
}
