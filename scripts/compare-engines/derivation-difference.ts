/** Finds where two derivations begin to differ: the deepest pair of inputs that differ by themselves. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDerivation } from "../../src/format/derivation-aterm.ts";
import type { Derivation } from "../../src/format/derivation.ts";
import { DEFAULT_STORE_DIR } from "../../src/format/store-path.ts";

/** A derivation in a store whose `/nix/store` lies at `storeDir`. */
export interface Located {
  readonly drvPath: string;
  readonly storeDir: string;
}

export interface DerivationDifference {
  readonly left: string;
  readonly right: string;
  /** From the derivation asked about down to this one, by name. */
  readonly through: readonly string[];
  readonly fields: readonly { readonly field: string; readonly left: string; readonly right: string }[];
}

/** The first difference on the way down. */
export function firstDifference(left: Located, right: Located): DerivationDifference {
  return descend(left, right, [], new Set());
}

function descend(left: Located, right: Located, through: readonly string[], seen: Set<string>): DerivationDifference {
  seen.add(left.drvPath + right.drvPath);
  const [a, b] = [read(left), read(right)];
  const theirs = byName(b);
  for (const [name, path] of byName(a)) {
    const other = theirs.get(name);
    if (other === undefined || other === path || seen.has(path + other)) continue;
    const next = [
      { ...left, drvPath: path },
      { ...right, drvPath: other },
    ] as const;
    return descend(...next, [...through, name], seen);
  }
  return { left: left.drvPath, right: right.drvPath, through, fields: differingFields(a, b) };
}

function read(located: Located): Derivation {
  const name = located.drvPath.slice(DEFAULT_STORE_DIR.length + 34, -".drv".length);
  const file = join(located.storeDir, located.drvPath.slice(DEFAULT_STORE_DIR.length));
  return parseDerivation(readFileSync(file, "latin1"), name, DEFAULT_STORE_DIR);
}

/** Inputs whose name is theirs alone. */
function byName(drv: Derivation): Map<string, string> {
  const found = new Map<string, string>();
  const repeated = new Set<string>();
  for (const { path } of drv.inputDerivations) {
    if (found.has(path.name)) repeated.add(path.name);
    found.set(path.name, path.render(DEFAULT_STORE_DIR));
  }
  for (const name of repeated) found.delete(name);
  return found;
}

function differingFields(a: Derivation, b: Derivation): DerivationDifference["fields"] {
  const [left, right] = [fieldsOf(a), fieldsOf(b)];
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names].flatMap((field) => {
    const [mine, other] = [left.get(field), right.get(field)];
    return mine === other ? [] : [{ field, left: excerpt(mine, other), right: excerpt(other, mine) }];
  });
}

function fieldsOf(drv: Derivation): Map<string, string> {
  return new Map([
    ["system", drv.system],
    ["builder", drv.builder],
    ["args", JSON.stringify(drv.args)],
    ["inputSources", drv.inputSources.map((path) => path.baseName).join(" ")],
    ["inputDerivations", drv.inputDerivations.map((i) => `${i.path.baseName}!${i.outputs.join(",")}`).join(" ")],
    ["outputs", JSON.stringify([...drv.outputs])],
    ...[...drv.env].map(([name, value]): [string, string] => [`env.${name}`, value]),
  ]);
}

const EXCERPT_CHARS = 120;

/** What surrounds the first character at which a text differs from another. */
function excerpt(text: string | undefined, other: string | undefined): string {
  if (text === undefined) return "(absent)";
  let at = 0;
  while (at < text.length && text[at] === other?.[at]) at++;
  const start = Math.max(0, at - EXCERPT_CHARS / 4);
  return `${start > 0 ? "…" : ""}${JSON.stringify(text.slice(start, start + EXCERPT_CHARS))} (${text.length} bytes)`;
}
