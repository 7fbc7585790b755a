/**
 * Resolves package names to a closed set of packages. Pure and independent of the order of anything.
 *
 * Recommends are not followed, and neither is what only maintainer scripts need, because they never run.
 */

import { OperationError } from "../../base/errors.ts";
import {
  type Clause,
  parseDependencies,
  type Relation,
  renderClause,
  renderRelation,
} from "../../format/debian/dependency.ts";
import { satisfies } from "../../format/debian/version.ts";
import { renderSuggestions, suggestionsFor } from "../../language/eval/suggestions.ts";
import { clausesOf, type PackageIndex, type PackageRecord } from "./suite-packages.ts";

export interface ResolvedPackage {
  readonly record: PackageRecord;
  /** Names of the resolved packages it depends on directly, sorted. */
  readonly depends: readonly string[];
}

/** Two resolved packages that Debian says do not go together; on different hosts of a fleet they do. */
export interface Conflict {
  readonly name: string;
  readonly other: string;
  readonly field: "Conflicts" | "Breaks";
  readonly relation: string;
}

export interface Resolution {
  /** By name, sorted. */
  readonly packages: ReadonlyMap<string, ResolvedPackage>;
  readonly conflicts: readonly Conflict[];
}

/** Needed by maintainer scripts only. A package asked for by name is taken all the same. */
export const IGNORED_DEPENDENCIES: ReadonlySet<string> = new Set([
  "adduser",
  "cdebconf",
  "deb-systemd",
  "debconf",
  "debconf-2.0",
  "dpkg",
  "init-system-helpers",
  "install-info",
  "libdebconfclient0",
  "lsb-base",
  "runit-helper",
  "sensible-utils",
  "sysvinit-utils",
  "ucf",
  "update-inetd",
]);

/** Resolves `names`; throws `LOCK_PACKAGE_MISSING` or `LOCK_UNRESOLVABLE`. */
export function resolvePackages(index: PackageIndex, names: Iterable<string>): Resolution {
  const requested = [...new Set(names)].sort();
  checkNames(index, requested);
  const resolver = new Resolver(index, new Set(requested));
  return resolver.resolve(requested);
}

interface Need {
  readonly clause: Clause;
  /** Packages that satisfy it, in order of preference. */
  readonly options: readonly string[];
}

class Resolver {
  readonly #index: PackageIndex;
  readonly #requested: ReadonlySet<string>;
  readonly #needs = new Map<string, readonly Need[]>();
  /** Who brought a package in, and by which clause. */
  readonly #parents = new Map<string, { readonly name: string; readonly clause: Clause } | undefined>();

  constructor(index: PackageIndex, requested: ReadonlySet<string>) {
    this.#index = index;
    this.#requested = requested;
  }

