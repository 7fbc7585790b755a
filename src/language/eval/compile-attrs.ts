/** Attribute sets, recursive ones, and the bindings of `let`. */

import { renderIdentifier } from "../print/identifier.ts";
import { type AttrDef, type Attrs as AttrsNode, DefKind, Kind } from "../syntax/ast.ts";
import { noteMadeName, orderOfNames } from "../syntax/symbols.ts";
import { type AttrEntry, Attrs, attrsOfEntries, Shape } from "./attrs.ts";
import { blankArray } from "./blank.ts";
import { invalidError } from "./eval-error.ts";
import { expectAttrs, expectPlainText } from "./expect.ts";
import { renderPlace } from "./place-text.ts";
import { type Code, type Run, Thunk } from "./thunk.ts";
import type { Suspend, Unit } from "./unit.ts";
import type { Env, Slot } from "./value.ts";

/** How the slot of one definition is made; `at` is its number among the names in order. */
type Definition = { readonly at: number } & (
  | { readonly how: "plain" | "inherited"; readonly suspend: Suspend }
  | { readonly how: "inherited-from"; readonly source: number; readonly code: Code }
);

interface Definitions {
  readonly definitions: readonly Definition[];
  readonly sources: readonly Suspend[];
}

function definitionsOf(node: AttrsNode, unit: Unit): Definitions {
  const definitions = node.defs.map((def, at): Definition => {
    if (def.how === DefKind.InheritedFrom) {
      return { at, how: "inherited-from", source: inheritIndexOf(def.value), code: unit.code(def.value) };
    }
    return { at, how: def.how === DefKind.Inherited ? "inherited" : "plain", suspend: unit.suspend(def.value) };
  });
  return { definitions, sources: node.inheritFrom.map((source) => unit.suspend(source)) };
}

/**
 * Definitions that see each other, in the order in which Nix makes them: one that is nothing but the name of another takes
 * that one's slot if it has been made already.
 */
function recursiveDefinitionsOf(node: AttrsNode, unit: Unit): Definitions {
  const inOrder = definitionsOf(node, unit);
  const isNameOfAnother = ({ how, value }: AttrDef): boolean =>
    how === DefKind.Plain && value.kind === Kind.Var && value.depth === 0 && value.fromWith === null;
  if (!node.defs.some(isNameOfAnother)) return inOrder;
  const order = orderOfNames(node.defs.map(({ name }) => name));
  return { ...inOrder, definitions: order.map((at) => inOrder.definitions[at]!) };
}

function inheritIndexOf(value: AttrsNode["defs"][number]["value"]): number {
  const subject = "subject" in value ? value.subject : undefined;
  return subject !== undefined && "index" in subject ? subject.index : 0;
}

/** Makes the slots of all definitions: `outer` is where inherited names live, `inner` everything else. */
function makeSlots(
  { definitions, sources }: Definitions,
  outer: Env,
  inner: Env,
  into: unknown[],
  first: number,
): void {
  const shared = sources.length === 0 ? undefined : sources.map((source) => source(inner));
  for (let i = 0; i < definitions.length; i++) {
    const definition = definitions[i]!;
    into[first + definition.at] =
      definition.how === "inherited-from"
        ? new Thunk(definition.code, [shared![definition.source]])
        : definition.suspend(definition.how === "plain" ? inner : outer);
  }
}

/** The bindings of a `let`: makes its frame. */
export function compileBindings(node: AttrsNode, unit: Unit): (env: Env) => Env {
  const definitions = recursiveDefinitionsOf(node, unit);
  const size = definitions.definitions.length;
  return (env) => {
    const frame: Env = blankArray(size + 1);
    frame[0] = env;
    makeSlots(definitions, env, frame, frame, 1);
    return frame;
  };
}

