/** Attribute sets. */

import { Attrs, attrsAt, attrsOfEntries, Shape } from "../eval/attrs.ts";
import { suspendCallTwo } from "../eval/call.ts";
import { typeError } from "../eval/eval-error.ts";
import { expectAttrs, expectFunction, expectList, expectPlainText } from "../eval/expect.ts";
import { positionValue } from "../eval/position.ts";
import { force } from "../eval/thunk.ts";
import { Lambda, PartialPrimOp, type Place, PrimOp, type Slot } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { requiredAttr } from "./control.ts";

const first = (name: string): string => `while evaluating the first argument passed to builtins.${name}`;
const second = (name: string): string => `while evaluating the second argument passed to builtins.${name}`;

const getAttr: BuiltinBody = (_state, [name, attrs]) => {
  const key = expectPlainText(name!, undefined, first("getAttr"));
  const set = expectAttrs(attrs!, undefined, second("getAttr"));
  return force(requiredAttr(set, key, "in the attribute set under consideration"), undefined);
};

const removeAttrs: BuiltinBody = (_state, [attrs, names]) => {
  const set = expectAttrs(attrs!, undefined, first("removeAttrs"));
  const list = expectList(names!, undefined, second("removeAttrs"));
  const frame = "while evaluating the values of the second argument passed to builtins.removeAttrs";
  return set.without(list.map((name) => expectPlainText(name, undefined, frame)));
};

const listToAttrs: BuiltinBody = (_state, [list]) => {
  const frame = "while evaluating the argument passed to builtins.listToAttrs";
  const elementFrame = "while evaluating an element of the list passed to builtins.listToAttrs";
  const nameFrame = "while evaluating the `name` attribute of an element of the list passed to builtins.listToAttrs";
  const pairFrame = "in a {name=...; value=...;} pair";
  const named = new Map<string, Attrs>();
  for (const element of expectList(list!, undefined, frame)) {
    const pair = expectAttrs(element, undefined, elementFrame);
    const name = expectPlainText(requiredAttr(pair, "name", pairFrame), pair.placeOf("name"), nameFrame);
    if (!named.has(name)) named.set(name, pair);
  }
  const entries: [string, Slot, Place | undefined][] = [];
  for (const [name, pair] of named) {
    entries.push([name, requiredAttr(pair, "value", pairFrame), pair.placeOf("value")]);
  }
  return attrsOfEntries(entries);
};

const intersectAttrs: BuiltinBody = (_state, [left, right]) => {
  const names = expectAttrs(left!, undefined, first("intersectAttrs"));
  const values = expectAttrs(right!, undefined, second("intersectAttrs"));
  const kept: number[] = [];
  if (names.size < values.size) {
    for (const key of names.keys) {
      const index = values.shape.indexOf(key);
      if (index >= 0) kept.push(index);
    }
  } else {
    values.keys.forEach((key, index) => {
      if (names.has(key)) kept.push(index);
    });
  }
  return attrsAt(values, kept);
};

const catAttrs: BuiltinBody = (_state, [name, list]) => {
  const key = expectPlainText(name!, undefined, first("catAttrs"));
  const frame = "while evaluating an element in the list passed as second argument to builtins.catAttrs";
  const found: Slot[] = [];
  for (const element of expectList(list!, undefined, second("catAttrs"))) {
    const slot = expectAttrs(element, undefined, frame).get(key);
    if (slot !== undefined) found.push(slot);
  }
  return found;
};

const functionArgs: BuiltinBody = (_state, [fn]) => {
  const value = force(fn!);
  if (value instanceof PrimOp || value instanceof PartialPrimOp) return Attrs.empty;
  if (!(value instanceof Lambda)) throw typeError("'functionArgs' requires a function");
  const { code } = value;
  code.argumentNames ??= attrsOfEntries(
    (code.formals ?? []).map(({ name, makeDefault, place }) => [name, makeDefault !== undefined, place]),
  );
  return code.argumentNames;
};

const mapAttrs: BuiltinBody = (state, [fn, attrs]) => {
  const set = expectAttrs(attrs!, undefined, second("mapAttrs"));
  const { keys, values } = set;
  return new Attrs(
    set.shape.withoutPlaces,
    keys.map((key, index) => suspendCallTwo(state, fn!, key, values[index]!)),
  );
};

const zipAttrsWith: BuiltinBody = (state, [fn, list]) => {
  expectFunction(fn!, undefined, first("zipAttrsWith"));
  const frame = "while evaluating a value of the list passed as second argument to builtins.zipAttrsWith";
  const sets = expectList(list!, undefined, second("zipAttrsWith")).map((set) => expectAttrs(set, undefined, frame));
  if (sets.length <= ZIP_FIXED_MAX && sets.every(({ shape }) => shape.isFixed)) {
    return zipFixed(sets, (key, slots) => suspendCallTwo(state, fn!, key, slots));
  }
  const collected = new Map<string, Slot[]>();
  for (const { keys, values } of sets) {
    keys.forEach((key, index) => {
      const slots = collected.get(key);
      if (slots === undefined) collected.set(key, [values[index]!]);
      else slots.push(values[index]!);
    });
  }
  const keys = [...collected.keys()].sort(byBytes);
  return new Attrs(
    new Shape(keys),
    keys.map((key) => suspendCallTwo(state, fn!, key, collected.get(key)!)),
  );
};

const ZIP_FIXED_MAX = 12;

/** Joins sets of fixed shapes: the shape they make is known already when they come from the same places as before. */
function zipFixed(sets: readonly Attrs[], entry: (key: string, slots: Slot[]) => Slot): Attrs {
  let shape = Attrs.empty.shape;
  for (const set of sets) shape = shape.unionWith(set.shape).shape;
  const { keys, withoutPlaces } = shape;
  const lists: Slot[][] = keys.map(() => []);
  for (const { shape: own, values } of sets) {
    for (let i = 0; i < values.length; i++) lists[shape.indexOf(own.keys[i]!)]!.push(values[i]!);
  }
  return new Attrs(
    withoutPlaces,
    lists.map((slots, index) => entry(keys[index]!, slots)),
  );
}

/** The order of attribute names. */
export function byBytes(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

const unsafeGetAttrPos: BuiltinBody = (_state, [name, attrs]) => {
  const key = expectPlainText(name!, undefined, first("unsafeGetAttrPos"));
  const set = expectAttrs(attrs!, undefined, second("unsafeGetAttrPos"));
  return positionValue(set.placeOf(key));
};

export const setBuiltins: Builtins = {
  attrNames: [
    1,
    (_state, [attrs]) => [
      ...expectAttrs(attrs!, undefined, "while evaluating the argument passed to builtins.attrNames").keys,
    ],
  ],
  attrValues: [
    1,
    (_state, [attrs]) => [
      ...expectAttrs(attrs!, undefined, "while evaluating the argument passed to builtins.attrValues").values,
    ],
  ],
  getAttr: [2, getAttr],
  hasAttr: [
    2,
    (_state, [name, attrs]) => {
      const key = expectPlainText(name!, undefined, first("hasAttr"));
      return expectAttrs(attrs!, undefined, second("hasAttr")).has(key);
    },
  ],
  unsafeGetAttrPos: [2, unsafeGetAttrPos],
  removeAttrs: [2, removeAttrs],
  listToAttrs: [1, listToAttrs],
  intersectAttrs: [2, intersectAttrs],
  catAttrs: [2, catAttrs],
  functionArgs: [1, functionArgs],
  mapAttrs: [2, mapAttrs],
  zipAttrsWith: [2, zipAttrsWith],
};
