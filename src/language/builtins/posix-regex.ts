/**
 * Matches POSIX extended regular expressions on byte strings, with exactly the results Nix gives.
 *
 * Nix uses the C++ library's matcher, whose results are neither those of a leftmost-longest search nor those of
 * JavaScript: it goes depth first; all branches of an alternative are tried and the longest result is kept, the first one
 * found among equals; a greedy repetition keeps the first count that succeeds; a repetition may match nothing at most
 * twice at one place; and a group keeps what it matched in an earlier round. This matcher takes the same decisions in the
 * same order, but on a stack of its own and, when a search grows long, remembering what each state gave at each place, so
 * that its time is bounded by the pattern's size times the text's.
 */
import { err, ok, type Result } from "../../base/result.ts";
import { parseRegex, type RegexError, type RegexNode } from "./posix-regex-syntax.ts";

export type { RegexError } from "./posix-regex-syntax.ts";

/** What each group matched, from the first; `undefined` for a group that took no part. */
export type RegexGroups = readonly (string | undefined)[];

export interface RegexMatch {
  readonly start: number;
  readonly end: number;
  readonly groups: RegexGroups;
}

export interface Regex {
  /** The groups when the whole text matches. */
  matchWhole(text: string): RegexGroups | undefined;
  /** All matches from left to right; empty ones too, except where the one before ended. */
  matchAll(text: string, beforeMatch?: () => void): readonly RegexMatch[];
}

/** Matching would take more memory than we are ready to give it. */
export class RegexLimitError extends Error {
  override readonly name = "RegexLimitError";
}

export function compileRegex(pattern: string): Result<Regex, RegexError> {
  const parsed = parseRegex(pattern);
  if (!parsed.ok) return parsed;
  const program = new Program(parsed.value.groupCount);
  if (!program.compile(parsed.value.root)) return err("too-large");
  return ok(new Matcher(program));
}

/** As many states as the C++ library allows. */
const STATES_MAX = 100_000;
/** Steps of one search before it begins to remember. */
const STEPS_UNREMEMBERED_MAX = 20_000;
/** How much a search may remember, in places times states. */
const REMEMBERED_MAX = 2 ** 30;
/** Steps of one search that cannot remember. */
const STEPS_MAX = 2 ** 28;
/** More repetitions than this of what may be empty are not remembered apart. */
const EMPTY_REPEATS_MAX = 8;

const Op = {
  Accept: 0,
  Char: 1,
  Any: 2,
  Set: 3,
  GroupBegin: 4,
  GroupEnd: 5,
  LineBegin: 6,
  LineEnd: 7,
  /** `other` is one round more, `next` goes on. */
  Repeat: 8,
  /** `other` is tried first. */
  Either: 9,
} as const;

/** The states of a pattern, as parallel lists. State 0 accepts. */
class Program {
  readonly groupCount: number;
  readonly op: number[] = [Op.Accept];
  readonly next: number[] = [0];
  readonly other: number[] = [0];
  /** A character, the number of a set, a group, or of a repetition that may be empty (else -1). */
  readonly argument: number[] = [0];
  readonly sets: Uint8Array[] = [];
  emptyRepeatCount = 0;
  start = 0;
  /** The bytes a match can begin with, unless it can be empty. */
  firstBytes: Uint8Array | undefined;

  constructor(groupCount: number) {
    this.groupCount = groupCount;
  }

  /** False when there are too many states. */
  compile(root: RegexNode): boolean {
    const start = this.#emit(root, 0);
    if (start < 0) return false;
    this.start = start;
    this.firstBytes = this.#possibleFirstBytes();
    return true;
  }