export function compileAttrs(node: AttrsNode, unit: Unit): Run {
  const shape = new Shape(
    node.defs.map((def) => def.name),
    node.defs.map((def) => unit.placeAt(def.start)),
    true,
  );
  const finish = node.dynamicDefs.length === 0 ? undefined : compileDynamic(node, unit);
  if (node.recursive) return compileRecursive(node, unit, shape, finish);
  const definitions = definitionsOf(node, unit);
  if (shape.keys.length === 0 && finish === undefined) return () => Attrs.empty;
  if (definitions.definitions.every(({ how }) => how !== "inherited-from")) {
    const makers = definitions.definitions.map((definition) => (definition as { readonly suspend: Suspend }).suspend);
    const size = makers.length;
    return (env) => {
      const values = blankArray(size) as Slot[];
      for (let i = 0; i < size; i++) values[i] = makers[i]!(env);
      const attrs = new Attrs(shape, values);
      return finish === undefined ? attrs : finish(attrs, env);
    };
  }
  const size = shape.keys.length;
  return (env) => {
    const values = blankArray(size) as Slot[];
    makeSlots(definitions, env, env, values, 0);
    const attrs = new Attrs(shape, values);
    return finish === undefined ? attrs : finish(attrs, env);
  };
}

type Finish = (attrs: Attrs, env: Env) => Attrs;

function compileRecursive(node: AttrsNode, unit: Unit, shape: Shape, finish: Finish | undefined): Run {
  const definitions = recursiveDefinitionsOf(node, unit);
  const size = shape.keys.length;
  const overridesIndex = shape.indexOf("__overrides");
  const codes = overridesIndex < 0 ? [] : node.defs.map((def) => unit.code(def.value));
  return (env) => {
    const frame: Env = blankArray(size + 1);
    frame[0] = env;
    makeSlots(definitions, env, frame, frame, 1);
    if (overridesIndex >= 0) {
      // With overrides to come, no definition may have been resolved to the slot of another yet.
      for (const { at, how } of definitions.definitions) {
        if (how === "plain") frame[at + 1] = new Thunk(codes[at]!, frame);
      }
    }
    let attrs = new Attrs(shape, frame.slice(1) as Slot[]);
    if (overridesIndex >= 0) attrs = override(attrs, frame, overridesIndex);
    return finish === undefined ? attrs : finish(attrs, frame);
  };
}

/** Applies `__overrides`: its attributes replace those of the set, also as the set's own definitions see them. */
function override(attrs: Attrs, frame: Env, overridesIndex: number): Attrs {
  const frameText = "while evaluating the `__overrides` attribute";
  const overrides = expectAttrs(attrs.values[overridesIndex]!, undefined, frameText);
  overrides.keys.forEach((name, i) => {
    const index = attrs.shape.indexOf(name);
    if (index >= 0) frame[index + 1] = overrides.values[i];
  });
  return attrs.update(overrides);
}

function compileDynamic(node: AttrsNode, unit: Unit): Finish {
  const dynamic = node.dynamicDefs.map((def) => ({
    name: unit.compile(def.nameExpr),
    value: unit.suspend(def.value),
    place: unit.placeAt(def.start),
  }));
  return (attrs, env) => {
    let added: Map<string, AttrEntry> | undefined;
    for (let i = 0; i < dynamic.length; i++) {
      const { name, value, place } = dynamic[i]!;
      const forced = name(env);
      if (forced === null) continue;
      const frame = "while evaluating the name of a dynamic attribute";
      const key = typeof forced === "string" ? forced : expectPlainText(forced, place, frame);
      if (attrs.has(key) || added?.has(key) === true) {
        const first = added?.get(key)?.[2] ?? attrs.placeOf(key);
        const where = first === undefined ? "" : ` at ${renderPlace(first)}`;
        throw invalidError(`dynamic attribute '${renderIdentifier(key)}' already defined${where}`, place);
      }
      noteMadeName(key);
      const entry: AttrEntry = [key, value(env), place];
      // Mostly there is one.
      if (dynamic.length === 1) return attrs.update(attrsOfEntries([entry]));
      (added ??= new Map<string, AttrEntry>()).set(key, entry);
    }
    return added === undefined ? attrs : attrs.update(attrsOfEntries([...added.values()]));
  };
}
