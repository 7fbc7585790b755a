/** Derivations: from the attributes of a set to a store derivation and its output paths. */

import { type ContentAddressMethod } from "../../format/content-address.ts";
import {
  type Derivation,
  type DerivationOutput,
  type InputDerivation,
  downstreamPlaceholder,
  outputPathOf,
  outputPlaceholder,
  type UsedOutputs,
} from "../../format/derivation.ts";
import { type HashAlgorithm, parseHashAlgorithm } from "../../format/hash.ts";
import { compareStorePaths, type StorePath } from "../../format/store-path.ts";
import { renderIdentifier } from "../print/identifier.ts";
import { Attrs, Shape } from "../eval/attrs.ts";
import { asking, coerceToText, COPY_MORE } from "../eval/coerce.ts";
import { outputElement, parseContextElement } from "../eval/context-element.ts";
import { EvalError, invalidError, withFrame } from "../eval/eval-error.ts";
import { expectAttrs, expectBoolean, expectList, expectPlainText, expectText } from "../eval/expect.ts";
import { renderPlace } from "../eval/place-text.ts";
import type { EvalState } from "../eval/state.ts";
import { force } from "../eval/thunk.ts";
import { ContextString, type Slot, type Value } from "../eval/value.ts";
import { renderJson, renderJsonString } from "../eval/value-json.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { requiredAttr } from "./control.ts";
import { requireFeature } from "./features.ts";
import { hashOrPlaceholder } from "./hashes.ts";
import { checkReadBack } from "./read-back.ts";
import { checkStoreName } from "./store-names.ts";
import { byBytes } from "./sets.ts";

/** What the attributes of a derivation come to, before its paths are known. */
interface Draft {
  readonly name: string;
  readonly context: Set<string>;
  readonly env: Map<string, string>;
  readonly args: string[];
  /** Members of the JSON object of structured attributes, rendered. */
  readonly json: Map<string, string> | undefined;
  builder: string;
  system: string;
  outputs: readonly string[];
  outputHash: string | undefined;
  outputHashAlgorithm: HashAlgorithm | undefined;
  method: ContentAddressMethod | undefined;
  isContentAddressed: boolean;
  isImpure: boolean;
}

const derivationStrict: BuiltinBody = (state, [argument]) => {
  const attrs = expectAttrs(argument!, undefined, "while evaluating the argument passed to builtins.derivationStrict");
  const nameSlot = requiredAttr(attrs, "name", "in the attrset passed as argument to builtins.derivationStrict");
  const place = attrs.placeOf("name");
  let name: string;
  try {
    const frame = "while evaluating the `name` attribute passed to builtins.derivationStrict";
    name = expectPlainText(nameSlot, undefined, frame);
  } catch (error) {
    throw withFrame(error, "while evaluating the derivation attribute 'name'", place);
  }
  try {
    return instantiate(state, name, attrs);
  } catch (error) {
    const where = place === undefined ? "«none»:0" : renderPlace(place);
    throw withFrame(
      error,
      `while evaluating derivation '${name}'\n  whose name attribute is located at ${where}`,
      undefined,
    );
  }
};

function instantiate(state: EvalState, name: string, attrs: Attrs): Value {
  try {
    checkStoreName(name);
  } catch (error) {
    if (!(error instanceof EvalError)) throw error;
    throw invalidError(`invalid derivation name: ${error.message}. Please pass a different 'name'.`);
  }
  const draft = draftOf(state, name, attrs);
  const { storeDir } = state.settings;
  const made = asking(() => state.hasher.instantiate(derivationOf(state, draft)));
  const { drv } = made;
  const drvPath = made.path.render(storeDir);
  const references = made.references.map((path) => path.render(storeDir));
  if (!state.derivations.has(drvPath)) {
    if (state.settings.writesStore) checkReadBack(state, made);
    state.derivations.set(drvPath, { drv, references });
    asking(() => state.host.addDerivation(drvPath, name, made.aterm, references));
  }
  const result = shapeOf(drv);
  const values = result.keys.map((key): Slot =>
    key === "drvPath"
      ? new ContextString(drvPath, new Set([`=${drvPath}`]))
      : new ContextString(outputText(state, drv, made.path, key), new Set([outputElement(drvPath, key)])),
  );
  return new Attrs(result, values);
}