  #state(op: number, next: number, other: number, argument: number): number {
    if (this.op.length >= STATES_MAX) return -1;
    this.op.push(op);
    this.next.push(next);
    this.other.push(other);
    this.argument.push(argument);
    return this.op.length - 1;
  }

  /** The first state of `node` with `next` behind it, -1 when there are too many. */
  #emit(node: RegexNode, next: number): number {
    if (next < 0) return -1;
    switch (node.kind) {
      case "empty":
        return next;
      case "char":
        return this.#state(Op.Char, next, 0, node.code);
      case "any":
        return this.#state(Op.Any, next, 0, 0);
      case "set":
        this.sets.push(node.members);
        return this.#state(Op.Set, next, 0, this.sets.length - 1);
      case "line-begin":
        return this.#state(Op.LineBegin, next, 0, 0);
      case "line-end":
        return this.#state(Op.LineEnd, next, 0, 0);
      case "group": {
        const body = this.#emit(node.body, this.#state(Op.GroupEnd, next, 0, node.index));
        return body < 0 ? -1 : this.#state(Op.GroupBegin, body, 0, node.index);
      }
      case "sequence": {
        let state = next;
        for (let i = node.parts.length - 1; i >= 0; i--) state = this.#emit(node.parts[i] as RegexNode, state);
        return state;
      }
      case "either": {
        const second = this.#emit(node.second, next);
        const first = second < 0 ? -1 : this.#emit(node.first, next);
        return first < 0 ? -1 : this.#state(Op.Either, second, first, 0);
      }
      case "repeat":
        return this.#emitRepeat(node.body, node.min, node.max, next);
    }
  }

  #emitRepeat(body: RegexNode, min: number, max: number, next: number): number {
    const number = (): number => (canBeEmpty(body) ? this.emptyRepeatCount++ : -1);
    let state = next;
    if (max === Infinity) {
      const loop = this.#state(Op.Repeat, next, 0, number());
      const round = this.#emit(body, loop);
      if (round < 0) return -1;
      this.other[loop] = round;
      if (min === 1) return round;
      state = loop;
    } else {
      for (let i = min; i < max && state >= 0; i++) {
        const round = this.#emit(body, state);
        state = round < 0 ? -1 : this.#state(Op.Repeat, next, round, number());
      }
    }
    for (let i = 0; i < min && state >= 0; i++) state = this.#emit(body, state);
    return state;
  }

  #possibleFirstBytes(): Uint8Array | undefined {
    const bytes = new Uint8Array(256);
    const seen = new Set<number>();
    const pending = [this.start];
    for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
      if (seen.has(state)) continue;
      seen.add(state);
      switch (this.op[state]) {
        case Op.Accept:
          return undefined;
        case Op.Char:
          bytes[this.argument[state] as number] = 1;
          break;
        case Op.Any:
          bytes.fill(1, 1);
          break;
        case Op.Set:
          this.sets[this.argument[state] as number]?.forEach((member, code) => {
            if (member === 1) bytes[code] = 1;
          });
          break;
        case Op.Repeat:
        case Op.Either:
          pending.push(this.next[state] as number, this.other[state] as number);
          break;
        default:
          pending.push(this.next[state] as number);
      }
    }
    return bytes;
  }
}

function canBeEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case "char":
    case "any":
    case "set":
      return false;
    case "empty":
    case "line-begin":
    case "line-end":
      return true;
    case "group":
      return canBeEmpty(node.body);
    case "sequence":
      return node.parts.every(canBeEmpty);
    case "either":
      return canBeEmpty(node.first) || canBeEmpty(node.second);
    case "repeat":
      return node.min === 0 || canBeEmpty(node.body);
  }
}

class Matcher implements Regex {
  readonly #program: Program;

  constructor(program: Program) {
    this.#program = program;
  }

