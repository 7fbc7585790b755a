/**
 * What is wrong with a text that is not JSON, in the words of the library that Nix reads JSON with.
 *
 * The reader of `json-value.ts` only finds out that something is wrong; this reads the text once more, character by
 * character like that library, because its messages say what it had read and what it hoped for.
 */

type Token =
  | "true literal"
  | "false literal"
  | "null literal"
  | "string literal"
  | "number literal"
  | "'['"
  | "'{'"
  | "']'"
  | "'}'"
  | "':'"
  | "','"
  | "<parse error>"
  | "end of input";

const END = -1;
const LITERALS: Readonly<Record<string, Token>> = {
  true: "true literal",
  false: "false literal",
  null: "null literal",
};
const STRUCTURE = new Map<string, Token>(["[", "{", "]", "}", ":", ","].map((char) => [char, `'${char}'` as Token]));
/** Control characters by name, and the short escapes of some. */
const CONTROLS = (
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI " +
  "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
).split(" ");
const SHORT_ESCAPES: Readonly<Record<string, string>> = { BS: "\\b", HT: "\\t", LF: "\\n", FF: "\\f", CR: "\\r" };
const NO_LOW_SURROGATE = "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF";
const NO_HIGH_SURROGATE = "invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF";

class Scanner {
  readonly #text: string;
  /** Characters taken, the end of the text counted as one. */
  taken = 0;
  line = 0;
  column = 0;
  #tokenStart = 0;
  problem = "";

  constructor(text: string) {
    this.#text = text;
    // A byte order mark counts, but says nothing.
    if (text.startsWith("\xef\xbb\xbf")) this.taken = this.column = 3;
  }

  get tokenText(): string {
    const raw = this.#text.slice(this.#tokenStart, this.taken);
    return Array.from(raw, (char) => {
      const code = char.charCodeAt(0);
      return code < 0x20 ? `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>` : char;
    }).join("");
  }