const JUST_OUT = new Shape(["drvPath", "out"], undefined, true);

/** The names of what `derivationStrict` answers. */
function shapeOf({ outputs }: Derivation): Shape {
  return outputs.size === 1 && outputs.has("out") ? JUST_OUT : new Shape(["drvPath", ...outputs.keys()].sort(byBytes));
}

/** An output's path, or what stands for it until it has been built. */
export function outputText(state: EvalState, drv: Derivation, drvPath: StorePath, output: string): string {
  const { storeDir } = state.settings;
  return outputPathOf(drv, output, storeDir)?.render(storeDir) ?? downstreamPlaceholder(drvPath, output);
}

function draftOf(state: EvalState, name: string, attrs: Attrs): Draft {
  const flag = (key: string): boolean => {
    const slot = attrs.get(key);
    const frame = `while evaluating the \`${key}\` attribute passed to builtins.derivationStrict`;
    return slot !== undefined && expectBoolean(slot, undefined, frame);
  };
  const isStructured = flag("__structuredAttrs");
  const ignoresNulls = flag("__ignoreNulls");
  const draft: Draft = {
    name,
    context: new Set(),
    env: new Map(),
    args: [],
    json: isStructured ? new Map() : undefined,
    builder: "",
    system: "",
    outputs: ["out"],
    outputHash: undefined,
    outputHashAlgorithm: undefined,
    method: undefined,
    isContentAddressed: false,
    isImpure: false,
  };
  const { keys, values } = attrs;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (key === "__ignoreNulls") continue;
    const slot = values[i]!;
    try {
      if (ignoresNulls && force(slot) === null) continue;
      takeAttr(state, draft, key, slot);
    } catch (error) {
      throw withFrame(
        error,
        `while evaluating attribute '${renderIdentifier(key)}' of derivation '${name}'`,
        attrs.places?.[i],
      );
    }
  }
  return draft;
}

function takeAttr(state: EvalState, draft: Draft, key: string, slot: Slot): void {
  switch (key) {
    case "__contentAddressed":
      draft.isContentAddressed = expectBoolean(slot, undefined, "");
      if (draft.isContentAddressed) requireFeature(state, "ca-derivations");
      return;
    case "__impure":
      draft.isImpure = expectBoolean(slot, undefined, "");
      if (draft.isImpure) requireFeature(state, "impure-derivations");
      return;
    case "args": {
      const frame = "while evaluating an element of the argument list";
      for (const arg of expectList(slot, undefined, "")) {
        draft.args.push(coerceToText(state, arg, draft.context, undefined, frame, COPY_MORE));
      }
      return;
    }
    default:
      if (draft.json === undefined) takeVariable(state, draft, key, slot);
      else if (key !== "__structuredAttrs") takeStructured(state, draft, draft.json, key, slot);
  }
}

/** An attribute that becomes a variable of the builder's environment. */
function takeVariable(state: EvalState, draft: Draft, key: string, slot: Slot): void {
  const text = coerceToText(state, slot, draft.context, undefined, "", COPY_MORE);
  draft.env.set(key, text);
  if (key === "__json") {
    state.host.warn(
      `In derivation '${draft.name}': setting structured attributes via '__json' is deprecated, and may be disallowed in future versions of Nix. Set '__structuredAttrs = true' instead.`,
      false,
    );
  } else if (key === "builder") draft.builder = text;
  else if (key === "system") draft.system = text;
  else if (key === "outputHash") draft.outputHash = text;
  else if (key === "outputHashAlgo") draft.outputHashAlgorithm = algorithmNamed(state, text);
  else if (key === "outputHashMode") draft.method = methodOf(state, draft.name, text);
  else if (key === "outputs") draft.outputs = outputNames(text.split(/[ \t\n\r]+/).filter((part) => part !== ""));
}

