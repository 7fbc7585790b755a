/** Attribute sets. */

import { type AttrEntry, Attrs, attrsAt, attrsOfEntries, Shape } from "../eval/attrs.ts";
import { blankArray } from "../eval/blank.ts";
import { suspendCallTwo } from "../eval/call.ts";
import { typeError } from "../eval/eval-error.ts";
import { expectAttrs, expectFunction, expectList, expectPlainText } from "../eval/expect.ts";
import { positionValue } from "../eval/position.ts";
import { SUSPENDED_BYTES } from "../eval/state.ts";
import { force } from "../eval/thunk.ts";
import { Lambda, PartialPrimOp, PrimOp, type Slot } from "../eval/value.ts";
import { noteMadeName } from "../syntax/symbols.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { requiredAttr } from "./control.ts";

const first = (name: string): string => `while evaluating the first argument passed to builtins.${name}`;
const second = (name: string): string => `while evaluating the second argument passed to builtins.${name}`;

const FIRST_OF_GET = first("getAttr");
const SECOND_OF_GET = second("getAttr");
const FIRST_OF_HAS = first("hasAttr");
const SECOND_OF_HAS = second("hasAttr");
const FIRST_OF_REMOVE = first("removeAttrs");
const SECOND_OF_REMOVE = second("removeAttrs");
const FIRST_OF_INTERSECT = first("intersectAttrs");
const SECOND_OF_INTERSECT = second("intersectAttrs");
const SECOND_OF_MAP = second("mapAttrs");

const getAttr: BuiltinBody = (_state, args) => {
  const key = expectPlainText(args[0]!, undefined, FIRST_OF_GET);
  const set = expectAttrs(args[1]!, undefined, SECOND_OF_GET);
  return force(requiredAttr(set, key, "in the attribute set under consideration"), undefined);
};

const hasAttr: BuiltinBody = (_state, args) => {
  const key = expectPlainText(args[0]!, undefined, FIRST_OF_HAS);
  const isThere = expectAttrs(args[1]!, undefined, SECOND_OF_HAS).has(key);
  if (!isThere) noteMadeName(key);
  return isThere;
};

const removeAttrs: BuiltinBody = (state, args) => {
  const set = expectAttrs(args[0]!, undefined, FIRST_OF_REMOVE);
  const list = expectList(args[1]!, undefined, SECOND_OF_REMOVE);
  const frame = "while evaluating the values of the second argument passed to builtins.removeAttrs";
  const names: string[] = [];
  for (let i = 0; i < list.length; i++) {
    const name = expectPlainText(list[i]!, undefined, frame);
    if (!set.has(name)) noteMadeName(name);
    names.push(name);
  }
  state.reserve(set.size);
  return set.without(names);
};

/** What an attribute takes while a set is made of a list. */
const LISTED_BYTES = 200;

const listToAttrs: BuiltinBody = (state, args) => {
  const frame = "while evaluating the argument passed to builtins.listToAttrs";
  const elementFrame = "while evaluating an element of the list passed to builtins.listToAttrs";
  const nameFrame = "while evaluating the `name` attribute of an element of the list passed to builtins.listToAttrs";
  const pairFrame = "in a {name=...; value=...;} pair";
  const list = expectList(args[0]!, undefined, frame);
  state.reserve(list.length, list.length * LISTED_BYTES);
  const named = new Map<string, Attrs>();
  for (let i = 0; i < list.length; i++) {
    const pair = expectAttrs(list[i]!, undefined, elementFrame);
    const slot = requiredAttr(pair, "name", pairFrame);
    const name = typeof slot === "string" ? slot : expectPlainText(slot, pair.placeOf("name"), nameFrame);
    if (named.has(name)) continue;
    noteMadeName(name);
    named.set(name, pair);
  }
  const entries: AttrEntry[] = [];
  named.forEach((pair, name) => entries.push([name, requiredAttr(pair, "value", pairFrame), pair.placeOf("value")]));
  return attrsOfEntries(entries);
};

const intersectAttrs: BuiltinBody = (_state, args) => {
  const names = expectAttrs(args[0]!, undefined, FIRST_OF_INTERSECT);
  const values = expectAttrs(args[1]!, undefined, SECOND_OF_INTERSECT);
  const kept: number[] = [];
  if (names.size < values.size) {
    const { keys } = names;
    const { shape } = values;
    for (let i = 0; i < keys.length; i++) {
      const index = shape.indexOf(keys[i]!);
      if (index >= 0) kept.push(index);
    }
  } else {
    const { keys } = values;
    for (let i = 0; i < keys.length; i++) if (names.has(keys[i]!)) kept.push(i);
  }
  return attrsAt(values, kept);
};

const catAttrs: BuiltinBody = (_state, [name, list]) => {
  const key = expectPlainText(name!, undefined, first("catAttrs"));
  noteMadeName(key);
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

const mapAttrs: BuiltinBody = (state, args) => {
  const fn = args[0]!;
  const set = expectAttrs(args[1]!, undefined, SECOND_OF_MAP);
  const { keys, values } = set;
  const size = keys.length;
  const mapped = blankArray(size) as Slot[];
  state.reserve(size, size * SUSPENDED_BYTES);
  for (let i = 0; i < size; i++) mapped[i] = suspendCallTwo(state, fn, keys[i]!, values[i]!);
  return new Attrs(set.shape.withoutPlaces, mapped);
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
  if (!set.has(key)) noteMadeName(key);
  return positionValue(set.placeOf(key));
};

export const setBuiltins: Builtins = {
  attrNames: [
    1,
    (state, args) => {
      const { keys } = expectAttrs(args[0]!, undefined, "while evaluating the argument passed to builtins.attrNames");
      state.reserve(keys.length);
      return keys.slice();
    },
  ],
  attrValues: [
    1,
    (state, args) => {
      const frame = "while evaluating the argument passed to builtins.attrValues";
      const { values } = expectAttrs(args[0]!, undefined, frame);
      state.reserve(values.length);
      return values.slice();
    },
  ],
  getAttr: [2, getAttr],
  hasAttr: [2, hasAttr],
  unsafeGetAttrPos: [2, unsafeGetAttrPos],
  removeAttrs: [2, removeAttrs],
  listToAttrs: [1, listToAttrs],
  intersectAttrs: [2, intersectAttrs],
  catAttrs: [2, catAttrs],
  functionArgs: [1, functionArgs],
  mapAttrs: [2, mapAttrs],
  zipAttrsWith: [2, zipAttrsWith],
};
