/** Strings. */

import { attrsOf } from "../eval/attrs.ts";
import { coerceToText, COPY, NO_COPY_MORE } from "../eval/coerce.ts";
import { type EvalError, invalidError } from "../eval/eval-error.ts";
import { expectInteger, expectList, expectPlainText, expectString, expectText } from "../eval/expect.ts";
import { force } from "../eval/thunk.ts";
import { contextOf, isString, stringWithContext, textOf } from "../eval/type-name.ts";
import type { Slot, Value } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { compileRegex, type Regex, RegexLimitError } from "./posix-regex.ts";
import { Patterns } from "./replace-strings.ts";
import { compareVersions, parseDrvName, splitVersion } from "./versions.ts";

const first = (name: string): string => `while evaluating the first argument passed to builtins.${name}`;
const second = (name: string): string => `while evaluating the second argument passed to builtins.${name}`;

const toStringBuiltin: BuiltinBody = (state, [value]) => {
  const context = new Set<string>();
  const text = coerceToText(state, value!, context, undefined, first("toString"), NO_COPY_MORE);
  return stringWithContext(text, context);
};

const substring: BuiltinBody = (state, args) => {
  const from = expectInteger(
    args[0]!,
    undefined,
    "while evaluating the first argument (the start offset) passed to builtins.substring",
  );
  if (from < 0) throw invalidError("negative start position in 'substring'");
  const size = expectInteger(
    args[1]!,
    undefined,
    "while evaluating the second argument (the substring length) passed to builtins.substring",
  );
  const string = args[2]!;
  if (typeof string === "string" && typeof size === "number") {
    return size < 0 ? string.slice(Number(from)) : string.slice(Number(from), Number(from) + size);
  }
  if (size === 0) {
    const value = force(string);
    if (isString(value)) return stringWithContext("", contextOf(value));
  }
  const context = new Set<string>();
  const frame = "while evaluating the third argument (the string) passed to builtins.substring";
  const text = coerceToText(state, string, context, undefined, frame, COPY);
  const begin = Number(from);
  return stringWithContext(size < 0 ? text.slice(begin) : text.slice(begin, begin + Number(size)), context);
};

/** V8 remembers what a long text was put together from, until it is looked at. */
const PIECE_SLOTS = 8;

const concatStringsSep: BuiltinBody = (state, args) => {
  const context = new Set<string>();
  const separatorFrame =
    "while evaluating the first argument (the separator string) passed to builtins.concatStringsSep";
  const listFrame =
    "while evaluating the second argument (the list of strings to concat) passed to builtins.concatStringsSep";
  const elementFrame =
    "while evaluating one element of the list of strings to concat passed to builtins.concatStringsSep";
  const between = expectText(args[0]!, context, undefined, separatorFrame);
  const parts = expectList(args[1]!, undefined, listFrame);
  state.reserve(parts.length * PIECE_SLOTS);
  let text = "";
  for (let i = 0; i < parts.length; i++) {
    if (i > 0) text += between;
    text += coerceToText(state, parts[i]!, context, undefined, elementFrame, COPY);
  }
  state.reserveText(text);
  return stringWithContext(text, context);
};

const FIRST_OF_REPLACE = first("replaceStrings");
const SECOND_OF_REPLACE = second("replaceStrings");

const replaceStrings: BuiltinBody = (state, args) => {
  const sources = expectList(args[0]!, undefined, FIRST_OF_REPLACE);
  const targets = expectList(args[1]!, undefined, SECOND_OF_REPLACE);
  if (sources.length !== targets.length) {
    throw invalidError("'from' and 'to' arguments passed to builtins.replaceStrings have different lengths");
  }
  const sourceFrame = "while evaluating one of the strings to replace passed to builtins.replaceStrings";
  const targetFrame = "while evaluating one of the replacement strings passed to builtins.replaceStrings";
  const patterns = sources.map((source) => textOf(expectString(source, undefined, sourceFrame)));
  const context = new Set<string>();
  const thirdFrame = "while evaluating the third argument passed to builtins.replaceStrings";
  const text = expectText(args[2]!, context, undefined, thirdFrame);
  const replacements: (string | undefined)[] = patterns.map(() => undefined);
  const replaced = new Patterns(patterns).replaceIn(text, (index) => {
    state.reserve(PIECE_SLOTS);
    return (replacements[index] ??= expectText(targets[index]!, context, undefined, targetFrame));
  });
  state.reserveText(replaced);
  return stringWithContext(replaced, context);
};