const CHECKS_MOVED = new Set([
  "allowedReferences",
  "allowedRequisites",
  "disallowedReferences",
  "disallowedRequisites",
  "maxSize",
  "maxClosureSize",
]);

/** An attribute of a derivation with structured attributes. */
function takeStructured(state: EvalState, draft: Draft, json: Map<string, string>, key: string, slot: Slot): void {
  json.set(key, renderJson(state, slot, draft.context, { copyPaths: true }));
  const plain = (): string => expectPlainText(slot, undefined, "");
  if (key === "builder") draft.builder = expectText(slot, draft.context, undefined, "");
  else if (key === "system") draft.system = plain();
  else if (key === "outputHash") draft.outputHash = plain();
  else if (key === "outputHashAlgo") draft.outputHashAlgorithm = algorithmNamed(state, plain());
  else if (key === "outputHashMode") draft.method = methodOf(state, draft.name, plain());
  else if (key === "outputs") {
    draft.outputs = outputNames(expectList(slot, undefined, "").map((name) => expectPlainText(name, undefined, "")));
  } else if (CHECKS_MOVED.has(key)) {
    state.host.warn(
      `In a derivation named '${draft.name}', 'structuredAttrs' disables the effect of the derivation attribute '${key}'; use 'outputChecks.<output>.${key}' instead`,
      false,
    );
  }
}

/** A name that is no algorithm says as little as none. */
function algorithmNamed(state: EvalState, name: string): HashAlgorithm | undefined {
  const algorithm = parseHashAlgorithm(name);
  if (algorithm === "blake3") requireFeature(state, "blake3-hashes");
  return algorithm;
}

function methodOf(state: EvalState, name: string, mode: string): ContentAddressMethod {
  switch (mode) {
    case "recursive":
    case "nar":
      return "nar";
    case "flat":
      return "flat";
    case "text":
      requireFeature(state, "dynamic-derivations", `text-hashed derivation '${name}', outputHashMode = "text"`);
      return "text";
    case "git":
      requireFeature(state, "git-hashing");
      return "git";
    default:
      throw invalidError(`invalid value '${mode}' for 'outputHashMode' attribute`);
  }
}

function outputNames(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw invalidError(`duplicate derivation output '${name}'`);
    if (name === "drvPath") throw invalidError("invalid derivation output name 'drvPath'");
    seen.add(name);
  }
  if (names.length === 0) throw invalidError("derivation cannot have an empty set of outputs");
  return names;
}

function derivationOf(state: EvalState, draft: Draft): Derivation & { readonly env: Map<string, string> } {
  const { inputDerivations, inputSources } = inputsOf(state, draft.context);
  if (draft.builder === "") throw invalidError("required attribute 'builder' missing");
  if (draft.system === "") throw invalidError("required attribute 'system' missing");
  const makesDerivation = draft.method === "text" && draft.outputs.length === 1 && draft.outputs[0] === "out";
  if (draft.name.endsWith(".drv") && !makesDerivation) {
    throw invalidError("derivation names are allowed to end in '.drv' only if they produce a single derivation file");
  }
  const { env } = draft;
  if (draft.json !== undefined) {
    const members = [...draft.json].sort(([a], [b]) => byBytes(a, b));
    env.set("__json", `{${members.map(([key, text]) => `${renderJsonString(key)}:${text}`).join(",")}}`);
  }
  const outputs = outputsOf(state, draft);
  for (const [output, { kind }] of outputs) {
    env.set(output, kind === "floating" || kind === "impure" ? outputPlaceholder(output) : "");
  }
  return {
    name: draft.name,
    outputs,
    inputDerivations,
    inputSources,
    system: draft.system,
    builder: draft.builder,
    args: draft.args,
    env,
  };
}

