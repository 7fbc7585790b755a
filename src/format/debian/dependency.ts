/** Debian's relationship fields: `Depends: a (>= 1) | b, c` and the like. */

import { FormatError } from "../../base/errors.ts";
import type { VersionConstraint, VersionRelation } from "./version.ts";

/** One package that a relationship names. */
export interface Relation {
  readonly name: string;
  /** `any`, `native` or an architecture, after a colon. */
  readonly qualifier?: string;
  readonly constraint?: VersionConstraint;
}

/** Alternatives, of which any will do, in order of preference. */
export type Clause = readonly Relation[];

/** What a package also counts as. */
export interface Provide {
  readonly name: string;
  /** Without it, the provided name satisfies only relations without a version. */
  readonly version?: string;
}

const RELATION =
  /^([a-zA-Z0-9][a-zA-Z0-9+.-]*)(?::([a-z0-9-]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([0-9A-Za-z][0-9A-Za-z.+~:-]*)\s*\))?\s*(?:\[[^\]]*\])?\s*(?:<[^>]*>\s*)*$/;

/** Reads `Depends`, `Pre-Depends`, `Conflicts`, `Breaks`, …; throws `FormatError`. */
export function parseDependencies(field: string): Clause[] {
  const clauses: Clause[] = [];
  for (const part of field.split(",")) {
    if (part.trim() !== "") clauses.push(part.split("|").map((text) => parseRelation(text.trim())));
  }
  return clauses;
}

/** Reads `Provides`; throws `FormatError`. */
export function parseProvides(field: string): Provide[] {
  return parseDependencies(field).map(([relation, ...more]) => {
    if (relation === undefined || more.length > 0) throw new FormatError("dependency", `alternatives in '${field}'`);
    const { name, constraint } = relation;
    return constraint === undefined ? { name } : { name, version: constraint.version };
  });
}

export function renderRelation(relation: Relation): string {
  const qualifier = relation.qualifier === undefined ? "" : `:${relation.qualifier}`;
  const { constraint } = relation;
  return (
    relation.name + qualifier + (constraint === undefined ? "" : ` (${constraint.relation} ${constraint.version})`)
  );
}

export function renderClause(clause: Clause): string {
  return clause.map(renderRelation).join(" | ");
}

function parseRelation(text: string): Relation {
  const match = RELATION.exec(text);
  if (match === null) throw new FormatError("dependency", `'${text}' is not a package with an optional version`);
  const [, name, qualifier, relation, version] = match;
  return {
    name: name!,
    ...(qualifier === undefined ? {} : { qualifier }),
    ...(relation === undefined ? {} : { constraint: { relation: relationOf(relation), version: version! } }),
  };
}

/** The old `<` and `>` mean "or equal". */
function relationOf(text: string): VersionRelation {
  if (text === "<") return "<=";
  if (text === ">") return ">=";
  return text as VersionRelation;
}