const regexes = new Map<string, Regex>();
const REGEXES_MAX = 1000;

function regexOf(pattern: string): Regex {
  const known = regexes.get(pattern);
  if (known !== undefined) return known;
  const compiled = compileRegex(pattern);
  if (!compiled.ok)
    throw compiled.error === "invalid" ? invalidError(`invalid regular expression '${pattern}'`) : tooLarge(pattern);
  if (regexes.size >= REGEXES_MAX) regexes.clear();
  regexes.set(pattern, compiled.value);
  return compiled.value;
}

function tooLarge(pattern: string): EvalError {
  return invalidError(`memory limit exceeded by regular expression '${pattern}'`);
}

/** Runs a search; one that would take too much memory is an error of the expression. */
function searching<T>(pattern: string, search: (regex: Regex) => T): T {
  const regex = regexOf(pattern);
  try {
    return search(regex);
  } catch (error) {
    throw error instanceof RegexLimitError ? tooLarge(pattern) : error;
  }
}

const FIRST_OF_MATCH = first("match");
const SECOND_OF_MATCH = second("match");

const match: BuiltinBody = (_state, args) => {
  const source = expectPlainText(args[0]!, undefined, FIRST_OF_MATCH);
  regexOf(source);
  const text = textOf(expectString(args[1]!, undefined, SECOND_OF_MATCH));
  const groups = searching(source, (regex) => regex.matchWhole(text));
  return groups === undefined ? null : groupValues(groups);
};

const groupValues = (groups: readonly (string | undefined)[]): Slot[] => groups.map((group) => group ?? null);

/** What a match takes until it is part of the result. */
const MATCH_SLOTS = 32;

const split: BuiltinBody = (state, [pattern, string]) => {
  const source = expectPlainText(pattern!, undefined, first("split"));
  regexOf(source);
  const value = expectString(string!, undefined, second("split"));
  const text = textOf(value);
  const matches = searching(source, (regex) => regex.matchAll(text, () => state.reserve(MATCH_SLOTS)));
  if (matches.length === 0) return [value];
  const result: Slot[] = [];
  let end = 0;
  for (const found of matches) {
    result.push(text.slice(end, found.start), groupValues(found.groups));
    end = found.end;
  }
  result.push(text.slice(end));
  return result;
};

export const textBuiltins: Builtins = {
  ["toString" as string]: [1, toStringBuiltin],
  substring: [3, substring],
  stringLength: [
    1,
    (state, [value]) => {
      const frame = "while evaluating the argument passed to builtins.stringLength";
      return coerceToText(state, value!, new Set(), undefined, frame, COPY).length;
    },
  ],
  concatStringsSep: [2, concatStringsSep],
  replaceStrings: [3, replaceStrings],
  match: [2, match],
  split: [2, split],
  parseDrvName: [
    1,
    (_state, [name]) => {
      const parsed = parseDrvName(expectPlainText(name!, undefined, first("parseDrvName")));
      return attrsOf({ name: parsed.name, version: parsed.version });
    },
  ],
  compareVersions: [
    2,
    (_state, [left, right]): Value =>
      Math.sign(
        compareVersions(
          expectPlainText(left!, undefined, first("compareVersions")),
          expectPlainText(right!, undefined, second("compareVersions")),
        ),
      ),
  ],
  splitVersion: [
    1,
    (_state, [version]) => [...splitVersion(expectPlainText(version!, undefined, first("splitVersion")))],
  ],
};
