/** Lists. */

import { Attrs, attrsOfEntries, Shape } from "../eval/attrs.ts";
import { call, callOne, callTwo, suspendCall } from "../eval/call.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectBoolean, expectFunction, expectInteger, expectList, expectPlainText } from "../eval/expect.ts";
import { areElementsEqual, isLess } from "../eval/equality.ts";
import { blankList, concatAll } from "../eval/long-list.ts";
import { type EvalState, SUSPENDED_BYTES } from "../eval/state.ts";
import { force } from "../eval/thunk.ts";
import { type NixList, PrimOp, type Slot, type Value } from "../eval/value.ts";
import { noteMadeName } from "../syntax/symbols.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { peekSort } from "./peek-sort.ts";

const first = (name: string): string => `while evaluating the first argument passed to builtins.${name}`;
const second = (name: string): string => `while evaluating the second argument passed to builtins.${name}`;

const SECOND_OF_MAP = second("map");
const FIRST_OF_MAP = first("map");
const SECOND_OF_FILTER = second("filter");
const FIRST_OF_FILTER = first("filter");
const FIRST_OF_CONCAT_LISTS = first("concatLists");
const FIRST_OF_CONCAT_MAP = first("concatMap");
const SECOND_OF_CONCAT_MAP = second("concatMap");
const FIRST_OF_FOLD = first("foldlStrict");
const SECOND_OF_GEN_LIST = second("genList");
const FIRST_OF_GEN_LIST = first("genList");
const SECOND_OF_ELEM = second("elem");
const FIRST_OF_LENGTH = first("length");

const elemAt: BuiltinBody = (_state, args) => {
  const n = expectInteger(args[1]!, undefined, "while evaluating the second argument passed to 'builtins.elemAt'");
  const items = expectList(args[0]!, undefined, "while evaluating the first argument passed to 'builtins.elemAt'");
  if (n < 0 || n >= items.length) {
    throw invalidError(`'builtins.elemAt' called with index ${n} on a list of size ${items.length}`);
  }
  return force(items[Number(n)]!);
};

const head: BuiltinBody = (_state, args) => {
  const items = expectList(args[0]!, undefined, "while evaluating the first argument passed to 'builtins.head'");
  if (items.length === 0) throw invalidError("'builtins.head' called on an empty list");
  return force(items[0]!);
};

const tail: BuiltinBody = (state, args) => {
  const items = expectList(args[0]!, undefined, "while evaluating the first argument passed to 'builtins.tail'");
  if (items.length === 0) throw invalidError("'builtins.tail' called on an empty list");
  state.reserve(items.length);
  return items.slice(1);
};

const map: BuiltinBody = (state, args) => {
  const items = expectList(args[1]!, undefined, SECOND_OF_MAP);
  const size = items.length;
  if (size === 0) return items;
  const callee = expectFunction(args[0]!, undefined, FIRST_OF_MAP);
  const mapped = blankList(state, size, SUSPENDED_BYTES);
  for (let i = 0; i < size; i++) mapped[i] = suspendCall(state, callee, items[i]!);
  return mapped;
};

const filter: BuiltinBody = (state, args) => {
  const items = expectList(args[1]!, undefined, SECOND_OF_FILTER);
  if (items.length === 0) return items;
  const callee = expectFunction(args[0]!, undefined, FIRST_OF_FILTER);
  const frame = "while evaluating the return value of the filtering function passed to builtins.filter";
  const kept: Slot[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    if (expectBoolean(callOne(state, callee, item, undefined), undefined, frame)) kept.push(item);
  }
  return kept.length === items.length ? items : kept;
};

const concatLists: BuiltinBody = (state, args) => {
  const frame = "while evaluating a value of the list passed to builtins.concatLists";
  const lists = expectList(args[0]!, undefined, FIRST_OF_CONCAT_LISTS);
  const forced: NixList[] = [];
  for (let i = 0; i < lists.length; i++) forced.push(expectList(lists[i]!, undefined, frame));
  return concatAll(state, forced);
};

const concatMap: BuiltinBody = (state, args) => {
  const callee = expectFunction(args[0]!, undefined, FIRST_OF_CONCAT_MAP);
  const frame = "while evaluating the return value of the function passed to builtins.concatMap";
  const items = expectList(args[1]!, undefined, SECOND_OF_CONCAT_MAP);
  const lists: NixList[] = [];
  for (let i = 0; i < items.length; i++) {
    lists.push(expectList(callOne(state, callee, items[i]!, undefined), undefined, frame));
  }
  return concatAll(state, lists);
};

const foldl: BuiltinBody = (state, args) => {
  const callee = expectFunction(args[0]!, undefined, FIRST_OF_FOLD);
  const items = expectList(args[2]!, undefined, "while evaluating the third argument passed to builtins.foldlStrict");
  const initial = args[1]!;
  if (items.length === 0) return force(initial);
  let current: Slot = initial;
  for (let i = 0; i < items.length; i++) current = callTwo(state, callee, current, items[i]!, undefined);
  return current as Value;
};

function anyOrAll(name: "any" | "all"): BuiltinBody {
  const frame = `while evaluating the return value of the function passed to builtins.${name}`;
  const decisive = name === "any";
  const firstFrame = first(name);
  const secondFrame = second(name);
  return (state, args) => {
    const callee = expectFunction(args[0]!, undefined, firstFrame);
    const items = expectList(args[1]!, undefined, secondFrame);
    for (let i = 0; i < items.length; i++) {
      if (expectBoolean(callOne(state, callee, items[i]!, undefined), undefined, frame) === decisive) return decisive;
    }
    return !decisive;
  };
}

const elem: BuiltinBody = (state, args) => {
  const item = args[0]!;
  const items = expectList(args[1]!, undefined, SECOND_OF_ELEM);
  for (let i = 0; i < items.length; i++) if (areElementsEqual(state, item, items[i]!, undefined)) return true;
  return false;
};

const genList: BuiltinBody = (state, args) => {
  const size = expectInteger(args[1]!, undefined, SECOND_OF_GEN_LIST);
  if (size < 0) throw invalidError(`cannot create list of size ${size}`);
  const callee = expectFunction(args[0]!, undefined, FIRST_OF_GEN_LIST);
  const list = blankList(state, Number(size), SUSPENDED_BYTES);
  for (let i = 0; i < size; i++) list[i] = suspendCall(state, callee, i);
  return list;
};

const sort: BuiltinBody = (state, [comparator, list]) => {
  const items = expectList(list!, undefined, second("sort"));
  if (items.length === 0) return items;
  const callee = expectFunction(comparator!, undefined, first("sort"));
  return peekSort(
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
    if (group === undefined) {
      noteMadeName(name);
      groups.set(name, [item]);
    } else group.push(item);
  }
  return attrsOfEntries([...groups]);
};

export const listBuiltins: Builtins = {
  elemAt: [2, elemAt],
  head: [1, head],
  tail: [1, tail],
  map: [2, map],
  filter: [2, filter],
  elem: [2, elem],
  concatLists: [1, concatLists],
  concatMap: [2, concatMap],
  length: [1, (_state, args) => expectList(args[0]!, undefined, FIRST_OF_LENGTH).length],
  "foldl'": [3, foldl],
  any: [2, anyOrAll("any")],
  all: [2, anyOrAll("all")],
  genList: [2, genList],
  sort: [2, sort],
  partition: [2, partition],
  groupBy: [2, groupBy],
};
