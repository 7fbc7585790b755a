/** `outputOf`: outputs of derivations that may be outputs themselves. */

import { downstreamPlaceholder, outputPathOf } from "../../format/derivation.ts";
import { parseContextElement, outputElement } from "../eval/context-element.ts";
import { EvalError, invalidError, withFrame } from "../eval/eval-error.ts";
import { expectPlainText, expectText } from "../eval/expect.ts";
import type { EvalState } from "../eval/state.ts";
import { ContextString, type Slot } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { outputText } from "./derivations.ts";
import { requireFeature } from "./features.ts";

/** A store path, or an output of the derivation there, or an output of that one, and so on. */
interface DerivedPath {
  readonly path: string;
  readonly outputs: readonly string[];
}

const FIRST = "while evaluating the first argument to builtins.outputOf";

const outputOf: BuiltinBody = (state, [reference, name]) => {
  const drv = derivedPathOf(state, reference!);
  const output = expectPlainText(name!, undefined, "while evaluating the second argument to builtins.outputOf");
  const { path } = drv;
  const outputs = [...drv.outputs, output];
  return new ContextString(textOf(state, { path, outputs }), new Set([outputElement(path, ...outputs)]));
};

/** What a string stands for that depends on one thing and is that thing. */
function derivedPathOf(state: EvalState, slot: Slot): DerivedPath {
  const context = new Set<string>();
  const text = expectText(slot, context, undefined, FIRST);
  if (context.size !== 1) {
    throw refusal(`string '${text}' has ${context.size} entries in its context. It should only have exactly one entry`);
  }
  const [element] = context;
  const parsed = parseContextElement(element!);
  switch (parsed.kind) {
    case "closure":
      throw refusal(
        `string '${text}' has a context which refers to a complete source and binary closure. This is not supported at this time`,
      );
    case "path":
      if (text === parsed.path) return { path: text, outputs: [] };
      throw refusal(`path string '${text}' has context with the different path '${parsed.path}'`);
    case "output":
    case "dynamic": {
      const outputs = parsed.kind === "output" ? [parsed.output] : parsed.outputs;
      const found = { path: parsed.drvPath, outputs };
      const expected = textOf(state, found);
      if (text === expected) return found;
      const of = [found.path, ...outputs.slice(0, -1)].join("^");
      throw refusal(
        `string '${text}' has context with the output '${outputs.at(-1)!}' from derivation '${of}', but the string is not the right placeholder for this derivation output. It should be '${expected}'`,
      );
    }
  }
}

/** The path of an output, or what stands for it until it is known. */
function textOf(state: EvalState, { path, outputs }: DerivedPath): string {
  const drvPath = state.storePathOf(path);
  const [first, ...inner] = outputs;
  if (first !== undefined && inner.length === 0) {
    if (!drvPath.isDerivation) throw world(`store path '${drvPath.baseName}' is not a valid derivation path`);
    const drv = state.derivationAt(path);
    if (!drv.outputs.has(first)) throw world(`derivation '${path}' does not have output '${first}'`);
    if (outputPathOf(drv, first, state.settings.storeDir) === undefined) requireFeature(state, "ca-derivations");
    return outputText(state, drv, drvPath, first);
  }
  if (first === undefined) return path;
  requireFeature(state, "ca-derivations");
  requireFeature(state, "dynamic-derivations", `placeholder for unknown derivation output '${outputs.at(-1)!}'`);
  return downstreamPlaceholder(drvPath, first, ...inner);
}

function refusal(message: string): Error {
  return withFrame(invalidError(message), FIRST, undefined) as Error;
}

function world(message: string): EvalError {
  return new EvalError({ kind: "world", message }, undefined);
}

export const outputOfBuiltins: Builtins = { outputOf: [2, outputOf] };