  resolve(names: readonly string[]): Resolution {
    for (const name of names) this.#parents.set(name, undefined);
    const queue = [...names];
    for (;;) {
      // First everything without a choice, so that a choice can prefer what is there anyway.
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
        const needs = this.#needsOf(name);
        this.#needs.set(name, needs);
        for (const { clause, options } of needs) {
          if (options.length === 1) this.#take(options[0]!, { name, clause }, queue);
        }
      }
      const open = this.#openNeed();
      if (open === undefined) return this.#result();
      this.#take(open.need.options[0]!, { name: open.name, clause: open.need.clause }, queue);
    }
  }

  #take(name: string, parent: { readonly name: string; readonly clause: Clause }, queue: string[]): void {
    if (this.#parents.has(name)) return;
    this.#parents.set(name, parent);
    queue.push(name);
  }

  #openNeed(): { readonly name: string; readonly need: Need } | undefined {
    for (const name of [...this.#needs.keys()].sort()) {
      for (const need of this.#needs.get(name)!) {
        if (!need.options.some((option) => this.#parents.has(option))) return { name, need };
      }
    }
    return undefined;
  }

  #needsOf(name: string): Need[] {
    const needs: Need[] = [];
    for (const clause of clausesOf(this.#index.get(name)!)) {
      if (clause.some((one) => IGNORED_DEPENDENCIES.has(one.name) && !this.#requested.has(one.name))) continue;
      const options = [...new Set(clause.flatMap((relation) => this.#optionsOf(relation)))];
      if (options.length === 0) throw this.#unresolvable(name, clause);
      // A package may satisfy what it needs by what it provides.
      if (!options.includes(name)) needs.push({ clause, options });
    }
    return needs;
  }

  /** The package of that name, then those that provide it. */
  #optionsOf(relation: Relation): string[] {
    const { name, qualifier, constraint } = relation;
    if (qualifier !== undefined && qualifier !== "any" && qualifier !== "native") return [];
    const options: string[] = [];
    const real = this.#index.get(name);
    if (real !== undefined && (constraint === undefined || satisfies(real.version, constraint))) options.push(name);
    for (const { record, version } of this.#index.providers(name)) {
      if (constraint === undefined || (version !== undefined && satisfies(version, constraint))) {
        options.push(record.name);
      }
    }
    return options;
  }

  #result(): Resolution {
    const packages = new Map<string, ResolvedPackage>();
    for (const name of [...this.#parents.keys()].sort()) {
      const depends = this.#needs.get(name)!.map(({ options }) => options.find((one) => this.#parents.has(one))!);
      packages.set(name, { record: this.#index.get(name)!, depends: [...new Set(depends)].sort() });
    }
    return { packages, conflicts: findConflicts(packages) };
  }

  #unresolvable(name: string, clause: Clause): OperationError {
    const lines = [`${name} needs ${renderClause(clause)}`];
    for (const relation of clause) {
      const real = this.#index.get(relation.name);
      if (real !== undefined) lines.push(`${relation.name} is there in version ${real.version} only`);
      else lines.push(`${renderRelation(relation)} does not exist`);
    }
    let child = name;
    for (let parent = this.#parents.get(child); parent !== undefined; parent = this.#parents.get(child)) {
      lines.push(`${child} is needed by ${parent.name} (${renderClause(parent.clause)})`);
      child = parent.name;
    }
    lines.push(`${child} is asked for by the fleet`);
    return new OperationError(
      "LOCK_UNRESOLVABLE",
      `the dependencies of ${name} cannot be met\n  ${lines.join("\n  ")}`,
      {
        hint: "the mirror may be in the middle of an update: try again later, or leave the package out",
      },
    );
  }
}

function checkNames(index: PackageIndex, names: readonly string[]): void {
  const missing = names.filter((name) => index.get(name) === undefined);
  if (missing.length === 0) return;
  const lines = missing.map((name) => {
    const providers = index.providers(name).map(({ record }) => record.name);
    if (providers.length > 0) return `'${name}' is a virtual package: name one of ${providers.slice(0, 6).join(", ")}`;
    return `there is no package '${name}'. ${renderSuggestions(similarNames(index, name))}`.trimEnd();
  });
  throw new OperationError("LOCK_PACKAGE_MISSING", lines.join("\n"), {
    hint: "correct the name in the fleet's configuration",
  });
}

/** Names that continue what was written, such as a library with its version, else those that could be a slip. */
function similarNames(index: PackageIndex, name: string): readonly string[] {
  const longer = [...index.names()].filter((other) => name.length > 2 && other.startsWith(name));
  longer.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return longer.length > 0 ? longer.slice(0, 3) : suggestionsFor(name, index.names());
}

function findConflicts(packages: ReadonlyMap<string, ResolvedPackage>): Conflict[] {
  const conflicts: Conflict[] = [];
  const providers = new Map<string, { readonly name: string; readonly version: string | undefined }[]>();
  for (const { record } of packages.values()) {
    for (const { name, version } of record.provides) {
      providers.set(name, [...(providers.get(name) ?? []), { name: record.name, version }]);
    }
  }
  for (const { record } of packages.values()) {
    for (const [field, text] of [
      ["Conflicts", record.conflicts],
      ["Breaks", record.breaks],
    ] as const) {
      for (const [relation] of parseDependencies(text)) {
        if (relation === undefined) continue;
        const real = packages.get(relation.name)?.record;
        const found = [
          ...(real === undefined ? [] : [{ name: real.name, version: real.version as string | undefined }]),
          ...(providers.get(relation.name) ?? []),
        ];
        for (const other of found) {
          const { constraint } = relation;
          const matches =
            constraint === undefined || (other.version !== undefined && satisfies(other.version, constraint));
          if (other.name === record.name || !matches) continue;
          conflicts.push({ name: record.name, other: other.name, field, relation: renderRelation(relation) });
        }
      }
    }
  }
  return conflicts;
}
