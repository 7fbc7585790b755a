/**
 * Reads POSIX extended regular expressions, as strictly as the C++ library does that Nix uses.
 *
 * So an escaped ordinary character is an error, as are `{,2}`, a `-` in a place where POSIX leaves its meaning open, and
 * a quantifier with nothing before it. Classes and collation are those of the C locale.
 */
import { err, ok, type Result } from "../../base/result.ts";

export type RegexNode =
  | { readonly kind: "empty" }
  | { readonly kind: "char"; readonly code: number }
  | { readonly kind: "any" }
  | { readonly kind: "set"; readonly members: Uint8Array }
  | { readonly kind: "line-begin" }
  | { readonly kind: "line-end" }
  | { readonly kind: "group"; readonly index: number; readonly body: RegexNode }
  | { readonly kind: "sequence"; readonly parts: readonly RegexNode[] }
  | { readonly kind: "either"; readonly first: RegexNode; readonly second: RegexNode }
  /** `max` is `Infinity` when there is no upper bound. */
  | { readonly kind: "repeat"; readonly body: RegexNode; readonly min: number; readonly max: number };

export interface RegexSyntax {
  readonly root: RegexNode;
  readonly groupCount: number;
}

/** `invalid`: not a regular expression; `too-large`: more than we are ready to match with. */
export type RegexError = "invalid" | "too-large";

/** Groups nested deeper than this are refused. */
const NESTING_DEPTH_MAX = 1000;
/** A greater count is no number in the eyes of Nix. */
const COUNT_MAX = 2 ** 31 - 1;
/** Repetition counts above this cannot fit the limit on states. */
const REPEAT_MAX = 100_000;

const EMPTY: RegexNode = { kind: "empty" };
/** What a backslash may stand before. */
const SPECIAL = ".[\\()*+?{|^$";

class RegexFault extends Error {
  readonly reason: RegexError;
  constructor(reason: RegexError) {
    super(reason);
    this.reason = reason;
  }
}

export function parseRegex(pattern: string): Result<RegexSyntax, RegexError> {
  const reader = new RegexReader(pattern);
  try {
    return ok(reader.regex());
  } catch (error) {
    if (error instanceof RegexFault) return err(error.reason);
    throw error;
  }
}

class RegexReader {
  readonly #pattern: string;
  #at = 0;
  #groupCount = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  regex(): RegexSyntax {
    const root = this.#alternatives();
    // Whatever ended it is a stray `)` or a quantifier without an operand.
    if (this.#at < this.#pattern.length) this.#fail();
    return { root, groupCount: this.#groupCount };
  }

  #fail(): never {
    throw new RegexFault("invalid");
  }

  #alternatives(): RegexNode {
    let node = this.#sequence();
    while (this.#pattern[this.#at] === "|") {
      this.#at++;
      node = { kind: "either", first: node, second: this.#sequence() };
    }
    return node;
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = [];
    for (;;) {
      const character = this.#pattern[this.#at];
      if (character === "^" || character === "$") {
        this.#at++;
        parts.push({ kind: character === "^" ? "line-begin" : "line-end" });
        continue;
      }
      const atom = this.#atom();
      if (atom === undefined) break;
      parts.push(this.#quantified(atom));
    }
    return parts.length === 0 ? EMPTY : parts.length === 1 ? (parts[0] as RegexNode) : { kind: "sequence", parts };
  }

  #atom(): RegexNode | undefined {
    const character = this.#pattern[this.#at];
    switch (character) {
      case undefined:
      case "|":
      case ")":
      case "*":
      case "+":
      case "?":
      case "{":
        return undefined;
      case ".":
        this.#at++;
        return { kind: "any" };
      case "(":
        return this.#group();
      case "[":
        this.#at++;
        return { kind: "set", members: this.#bracket() };
      case "\\": {
        const escaped = this.#pattern[this.#at + 1];
        if (escaped === undefined || !SPECIAL.includes(escaped)) this.#fail();
        this.#at += 2;
        return { kind: "char", code: escaped.charCodeAt(0) };
      }
      default:
        this.#at++;
        return { kind: "char", code: character.charCodeAt(0) };
    }
  }

  #group(): RegexNode {
    this.#at++;
    const index = ++this.#groupCount;
    if (++this.#depth > NESTING_DEPTH_MAX) throw new RegexFault("too-large");
    const body = this.#alternatives();
    this.#depth--;
    if (this.#pattern[this.#at] !== ")") this.#fail();
    this.#at++;
    return { kind: "group", index, body };
  }

  #quantified(atom: RegexNode): RegexNode {
    let node = atom;
    let depth = 0;
    for (;;) {
      let min = 0;
      let max = Infinity;
      switch (this.#pattern[this.#at]) {
        case "*":
          this.#at++;
          break;
        case "+":
          this.#at++;
          min = 1;
          break;
        case "?":
          this.#at++;
          max = 1;
          break;
        case "{":
          this.#at++;
          [min, max] = this.#interval();
          break;
        default:
          return node;
      }
      if (++depth > NESTING_DEPTH_MAX) throw new RegexFault("too-large");
      node = { kind: "repeat", body: node, min, max };
    }
  }

  /** `n}`, `n,}` or `n,m}`. */
  #interval(): [number, number] {
    const min = this.#count();
    if (min === undefined) this.#fail();
    let max = min;
    if (this.#pattern[this.#at] === ",") {
      this.#at++;
      max = this.#count() ?? Infinity;
    }
    if (this.#pattern[this.#at] !== "}" || max < min) this.#fail();
    this.#at++;
    if (min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX)) throw new RegexFault("too-large");
    return [min, max];
  }

