/** The outputs of a flake: selecting one by the name a user gave, and looking into them. */

import { renderFlakeReference } from "../../format/input/flake-reference.ts";
import { Attrs } from "../../language/eval/attrs.ts";
import { parseAttrPath } from "../../language/eval/attr-path.ts";
import { EvalError } from "../../language/eval/eval-error.ts";
import { expectAttrs } from "../../language/eval/expect.ts";
import { editDistance } from "../../language/eval/suggestions.ts";
import { force } from "../../language/eval/thunk.ts";
import type { Value } from "../../language/eval/value.ts";
import { callFlake } from "../../language/flake/call-flake.ts";
import type { OpenFlake } from "./open-flake.ts";

/** Names further away than this are no slip of the fingers. */
const DISTANCE_MAX = 2;
const SUGGESTIONS_MAX = 5;

/** What `outputs` of a flake answered. */
export function outputsOf({ context, locked }: OpenFlake): Attrs {
  const flake = expectAttrs(callFlake(context, locked), undefined, "while evaluating a flake to get its outputs");
  return expectAttrs(flake.get("outputs")!, undefined, "while evaluating the outputs of a flake");
}

/** The first of the attribute paths a fragment may mean that is there. */
export function selectOutput(
  flake: OpenFlake,
  options: { readonly defaults: readonly string[]; readonly prefixes: readonly string[] },
): Value {
  const { fragment } = flake;
  const paths = pathsOf(fragment, options);
  const outputs = outputsOf(flake);
  const suggestions = new Map<string, number>();
  for (const path of paths) {
    const found = followPath(outputs, parseAttrPath(path), suggestions);
    if (found !== undefined) return found.value;
  }
  const names = paths.map((path) => `'${path}'`);
  const shown = names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)!}`;
  const message = `flake '${renderFlakeReference(flake.reference)}' does not provide attribute ${shown}`;
  const nearest = [...suggestions].sort(([a, near], [b, far]) => near - far || (a < b ? -1 : 1)).map(([name]) => name);
  throw new EvalError({ kind: "output-missing", message, suggestions: nearest.slice(0, SUGGESTIONS_MAX) }, undefined);
}

function pathsOf(
  fragment: string,
  options: { readonly defaults: readonly string[]; readonly prefixes: readonly string[] },
): readonly string[] {
  if (fragment === "") return options.defaults;
  if (fragment.startsWith(".")) return [fragment.slice(1)];
  return [...options.prefixes.map((prefix) => prefix + fragment), fragment];
}

function followPath(
  root: Attrs,
  path: readonly string[],
  suggestions: Map<string, number>,
): { readonly value: Value } | undefined {
  let value: Value = root;
  for (const name of path) {
    if (!(value instanceof Attrs)) return undefined;
    const slot = value.get(name);
    if (slot === undefined) {
      for (const key of value.keys) {
        const distance = editDistance(name, key);
        if (distance <= DISTANCE_MAX) suggestions.set(key, Math.min(distance, suggestions.get(key) ?? distance));
      }
      return undefined;
    }
    value = force(slot, value.placeOf(name));
  }
  return { value };
}
