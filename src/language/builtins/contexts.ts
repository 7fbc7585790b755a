/** String contexts: the store paths a string brings along. */

import { outputPathOf } from "../../format/derivation.ts";
import { StorePath } from "../../format/store-path.ts";
import { attrsOf, attrsOfEntries } from "../eval/attrs.ts";
import { coerceToText, COPY } from "../eval/coerce.ts";
import { type ContextElement, outputElement, parseContextElement } from "../eval/context-element.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectAttrs, expectBoolean, expectList, expectPlainText, expectString, expectText } from "../eval/expect.ts";
import type { EvalState } from "../eval/state.ts";
import { inSymbolOrder } from "../eval/symbol-order.ts";
import { contextOf, stringWithContext } from "../eval/type-name.ts";
import type { Slot } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { byBytes } from "./sets.ts";

function coerced(state: EvalState, slot: Slot, name: string): { readonly text: string; readonly context: Set<string> } {
  const context = new Set<string>();
  const frame = `while evaluating the argument passed to builtins.${name}`;
  return { text: coerceToText(state, slot, context, undefined, frame, COPY), context };
}

/** The path of the derivation whose output an element is, when it is known before anything is built. */
function madeDerivation(state: EvalState, element: Extract<ContextElement, { readonly kind: "dynamic" }>): string {
  let path = element.drvPath;
  for (const [index, output] of element.outputs.slice(0, -1).entries()) {
    const drv = state.derivationAt(path);
    if (!drv.outputs.has(output)) {
      throw invalidError(`derivation '${path}' does not have an output named '${output}'`);
    }
    const made = outputPathOf(drv, output, state.settings.storeDir);
    if (made === undefined) {
      const of = [element.drvPath, ...element.outputs.slice(0, index)].join("^");
      throw invalidError(`cannot operate on output '${output}' of the unbuilt derivation '${of}'`);
    }
    path = made.render(state.settings.storeDir);
  }
  return path;
}

const getContext: BuiltinBody = (state, [string]) => {
  const frame = "while evaluating the argument passed to builtins.getContext";
  const infos = new Map<string, { path: boolean; allOutputs: boolean; outputs: string[] }>();
  const infoOf = (path: string): { path: boolean; allOutputs: boolean; outputs: string[] } => {
    let info = infos.get(path);
    if (info === undefined) infos.set(path, (info = { path: false, allOutputs: false, outputs: [] }));
    return info;
  };
  for (const text of contextOf(expectString(string!, undefined, frame))) {
    const element = parseContextElement(text);
    if (element.kind === "path") infoOf(element.path).path = true;
    else if (element.kind === "closure") infoOf(element.drvPath).allOutputs = true;
    else if (element.kind === "output") infoOf(element.drvPath).outputs.push(element.output);
    else infoOf(madeDerivation(state, element)).outputs.push(element.outputs.at(-1)!);
  }
  return attrsOfEntries(
    [...infos].map(([path, info]) => [
      path,
      attrsOf({
        ...(info.path ? { path: true } : {}),
        ...(info.allOutputs ? { allOutputs: true } : {}),
        ...(info.outputs.length > 0 ? { outputs: info.outputs.sort(byBytes) } : {}),
      }),
    ]),
  );
};

const appendContext: BuiltinBody = (state, [string, additions]) => {
  const context = new Set<string>();
  const firstFrame = "while evaluating the first argument passed to builtins.appendContext";
  const text = expectText(string!, context, undefined, firstFrame);
  const secondFrame = "while evaluating the second argument passed to builtins.appendContext";
  const attrs = expectAttrs(additions!, undefined, secondFrame);
  for (const index of inSymbolOrder(attrs)) {
    const path = attrs.keys[index]!;
    const at = attrs.places?.[index];
    if (!StorePath.parseFull(path, state.settings.storeDir).ok) {
      throw invalidError(`context key '${path}' is not a store path`, at);
    }
    const info = expectAttrs(attrs.values[index]!, at, "while evaluating the value of a string context");
    const isSet = (name: string): boolean => {
      const slot = info.get(name);
      const frame = `while evaluating the \`${name}\` attribute of a string context`;
      return slot !== undefined && expectBoolean(slot, info.placeOf(name), frame);
    };
    if (isSet("path")) context.add(path);
    if (isSet("allOutputs")) {
      if (!path.endsWith(".drv")) {
        throw invalidError(`tried to add all-outputs context of ${path}, which is not a derivation, to a string`, at);
      }
      context.add(`=${path}`);
    }
    const outputs = info.get("outputs");
    if (outputs === undefined) continue;
    const place = info.placeOf("outputs");
    const list = expectList(outputs, place, "while evaluating the `outputs` attribute of a string context");
    if (list.length > 0 && !path.endsWith(".drv")) {
      throw invalidError(
        `tried to add derivation output context of ${path}, which is not a derivation, to a string`,
        at,
      );
    }
    const nameFrame = "while evaluating an output name within a string context";
    for (const output of list) context.add(outputElement(path, expectPlainText(output, place, nameFrame)));
  }
  return stringWithContext(text, context);
};

const addDrvOutputDependencies: BuiltinBody = (state, [string]) => {
  const { text, context } = coerced(state, string!, "addDrvOutputDependencies");
  if (context.size !== 1) {
    throw invalidError(`context of string '${text}' must have exactly one element, but has ${context.size}`);
  }
  const [only] = context;
  const element = parseContextElement(only!);
  if (element.kind === "output" || element.kind === "dynamic") {
    const output = element.kind === "output" ? element.output : element.outputs.at(-1)!;
    throw invalidError(
      `\`addDrvOutputDependencies\` can only act on derivations, not on a derivation output such as '${output}'`,
    );
  }
  if (element.kind === "path" && !element.path.endsWith(".drv")) {
    throw invalidError(`path '${element.path}' is not a derivation`);
  }
  return stringWithContext(text, new Set([element.kind === "path" ? `=${element.path}` : only!]));
};

export const contextBuiltins: Builtins = {
  unsafeDiscardStringContext: [1, (state, [string]) => coerced(state, string!, "unsafeDiscardStringContext").text],
  hasContext: [
    1,
    (_state, [string]) =>
      contextOf(expectString(string!, undefined, "while evaluating the argument passed to builtins.hasContext")).size >
      0,
  ],
  unsafeDiscardOutputDependency: [
    1,
    (state, [string]) => {
      const { text, context } = coerced(state, string!, "unsafeDiscardOutputDependency");
      return stringWithContext(
        text,
        new Set([...context].map((element) => (element.startsWith("=") ? element.slice(1) : element))),
      );
    },
  ],
  addDrvOutputDependencies: [1, addDrvOutputDependencies],
  getContext: [1, getContext],
  appendContext: [2, appendContext],
};