  matchWhole(text: string): RegexGroups | undefined {
    const search = new Search(this.#program, text, { mustReachEnd: true });
    return search.from(0) ? search.groups() : undefined;
  }

  matchAll(text: string, beforeMatch: () => void = () => undefined): readonly RegexMatch[] {
    const matches: RegexMatch[] = [];
    let search = this.#next(text, 0, false);
    let isLater = false;
    while (search !== undefined) {
      const { begin, end } = search;
      beforeMatch();
      matches.push({ start: begin, end, groups: search.groups() });
      let start = end;
      if (begin === end) {
        if (end === text.length) break;
        // Behind an empty match first something longer is tried at the same place.
        const retry = new Search(this.#program, text, { isLater, mustNotBeEmpty: true });
        if (retry.from(end)) {
          search = retry;
          continue;
        }
        start++;
      }
      isLater = true;
      search = this.#next(text, start, true);
    }
    return matches;
  }

  /** The first match that begins at or behind `start`. */
  #next(text: string, start: number, isLater: boolean): Search | undefined {
    const { firstBytes } = this.#program;
    const search = new Search(this.#program, text, { isLater });
    for (let begin = start; begin <= text.length; begin++) {
      if (firstBytes !== undefined) {
        while (begin < text.length && firstBytes[text.charCodeAt(begin)] === 0) begin++;
        if (begin === text.length) return undefined;
      }
      search.isLater = isLater || begin > start;
      if (search.from(begin)) return search;
    }
    return undefined;
  }
}

/** What is left to do when the current path has ended; each entry's fields lie below its tag on the stack. */
const Task = {
  /** state, place */
  RepeatGoOn: 0,
  /** repeat, place, count */
  RepeatRestore: 1,
  /** state, place */
  EitherSecond: 2,
  /** whether the first branch led to a match */
  EitherJoin: 3,
  /** group, begin */
  GroupBegin: 4,
  /** group, end */
  GroupEnd: 5,
  /** index */
  Remember: 6,
} as const;

const UNKNOWN = 0;
const NO_MATCH = 1;
const MATCH = 2;

/** Tries to match from given places of a text. */
class Search {
  readonly #program: Program;
  readonly #text: string;
  readonly #mustReachEnd: boolean;
  readonly #mustNotBeEmpty: boolean;
  /** Whether the place to match from is not the beginning of the text for `^`. */
  isLater: boolean;
  begin = 0;
  end = -1;
  /** Where each group begins and ends; the end is -1 for a group that took no part. */
  readonly #groupBegin: Int32Array;
  readonly #groupEnd: Int32Array;
  #bestBegin: Int32Array;
  #bestEnd: Int32Array;
  /** Where each repetition that may be empty was last entered, and how often there. */
  readonly #repeatPlace: Int32Array;
  readonly #repeatCount: Int32Array;
  #stack: Int32Array = new Int32Array(256);
  #stackSize = 0;
  /** Two bits for each state at each place. */
  #memory: Uint8Array | undefined;
  #memoryStart = 0;

  constructor(
    program: Program,
    text: string,
    options: {
      readonly mustReachEnd?: boolean;
      readonly mustNotBeEmpty?: boolean;
      readonly isLater?: boolean;
    },
  ) {
    this.#program = program;
    this.#text = text;
    this.#mustReachEnd = options.mustReachEnd ?? false;
    this.#mustNotBeEmpty = options.mustNotBeEmpty ?? false;
    this.isLater = options.isLater ?? false;
    const groups = program.groupCount + 1;
    this.#groupBegin = new Int32Array(groups);
    this.#groupEnd = new Int32Array(groups).fill(-1);
    this.#bestBegin = this.#groupBegin;
    this.#bestEnd = this.#groupEnd;
    this.#repeatPlace = new Int32Array(program.emptyRepeatCount).fill(-1);
    this.#repeatCount = new Int32Array(program.emptyRepeatCount);
  }

  groups(): RegexGroups {
    const groups: (string | undefined)[] = [];
    for (let i = 1; i <= this.#program.groupCount; i++) {
      const end = this.#bestEnd[i] as number;
      groups.push(end < 0 ? undefined : this.#text.slice(this.#bestBegin[i], end));
    }
    return groups;
  }

  /** Whether a match begins at `begin`; then `end` and `groups()` tell of it. */
  from(begin: number): boolean {
    this.begin = begin;
    this.end = -1;
    const result = this.#run(false);
    if (result !== undefined) return result;
    // Everything is as it was before: start again, remembering. What does not match is remembered for later places too.
    this.#stackSize = 0;
    this.#groupEnd.fill(-1);
    this.#repeatPlace.fill(-1);
    this.#repeatCount.fill(0);
    this.end = -1;
    return this.#run(true) === true;
  }

  #push(a: number, b: number, tag: number): void {
    if (this.#stackSize + 4 > this.#stack.length) {
      const larger = new Int32Array(this.#stack.length * 2);
      larger.set(this.#stack);
      this.#stack = larger;
    }
    this.#stack[this.#stackSize++] = a;
    this.#stack[this.#stackSize++] = b;
    this.#stack[this.#stackSize++] = tag;
  }

  #pop(): number {
    return this.#stack[--this.#stackSize] as number;
  }

  /** The whole search from `begin`; `undefined` when it has grown too long to go on without remembering. */
  #run(mayRemember: boolean): boolean | undefined {
    const { op, next, other, argument, sets, start } = this.#program;
    const text = this.#text;
    const length = text.length;
    const remembers = (mayRemember || this.#memory !== undefined) && this.#prepareMemory();
    let steps = 0;
    let state = start;
    let place = this.begin;
    let isMatch = false;
    for (;;) {
      // Follow one path to its end.
      path: for (;;) {
        switch (op[state]) {
          case Op.Char:
            if (place >= length || text.charCodeAt(place) !== argument[state]) break path;
            place++;
            state = next[state] as number;
            break;
          case Op.Any:
            if (place >= length || text.charCodeAt(place) === 0) break path;
            place++;
            state = next[state] as number;
            break;
          case Op.Set:
            if (place >= length || sets[argument[state] as number]?.[text.charCodeAt(place)] !== 1) break path;
            place++;
            state = next[state] as number;
            break;
          case Op.GroupBegin: {
            const group = argument[state] as number;
            this.#push(group, this.#groupBegin[group] as number, Task.GroupBegin);
            this.#groupBegin[group] = place;
            state = next[state] as number;
            break;
          }
          case Op.GroupEnd: {
            const group = argument[state] as number;
            this.#push(group, this.#groupEnd[group] as number, Task.GroupEnd);
            this.#groupEnd[group] = place;
            state = next[state] as number;
            break;
          }
          case Op.LineBegin:
            if (place !== this.begin || this.isLater) break path;
            state = next[state] as number;
            break;
          case Op.LineEnd:
            if (place !== length) break path;
            state = next[state] as number;
            break;
          case Op.Repeat: {
            steps++;
            if (remembers) {
              const known = this.#recall(state, place);
              if (known !== UNKNOWN) {
                isMatch = known === MATCH;
                break path;
              }
            }
            this.#push(state, place, Task.RepeatGoOn);
            const repeat = argument[state] as number;
            if (repeat >= 0) {
              const isSamePlace = this.#repeatPlace[repeat] === place;
              const count = isSamePlace ? (this.#repeatCount[repeat] as number) : 0;
              if (count >= 2) break path;
              this.#push(repeat, this.#repeatPlace[repeat] as number, this.#repeatCount[repeat] as number);
              this.#stack[this.#stackSize++] = Task.RepeatRestore;
              this.#repeatPlace[repeat] = place;
              this.#repeatCount[repeat] = count + 1;
            }
            state = other[state] as number;
            break;
          }
          case Op.Either:
            steps++;
            if (remembers) {
              const known = this.#recall(state, place);
              if (known !== UNKNOWN) {
                isMatch = known === MATCH;
                break path;
              }
            }
            this.#push(state, place, Task.EitherSecond);
            state = other[state] as number;
            break;
          default:
            isMatch = this.#accept(place);
            if (isMatch && this.#mustReachEnd) return true;
            break path;
        }
      }
      if (!remembers && steps > STEPS_UNREMEMBERED_MAX + length) {
        if (!mayRemember) return undefined;
        if (steps > STEPS_MAX) {
          throw new RegexLimitError("memory limit exceeded by regular expression");
        }
      }
      // Take up what is left to do.
      tasks: for (;;) {
        if (this.#stackSize === 0) return this.end >= 0;
        const tag = this.#pop();
        const b = this.#pop();
        const a = this.#pop();
        switch (tag) {
          case Task.RepeatGoOn:
            if (isMatch) break;
            state = next[a] as number;
            place = b;
            break tasks;
          case Task.RepeatRestore: {
            const repeat = this.#pop();
            this.#repeatPlace[repeat] = a;
            this.#repeatCount[repeat] = b;
            break;
          }
          case Task.EitherSecond:
            this.#push(isMatch ? 1 : 0, 0, Task.EitherJoin);
            isMatch = false;
            state = next[a] as number;
            place = b;
            break tasks;
          case Task.EitherJoin:
            if (a === 1) isMatch = true;
            break;
          case Task.GroupBegin:
            this.#groupBegin[a] = b;
            break;
          case Task.GroupEnd:
            this.#groupEnd[a] = b;
            break;
          default:
            this.#remember(a, isMatch ? MATCH : NO_MATCH);
        }
      }
    }
  }

  #accept(place: number): boolean {
    if (this.#mustReachEnd && place !== this.#text.length) return false;
    if (this.#mustNotBeEmpty && place === this.begin) return false;
    if (place > this.end) {
      this.end = place;
      this.#bestBegin = this.#groupBegin.slice();
      this.#bestEnd = this.#groupEnd.slice();
    }
    return true;
  }

  /** Makes room to remember; false when there would be too much of it. */
  #prepareMemory(): boolean {
    if (this.#memory !== undefined) return true;
    const { op, emptyRepeatCount } = this.#program;
    if (emptyRepeatCount > EMPTY_REPEATS_MAX) return false;
    const size = op.length * 3 ** emptyRepeatCount * (this.#text.length - this.begin + 1);
    if (size > REMEMBERED_MAX) return false;
    this.#memory = new Uint8Array(Math.ceil(size / 4));
    this.#memoryStart = this.begin;
    return true;
  }

  /** What this state gave at this place; when that is unknown, it will be remembered once it is known. */
  #recall(state: number, place: number): number {
    // What may follow depends also on how often each empty repetition was entered at this place.
    let index = (place - this.#memoryStart) * this.#program.op.length + state;
    for (let i = 0; i < this.#repeatPlace.length; i++) {
      index = index * 3 + (this.#repeatPlace[i] === place ? (this.#repeatCount[i] as number) : 0);
    }
    const known = ((this.#memory?.[index >> 2] as number) >> ((index & 3) * 2)) & 3;
    if (known === UNKNOWN) this.#push(index, 0, Task.Remember);
    return known;
  }

  #remember(index: number, result: number): void {
    const memory = this.#memory as Uint8Array;
    memory[index >> 2] = (memory[index >> 2] as number) | (result << ((index & 3) * 2));
  }
}