  #get(): number {
    const code = this.taken < this.#text.length ? this.#text.charCodeAt(this.taken) : END;
    this.taken++;
    this.column++;
    if (code === 10) {
      this.line++;
      this.column = 0;
    }
    return code;
  }

  #unget(): void {
    this.taken--;
    if (this.column > 0) this.column--;
    else if (this.line > 0) this.line--;
  }

  #fail(problem: string): Token {
    this.problem = problem;
    return "<parse error>";
  }

  next(): Token {
    let code = this.#get();
    while (code === 32 || code === 9 || code === 10 || code === 13) code = this.#get();
    this.#tokenStart = this.taken - 1;
    if (code === END || code === 0) return "end of input";
    const char = String.fromCharCode(code);
    const structure = STRUCTURE.get(char);
    if (structure !== undefined) return structure;
    const literal = Object.keys(LITERALS).find((word) => word.startsWith(char));
    if (literal !== undefined) return this.#literal(literal);
    if (char === '"') return this.#string();
    if (char === "-" || isDigit(code)) return this.#number(code);
    return this.#fail("invalid literal");
  }

  #literal(word: string): Token {
    for (const char of word.slice(1)) {
      if (this.#get() !== char.charCodeAt(0)) return this.#fail("invalid literal");
    }
    return LITERALS[word]!;
  }

  #number(first: number): Token {
    let code = first;
    if (code === 0x2d) {
      code = this.#get();
      if (!isDigit(code)) return this.#fail("invalid number; expected digit after '-'");
    }
    if (code === 0x30) code = this.#get();
    else while (isDigit(code)) code = this.#get();
    if (code === 0x2e) {
      code = this.#get();
      if (!isDigit(code)) return this.#fail("invalid number; expected digit after '.'");
      while (isDigit(code)) code = this.#get();
    }
    if (code === 0x65 || code === 0x45) {
      code = this.#get();
      const isSigned = code === 0x2b || code === 0x2d;
      if (isSigned) code = this.#get();
      if (!isDigit(code)) {
        const after = isSigned ? "digit after exponent sign" : "'+', '-', or digit after exponent";
        return this.#fail(`invalid number; expected ${after}`);
      }
      while (isDigit(code)) code = this.#get();
    }
    this.#unget();
    return "number literal";
  }

  #string(): Token {
    for (;;) {
      const code = this.#get();
      if (code === END) return this.#fail("invalid string: missing closing quote");
      if (code === 0x22) return "string literal";
      const problem =
        code === 0x5c
          ? this.#escape()
          : code < 0x20
            ? controlProblem(code)
            : code < 0x80
              ? undefined
              : this.#utf8(code);
      if (problem !== undefined) return this.#fail(problem);
    }
  }

  #escape(): string | undefined {
    const code = this.#get();
    if (code === 0x75) return this.#unicodeEscape();
    return code !== END && '"\\/bfnrt'.includes(String.fromCharCode(code))
      ? undefined
      : "invalid string: forbidden character after backslash";
  }

  #unicodeEscape(): string | undefined {
    const noDigits = "invalid string: '\\u' must be followed by 4 hex digits";
    const first = this.#codeUnit();
    if (first === undefined) return noDigits;
    if (first >= 0xdc00 && first <= 0xdfff) return NO_HIGH_SURROGATE;
    if (first < 0xd800 || first > 0xdfff) return undefined;
    if (this.#get() !== 0x5c || this.#get() !== 0x75) return NO_LOW_SURROGATE;
    const second = this.#codeUnit();
    if (second === undefined) return noDigits;
    return second >= 0xdc00 && second <= 0xdfff ? undefined : NO_LOW_SURROGATE;
  }

  #codeUnit(): number | undefined {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const code = this.#get();
      const digit = code === END ? Number.NaN : Number.parseInt(String.fromCharCode(code), 16);
      if (Number.isNaN(digit)) return undefined;
      value = value * 16 + digit;
    }
    return value;
  }

  /** The rest of a character that takes several bytes. */
  #utf8(lead: number): string | undefined {
    for (const [low, high] of continuations(lead) ?? [[1, 0] as const]) {
      const code = low > high ? END : this.#get();
      if (code < low || code > high) return "invalid string: ill-formed UTF-8 byte";
    }
    return undefined;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function controlProblem(code: number): string {
  const name = CONTROLS[code]!;
  const escape = `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const short = SHORT_ESCAPES[name];
  return (
    `invalid string: control character U+${escape.slice(2)} (${name}) must be escaped to ${escape}` +
    (short === undefined ? "" : ` or ${short}`)
  );
}

/** The ranges of the bytes that must follow a first byte; `undefined` when it cannot be one. */
function continuations(lead: number): readonly (readonly [number, number])[] | undefined {
  const tail = [0x80, 0xbf] as const;
  if (lead < 0xc2 || lead > 0xf4) return undefined;
  if (lead <= 0xdf) return [tail];
  if (lead <= 0xef) return [lead === 0xe0 ? [0xa0, 0xbf] : lead === 0xed ? [0x80, 0x9f] : tail, tail];
  return [lead === 0xf0 ? [0x90, 0xbf] : lead === 0xf4 ? [0x80, 0x8f] : tail, tail, tail];
}

const EMPTY = "attempting to parse an empty input; check that your input string or stream contains the expected JSON";
const VALUE_WANTED = "'[', '{', or a literal";

/** The message for a text that is not one JSON value; `undefined` when it is. */
export function describeJsonFault(text: string): string | undefined {
  const scanner = new Scanner(text);
  const fault = (token: Token, context: string, expected: string | undefined): string => {
    const seen =
      token === "<parse error>" ? `${scanner.problem}; last read: '${scanner.tokenText}'` : `unexpected ${token}`;
    const wanted = expected === undefined ? "" : `; expected ${expected}`;
    return at(scanner, `syntax error while parsing ${context} - ${seen}${wanted}`);
  };
  /** What is open: arrays are `true`. */
  const open: boolean[] = [];
  let token = scanner.next();
  const objectKey = (): string | undefined => {
    if (token !== "string literal") return fault(token, "object key", "string literal");
    token = scanner.next();
    if (token !== "':'") return fault(token, "object separator", "':'");
    token = scanner.next();
    return undefined;
  };
  for (;;) {
    // A value begins here.
    if (token === "'{'" || token === "'['") {
      const isArray = token === "'['";
      token = scanner.next();
      if (token !== (isArray ? "']'" : "'}'")) {
        open.push(isArray);
        const problem = isArray ? undefined : objectKey();
        if (problem !== undefined) return problem;
        continue;
      }
    } else if (token === "<parse error>") return fault(token, "value", undefined);
    else if (token === "end of input" && scanner.taken === 1) return at(scanner, EMPTY);
    else if (!token.endsWith("literal")) return fault(token, "value", VALUE_WANTED);
    // A value has ended here, and with it perhaps what it is in.
    for (;;) {
      const isArray = open.at(-1);
      token = scanner.next();
      if (isArray === undefined) {
        return token === "end of input" ? undefined : fault(token, "value", "end of input");
      }
      if (token === "','") {
        token = scanner.next();
        const problem = isArray ? undefined : objectKey();
        if (problem !== undefined) return problem;
        break;
      }
      const end = isArray ? "']'" : "'}'";
      if (token !== end) return fault(token, isArray ? "array" : "object", end);
      open.pop();
    }
  }
}

function at(scanner: Scanner, problem: string): string {
  return `[json.exception.parse_error.101] parse error at line ${scanner.line + 1}, column ${scanner.column}: ${problem}`;
}