function outputsOf(state: EvalState, draft: Draft): Map<string, DerivationOutput> {
  // In byte order, as Nix's are: of several bad names the first one is told of.
  const outputs = draft.outputs.toSorted(byBytes);
  if (draft.outputHash !== undefined) {
    if (outputs.length !== 1 || outputs[0] !== "out") {
      throw invalidError("multiple outputs are not supported in fixed-output derivations");
    }
    const hash = hashOrPlaceholder(state, draft.outputHash, draft.outputHashAlgorithm);
    return new Map([["out", { kind: "fixed", method: draft.method ?? "flat", hash }]]);
  }
  if (draft.isContentAddressed && draft.isImpure) {
    throw invalidError("derivation cannot be both content-addressed and impure");
  }
  if (draft.isContentAddressed || draft.isImpure) {
    const output = {
      kind: draft.isImpure ? "impure" : "floating",
      method: draft.method ?? "nar",
      algorithm: draft.outputHashAlgorithm ?? "sha256",
    } as const;
    return new Map(outputs.map((name) => [name, output]));
  }
  return new Map(outputs.map((name) => [name, { kind: "deferred" }]));
}

/** What a context makes a derivation depend on. */
function inputsOf(
  state: EvalState,
  context: ReadonlySet<string>,
): Pick<Derivation, "inputDerivations" | "inputSources"> {
  const derivations = new Map<string, Needed>();
  const sources = new Set<string>();
  context.forEach((text) => {
    const element = parseContextElement(text);
    if (element.kind === "path") sources.add(element.path);
    else if (element.kind === "output") neededOf(derivations, element.drvPath).outputs.add(element.output);
    else if (element.kind === "dynamic") {
      let needed = neededOf(derivations, element.drvPath);
      for (const outer of element.outputs.slice(0, -1)) needed = neededOf((needed.ofOutputs ??= new Map()), outer);
      needed.outputs.add(element.outputs.at(-1)!);
    } else {
      for (const path of state.closureOf(element.drvPath)) {
        sources.add(path);
        if (!path.endsWith(".drv")) continue;
        const { outputs } = neededOf(derivations, path);
        for (const name of state.derivationAt(path).outputs.keys()) outputs.add(name);
      }
    }
  });
  const inputDerivations: InputDerivation[] = [];
  derivations.forEach((needed, path) => {
    inputDerivations.push({ path: state.storePathOf(path), ...usedOutputs(needed) });
  });
  const inputSources: StorePath[] = [];
  sources.forEach((path) => inputSources.push(state.storePathOf(path)));
  // Sorted once: each of the texts made of them needs them in this order.
  inputDerivations.sort((a, b) => compareStorePaths(a.path, b.path));
  inputSources.sort(compareStorePaths);
  return { inputDerivations, inputSources };
}

/** What is needed of a derivation, while it is being collected. */
interface Needed {
  readonly outputs: Set<string>;
  ofOutputs: Map<string, Needed> | undefined;
}

function neededOf(of: Map<string, Needed>, name: string): Needed {
  let needed = of.get(name);
  if (needed === undefined) of.set(name, (needed = { outputs: new Set(), ofOutputs: undefined }));
  return needed;
}

function usedOutputs({ outputs, ofOutputs }: Needed): UsedOutputs {
  const names = [...outputs].sort(byBytes);
  if (ofOutputs === undefined) return { outputs: names };
  return { outputs: names, ofOutputs: new Map([...ofOutputs].map(([name, needed]) => [name, usedOutputs(needed)])) };
}

const placeholder: BuiltinBody = (_state, [output]) =>
  outputPlaceholder(
    expectPlainText(output!, undefined, "while evaluating the first argument passed to builtins.placeholder"),
  );

export const derivationBuiltins: Builtins = {
  derivationStrict: [1, derivationStrict],
  placeholder: [1, placeholder],
};
