/** Sets that are shown member by member: what each shows follows from it alone. */

import { DerivationSearch, type FoundDerivation, SEARCHED_NAME } from "../../language/eval/derivations-of.ts";
import { isDerivation } from "../../language/eval/equality.ts";
import { Attrs } from "../../language/eval/attrs.ts";
import type { EvalState } from "../../language/eval/state.ts";
import type { Value } from "../../language/eval/value.ts";
import { renderJsonMember } from "../../language/eval/value-json.ts";
import type { EvaluationRequest } from "../evaluation-request.ts";

/** A set with its members in the order in which they are shown. */
export interface MemberSet {
  readonly names: readonly string[];
  /** What one member shows. */
  readonly render: (name: string) => string;
}

/** Whether the request is for a set that may be shown member by member, if it comes to one. */
export function canSplit(request: EvaluationRequest): boolean {
  const { output, attrPath, apply, perMember } = request;
  if (request.part !== undefined || apply !== undefined) return false;
  if (output === "json") return perMember === true;
  return output === "drv" && (attrPath === undefined || attrPath === "");
}

/**
 * The members of a value that has been called already, if it is a function; `undefined` for what is shown as a whole. A
 * derivation is shown where it is found first, by all members that are rendered one after the other or, when they are
 * `separate`, by each.
 */
export function memberSetOf(
  state: EvalState,
  value: Value,
  args: Attrs,
  options: { readonly output: EvaluationRequest["output"]; readonly separate: boolean },
): MemberSet | undefined {
  const { output, separate } = options;
  if (!(value instanceof Attrs)) return undefined;
  const { keys } = value;
  if (output === "drv") {
    if (isDerivation(value)) return undefined;
    const common = new DerivationSearch(state, args);
    const search = (): DerivationSearch => (separate ? new DerivationSearch(state, args) : common);
    return {
      names: keys.filter((name) => SEARCHED_NAME.test(name)),
      render: (name) => renderDerivations(search().member(value, name)),
    };
  }
  if (!isJsonObject(value) || !keys.every((name) => SEARCHED_NAME.test(name))) return undefined;
  const render = (name: string): string =>
    renderJsonMember(state, value, keys.indexOf(name), new Set(), { copyPaths: true });
  return { names: keys, render };
}

/** Whether a set becomes an object in JSON, with its attributes as members. */
function isJsonObject(value: Attrs): boolean {
  return !value.has("__toString") && !value.has("outPath");
}

/** The paths of derivations, one a line, with outputs other than the usual. */
export function renderDerivations(found: readonly FoundDerivation[]): string {
  return found.map(({ drvPath, outputName }) => `${drvPath}${outputName === "out" ? "" : `!${outputName}`}`).join("\n");
}

/** What a set shows whose members show `texts`. */
export function joinMembers(output: EvaluationRequest["output"], texts: ReadonlyMap<string, string>): string {
  if (output === "drv") return [...texts.values()].filter((text) => text !== "").join("\n");
  return `{${[...texts].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
}