  #count(): number | undefined {
    const start = this.#at;
    while (/^[0-9]$/.test(this.#pattern[this.#at] ?? "")) this.#at++;
    if (start === this.#at) return undefined;
    const count = Number(this.#pattern.slice(start, this.#at));
    return count > COUNT_MAX ? this.#fail() : count;
  }

  /** A bracket expression, from behind its `[`. */
  #bracket(): Uint8Array {
    const pattern = this.#pattern;
    const set = new BracketSet();
    const isNegated = pattern[this.#at] === "^";
    if (isNegated) this.#at++;
    let isFirst = true;
    /** A character that may turn out to begin a range, `class` behind a class, else nothing. */
    let pending: number | "class" | undefined;
    for (;;) {
      const character = pattern[this.#at];
      if (character === undefined) this.#fail();
      this.#at++;
      if (character === "]" && !isFirst) break;
      if (character === "-") {
        if (isFirst) {
          pending = 45;
          set.add(45);
        } else if (pattern[this.#at] === "]") set.add(45);
        else if (typeof pending !== "number") this.#fail();
        else {
          if (!set.addRange(pending, this.#rangeEnd())) this.#fail();
          pending = undefined;
        }
      } else {
        const named = character === "[" ? this.#named(set) : undefined;
        pending = named ?? character.charCodeAt(0);
        if (pending !== "class") set.add(pending);
      }
      isFirst = false;
    }
    if (isNegated) set.negate();
    return set.members;
  }

  #rangeEnd(): number {
    const character = this.#pattern[this.#at];
    if (character === undefined || (character === "[" && /^[.:=]$/.test(this.#pattern[this.#at + 1] ?? ""))) {
      this.#fail();
    }
    this.#at++;
    return character.charCodeAt(0);
  }

  /** `[:class:]`, `[=equivalent=]` or `[.character.]` behind its first bracket; `undefined` when it is none of these. */
  #named(set: BracketSet): number | "class" | undefined {
    const kind = this.#pattern[this.#at];
    if (kind !== ":" && kind !== "=" && kind !== ".") {
      if (kind === undefined) this.#fail();
      return undefined;
    }
    const close = this.#pattern.indexOf(kind, this.#at + 1);
    if (close < 0 || this.#pattern[close + 1] !== "]") this.#fail();
    const name = this.#pattern.slice(this.#at + 1, close);
    this.#at = close + 2;
    if (kind === ":") {
      const members = CLASSES.get(name.toLowerCase());
      if (members === undefined) this.#fail();
      for (let code = 0; code < 256; code++) if (members(code)) set.add(code);
      return "class";
    }
    const code = COLLATING_NAMES.indexOf(name);
    if (code < 0) this.#fail();
    if (kind === ".") {
      set.add(code);
      return code;
    }
    const lower = lowerCase(code);
    for (let other = 0; other < 128; other++) if (lowerCase(other) === lower) set.add(other);
    return "class";
  }
}

class BracketSet {
  readonly members: Uint8Array = new Uint8Array(256);

  add(code: number): void {
    this.members[code] = 1;
  }

  /** Ranges are of signed bytes. False when the range is backwards. */
  addRange(from: number, to: number): boolean {
    const first = (from << 24) >> 24;
    const last = (to << 24) >> 24;
    if (first > last) return false;
    for (let code = first; code <= last; code++) this.add(code & 0xff);
    return true;
  }

  negate(): void {
    for (let code = 0; code < 256; code++) this.members[code] = 1 - (this.members[code] as number);
  }
}

function lowerCase(code: number): number {
  return code >= 65 && code <= 90 ? code + 32 : code;
}

const isUpper = (code: number): boolean => code >= 65 && code <= 90;
const isLower = (code: number): boolean => code >= 97 && code <= 122;
const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isAlpha = (code: number): boolean => isUpper(code) || isLower(code);
const isAlnum = (code: number): boolean => isAlpha(code) || isDigit(code);
const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);
const isGraph = (code: number): boolean => code > 32 && code < 127;

const CLASSES: ReadonlyMap<string, (code: number) => boolean> = new Map([
  ["d", isDigit],
  ["w", (code: number) => isAlnum(code) || code === 95],
  ["s", isSpace],
  ["alnum", isAlnum],
  ["alpha", isAlpha],
  ["blank", (code: number) => code === 32 || code === 9],
  ["cntrl", (code: number) => code < 32 || code === 127],
  ["digit", isDigit],
  ["graph", isGraph],
  ["lower", isLower],
  ["print", (code: number) => code >= 32 && code < 127],
  ["punct", (code: number) => isGraph(code) && !isAlnum(code)],
  ["space", isSpace],
  ["upper", isUpper],
  ["xdigit", (code: number) => isDigit(code) || (lowerCase(code) >= 97 && lowerCase(code) <= 102)],
]);

/** The names POSIX gives to the 128 characters of ASCII, by code. */
const COLLATING_NAMES: readonly string[] = (
  "NUL SOH STX ETX EOT ENQ ACK alert backspace tab newline vertical-tab form-feed carriage-return SO SI DLE DC1 DC2 " +
  "DC3 DC4 NAK SYN ETB CAN EM SUB ESC IS4 IS3 IS2 IS1 space exclamation-mark quotation-mark number-sign dollar-sign " +
  "percent-sign ampersand apostrophe left-parenthesis right-parenthesis asterisk plus-sign comma hyphen period slash " +
  "zero one two three four five six seven eight nine colon semicolon less-than-sign equals-sign greater-than-sign " +
  "question-mark commercial-at A B C D E F G H I J K L M N O P Q R S T U V W X Y Z left-square-bracket backslash " +
  "right-square-bracket circumflex underscore grave-accent a b c d e f g h i j k l m n o p q r s t u v w x y z " +
  "left-curly-bracket vertical-line right-curly-bracket tilde DEL"
).split(" ");
