/** Lists. */

import { Attrs, attrsOfEntries, Shape } from "../eval/attrs.ts";
import { blankArray } from "../eval/blank.ts";
import { call, callOne, suspendCall } from "../eval/call.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectBoolean, expectFunction, expectInteger, expectList, expectPlainText } from "../eval/expect.ts";
import { areElementsEqual, isLess } from "../eval/equality.ts";
import type { EvalState } from "../eval/state.ts";
import { force } from "../eval/thunk.ts";
import { type NixList, PrimOp, type Slot, type Value } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { stableSort } from "./stable-sort.ts";

const first = (name: string): string => `while evaluating the first argument passed to builtins.${name}`;
const second = (name: string): string => `while evaluating the second argument passed to builtins.${name}`;

const elemAt: BuiltinBody = (_state, [list, index]) => {
  const n = expectInteger(index!, undefined, "while evaluating the second argument passed to 'builtins.elemAt'");
  const items = expectList(list!, undefined, "while evaluating the first argument passed to 'builtins.elemAt'");
  if (n < 0 || n >= items.length) {
    throw invalidError(`'builtins.elemAt' called with index ${n} on a list of size ${items.length}`);
  }
  return force(items[Number(n)]!);
};

const head: BuiltinBody = (_state, [list]) => {
  const items = expectList(list!, undefined, "while evaluating the first argument passed to 'builtins.head'");
  if (items.length === 0) throw invalidError("'builtins.head' called on an empty list");
  return force(items[0]!);
};

const tail: BuiltinBody = (_state, [list]) => {
  const items = expectList(list!, undefined, "while evaluating the first argument passed to 'builtins.tail'");
  if (items.length === 0) throw invalidError("'builtins.tail' called on an empty list");
  return items.slice(1);
};

const map: BuiltinBody = (state, [fn, list]) => {
  const items = expectList(list!, undefined, second("map"));
  if (items.length === 0) return items;
  const callee = expectFunction(fn!, undefined, first("map"));
  return items.map((item) => suspendCall(state, callee, item));
};

const filter: BuiltinBody = (state, [fn, list]) => {
  const items = expectList(list!, undefined, second("filter"));
  if (items.length === 0) return items;
  const callee = expectFunction(fn!, undefined, first("filter"));
  const frame = "while evaluating the return value of the filtering function passed to builtins.filter";
  const kept = items.filter((item) => expectBoolean(callOne(state, callee, item, undefined), undefined, frame));
  return kept.length === items.length ? items : kept;
};

function concatAll(lists: readonly NixList[]): NixList {
  let size = 0;
  for (const { length } of lists) size += length;
  const result = blankArray(size) as Slot[];
  let next = 0;
  for (const list of lists) for (let i = 0; i < list.length; i++) result[next++] = list[i]!;
  return result;
}

const concatLists: BuiltinBody = (_state, [lists]) => {
  const frame = "while evaluating a value of the list passed to builtins.concatLists";
  return concatAll(
    expectList(lists!, undefined, first("concatLists")).map((list) => expectList(list, undefined, frame)),
  );
};

const concatMap: BuiltinBody = (state, [fn, list]) => {
  const callee = expectFunction(fn!, undefined, first("concatMap"));
  const frame = "while evaluating the return value of the function passed to builtins.concatMap";
  return concatAll(
    expectList(list!, undefined, second("concatMap")).map((item) =>
      expectList(callOne(state, callee, item, undefined), undefined, frame),
    ),
  );
};

const foldl: BuiltinBody = (state, [fn, initial, list]) => {
  const callee = expectFunction(fn!, undefined, first("foldlStrict"));
  const items = expectList(list!, undefined, "while evaluating the third argument passed to builtins.foldlStrict");
  if (items.length === 0) return force(initial!);
  let current: Slot = initial!;
  for (const item of items) current = call(state, callee, [current, item], undefined);
  return current as Value;
};

function anyOrAll(name: "any" | "all"): BuiltinBody {
  const frame = `while evaluating the return value of the function passed to builtins.${name}`;
  const decisive = name === "any";
  return (state, [fn, list]) => {
    const callee = expectFunction(fn!, undefined, first(name));
    for (const item of expectList(list!, undefined, second(name))) {
      if (expectBoolean(callOne(state, callee, item, undefined), undefined, frame) === decisive) return decisive;
    }
    return !decisive;
  };
}

const LENGTH_MAX = 2 ** 32 - 2;

const genList: BuiltinBody = (state, [fn, length]) => {
  const size = expectInteger(length!, undefined, second("genList"));
  if (size < 0 || size > LENGTH_MAX) throw invalidError(`cannot create list of size ${size}`);
  const callee = expectFunction(fn!, undefined, first("genList"));
  const list: Slot[] = [];
  for (let i = 0; i < size; i++) list.push(suspendCall(state, callee, i));
  return list;
};

const sort: BuiltinBody = (state, [comparator, list]) => {
  const items = expectList(list!, undefined, second("sort"));
  if (items.length === 0) return items;
  const callee = expectFunction(comparator!, undefined, first("sort"));
  return stableSort(
    items.map((item) => force(item)),
    orderOf(state, callee),
  );
};

function orderOf(state: EvalState, callee: Value): (left: Value, right: Value) => boolean {
  if (callee instanceof PrimOp && callee.name === "lessThan") {
    const frame = "while evaluating the ordering function passed to builtins.sort";
    return (left, right) => isLess(state, left, right, undefined, frame);
  }
  const frame = "while evaluating the return value of the sorting function passed to builtins.sort";
  return (left, right) => expectBoolean(call(state, callee, [left, right], undefined), undefined, frame);
}

const PARTITION = new Shape(["right", "wrong"], undefined, true);

const partition: BuiltinBody = (state, [fn, list]) => {
  const callee = expectFunction(fn!, undefined, first("partition"));
  const frame = "while evaluating the return value of the partition function passed to builtins.partition";
  const right: Slot[] = [];
  const wrong: Slot[] = [];
  for (const item of expectList(list!, undefined, second("partition"))) {
    force(item);
    const isRight = expectBoolean(callOne(state, callee, item, undefined), undefined, frame);
    (isRight ? right : wrong).push(item);
  }
  return new Attrs(PARTITION, [right, wrong]);
};

const groupBy: BuiltinBody = (state, [fn, list]) => {
  const callee = expectFunction(fn!, undefined, first("groupBy"));
  const frame = "while evaluating the return value of the grouping function passed to builtins.groupBy";
  const groups = new Map<string, Slot[]>();
  for (const item of expectList(list!, undefined, second("groupBy"))) {
    const name = expectPlainText(callOne(state, callee, item, undefined), undefined, frame);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return attrsOfEntries([...groups]);
};

export const listBuiltins: Builtins = {
  elemAt: [2, elemAt],
  head: [1, head],
  tail: [1, tail],
  map: [2, map],
  filter: [2, filter],
  elem: [
    2,
    (state, [item, list]) =>
      expectList(list!, undefined, second("elem")).some((other) => areElementsEqual(state, item!, other, undefined)),
  ],
  concatLists: [1, concatLists],
  concatMap: [2, concatMap],
  length: [1, (_state, [list]) => expectList(list!, undefined, first("length")).length],
  "foldl'": [3, foldl],
  any: [2, anyOrAll("any")],
  all: [2, anyOrAll("all")],
  genList: [2, genList],
  sort: [2, sort],
  partition: [2, partition],
  groupBy: [2, groupBy],
};
