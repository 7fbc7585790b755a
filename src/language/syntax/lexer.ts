/**
 * Cuts a source text into tokens.
 *
 * The longest match wins, as in Nix's own lexer: `a/b` is a path, `a:b` a URI, `1.5` a float, `x.y` three tokens. The
 * inside of strings and paths has its own rules; the parser asks for those pieces by calling the method it needs
 * (`stringPart`, `indentedPart`, `pathPart`) where an ordinary token would be wrong.
 */
import type { ParseError } from "./parse-error.ts";
import type { Source } from "./source.ts";
import { hashStep, symbolAt, symbolName, symbolToken } from "./symbols.ts";
import { syntaxErrorMessage, Token } from "./token.ts";

/** Thrown inside the parser only; `parse` turns it into a value. */
export class ParseFailure extends Error {
  readonly error: ParseError;
  constructor(error: ParseError) {
    super(error.message);
    this.error = error;
  }
}

// Character classes, as bits.
const SPACE = 1;
const ID_START = 2;
const ID_REST = 4;
const DIGIT = 8;
const PATH_CHAR = 16;
const SCHEME_CHAR = 32;
const URI_CHAR = 64;

const CLASS: Uint8Array = classTable();

function classTable(): Uint8Array {
  const table = new Uint8Array(256);
  const set = (characters: string, bits: number): void => {
    for (let i = 0; i < characters.length; i++) {
      const code = characters.charCodeAt(i);
      table[code] = (table[code] as number) | bits;
    }
  };
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const digits = "0123456789";
  set(" \t\r\n", SPACE);
  set(letters, ID_START | ID_REST | PATH_CHAR | SCHEME_CHAR | URI_CHAR);
  set(digits, ID_REST | DIGIT | PATH_CHAR | SCHEME_CHAR | URI_CHAR);
  set("_", ID_START | ID_REST | PATH_CHAR);
  set("-", ID_REST | PATH_CHAR | SCHEME_CHAR);
  set("'", ID_REST);
  set(".+", PATH_CHAR | SCHEME_CHAR);
  set("%/?:@&=+$,-_.!~*'", URI_CHAR);
  return table;
}

/** Tokens of a single character, by character code. */
const SINGLE: Uint8Array = singleTable();

function singleTable(): Uint8Array {
  const table = new Uint8Array(256).fill(Token.Invalid);
  // As in Nix, where a character is its own token and zero the token of the end.
  table[0] = Token.EndOfFile;
  const singles: readonly (readonly [string, Token])[] = [
    ["<", Token.Less],
    [">", Token.Greater],
    ["+", Token.Plus],
    ["-", Token.Minus],
    ["*", Token.Star],
    ["/", Token.Slash],
    ["?", Token.Question],
    [":", Token.Colon],
    ["@", Token.At],
    [";", Token.Semicolon],
    ["!", Token.Not],
    [".", Token.Dot],
    ['"', Token.Quote],
    ["(", Token.ParenOpen],
    [")", Token.ParenClose],
    ["{", Token.BraceOpen],
    ["}", Token.BraceClose],
    ["[", Token.BracketOpen],
    ["]", Token.BracketClose],
    ["=", Token.Assign],
    [",", Token.Comma],
  ];
  for (const [character, token] of singles) table[character.charCodeAt(0)] = token;
  return table;
}

const CHAR = {
  lineFeed: 10,
  carriageReturn: 13,
  space: 32,
  bang: 33,
  quote: 34,
  hash: 35,
  dollar: 36,
  ampersand: 38,
  apostrophe: 39,
  star: 42,
  plus: 43,
  minus: 45,
  dot: 46,
  slash: 47,
  zero: 48,
  colon: 58,
  less: 60,
  equals: 61,
  greater: 62,
  backslash: 92,
  braceOpen: 123,
  bar: 124,
  tilde: 126,
} as const;

export class Lexer {
  readonly source: Source;
  readonly text: string;
  /** Where scanning goes on: the end of the current token. */
  position = 0;
  /** The current token. */
  token: Token = Token.EndOfFile;
  start = 0;
  /** The end of the token before the current one. */
  previousEnd = 0;
  /** The interned name of an `Identifier` (also of a keyword). */
  name = "";
  readonly #pipeOperators: boolean;
  /** Up to here the text is known to hold no path or URI that begins at or after the current run of path characters. */
  #plainUntil = 0;

  constructor(source: Source, options: { readonly pipeOperators: boolean }) {
    this.source = source;
    this.text = source.text;
    this.#pipeOperators = options.pipeOperators;
  }

  fail(message: string, start: number, end: number): never {
    throw new ParseFailure({ code: "PARSE_SYNTAX", message, span: { source: this.source, start, end } });
  }

  /** Fails at the current token. */
  failUnexpected(expected: readonly Token[]): never {
    this.fail(syntaxErrorMessage(this.token, expected), this.start, this.position);
  }

  /** Scans the next ordinary token into `token`, `start` and `position`. */
  advance(): void {
    this.previousEnd = this.position;
    const text = this.text;
    let position = this.#skipBlank(this.position);
    this.start = position;
    if (position >= text.length) {
      this.position = text.length;
      this.start = text.length;
      this.token = Token.EndOfFile;
      return;
    }
    const code = text.charCodeAt(position);
    const bits = CLASS[code] as number;
    if ((bits & ID_START) !== 0) {
      let hash = code;
      let next = text.charCodeAt(++position);
      while (((CLASS[next] as number) & ID_REST) !== 0) {
        hash = hashStep(hash, next);
        next = text.charCodeAt(++position);
      }
      // Only these characters can make something longer than the name out of it.
      if (
        (next === CHAR.slash || next === CHAR.dot || next === CHAR.plus || next === CHAR.colon) &&
        this.#pathOrUri(this.start)
      ) {
        return;
      }
      const symbol = symbolAt(text, this.start, position, hash);
      this.token = symbolToken(symbol);
      this.name = symbolName(symbol);
      this.position = position;
      return;
    }
    if (((bits & (PATH_CHAR | DIGIT)) !== 0 || code === CHAR.slash) && this.#pathOrUri(position)) return;
    if ((bits & DIGIT) !== 0) {
      this.#number(position);
      return;
    }
    this.#symbol(code, position);
  }

  #skipBlank(from: number): number {
    const text = this.text;
    let position = from;
    for (;;) {
      const code = text.charCodeAt(position);
      if (((CLASS[code] as number) & SPACE) !== 0) {
        position++;
      } else if (code === CHAR.hash) {
        do position++;
        while (position < text.length && !isLineEnd(text.charCodeAt(position)));
      } else if (code === CHAR.slash && text.charCodeAt(position + 1) === CHAR.star) {
        const close = text.indexOf("*/", position + 2);
        if (close < 0) return position; // then it is a slash and a star
        position = close + 2;
      } else {
        return position;
      }
    }
  }

  #emit(token: Token, end: number): void {
    this.token = token;
    this.position = end;
  }

  #symbol(code: number, position: number): void {
    const text = this.text;
    const next = text.charCodeAt(position + 1);
    switch (code) {
      case CHAR.dot:
        if (next === CHAR.dot && text.charCodeAt(position + 2) === CHAR.dot) {
          this.#emit(Token.Ellipsis, position + 3);
          return;
        }
        if (((CLASS[next] as number) & DIGIT) !== 0) {
          this.#fraction(position, position + 1);
          return;
        }
        break;
      case CHAR.equals:
        if (next === CHAR.equals) {
          this.#emit(Token.Eq, position + 2);
          return;
        }
        break;
      case CHAR.bang:
        if (next === CHAR.equals) {
          this.#emit(Token.NotEq, position + 2);
          return;
        }
        break;
      case CHAR.less:
        if (this.#searchPath(position)) return;
        if (next === CHAR.equals) {
          this.#emit(Token.LessEq, position + 2);
          return;
        }
        if (next === CHAR.bar) {
          this.#pipe(Token.PipeFrom, position);
          return;
        }
        break;
      case CHAR.greater:
        if (next === CHAR.equals) {
          this.#emit(Token.GreaterEq, position + 2);
          return;
        }
        break;
      case CHAR.ampersand:
        if (next === CHAR.ampersand) {
          this.#emit(Token.And, position + 2);
          return;
        }
        break;
      case CHAR.bar:
        if (next === CHAR.bar) {
          this.#emit(Token.Or, position + 2);
          return;
        }
        if (next === CHAR.greater) {
          this.#pipe(Token.PipeInto, position);
          return;
        }
        break;
      case CHAR.minus:
        if (next === CHAR.greater) {
          this.#emit(Token.Impl, position + 2);
          return;
        }
        break;
      case CHAR.slash:
        if (next === CHAR.slash) {
          this.#emit(Token.Update, position + 2);
          return;
        }
        break;
      case CHAR.plus:
        if (next === CHAR.plus) {
          this.#emit(Token.Concat, position + 2);
          return;
        }
        break;
      case CHAR.dollar:
        if (next === CHAR.braceOpen) {
          this.#emit(Token.DollarBrace, position + 2);
          return;
        }
        break;
      case CHAR.apostrophe:
        if (next === CHAR.apostrophe) {
          this.#emit(Token.IndentedOpen, this.#afterIndentedOpen(position + 2));
          return;
        }
        break;
      case CHAR.tilde:
        if (next === CHAR.slash && this.#homePath(position)) return;
        break;
    }
    this.#emit((SINGLE[code] ?? Token.Invalid) as Token, position + 1);
  }

  #pipe(token: Token, position: number): void {
    if (!this.#pipeOperators) {
      this.fail(
        "experimental Nix feature 'pipe-operators' is disabled; " +
          "add '--extra-experimental-features pipe-operators' to enable it",
        position,
        position + 2,
      );
    }
    this.#emit(token, position + 2);
  }

  /** A first line of nothing but spaces belongs to the opening quotes. */
  #afterIndentedOpen(position: number): number {
    let end = position;
    while (this.text.charCodeAt(end) === CHAR.space) end++;
    return this.text.charCodeAt(end) === CHAR.lineFeed ? end + 1 : position;
  }

  #number(start: number): void {
    const text = this.text;
    let position = start;
    while (((CLASS[text.charCodeAt(position)] as number) & DIGIT) !== 0) position++;
    if (text.charCodeAt(position) === CHAR.dot) {
      const startsWithZero = text.charCodeAt(start) === CHAR.zero;
      const digitFollows = ((CLASS[text.charCodeAt(position + 1)] as number) & DIGIT) !== 0;
      // `1.` and `1.5` are floats; so is `0.5`, but not `0.` and not `00.5`.
      if (startsWithZero ? digitFollows && position === start + 1 : true) {
        this.#fraction(start, position + 1);
        return;
      }
    }
    this.#emit(Token.Integer, position);
  }

  /** The rest of a float, from behind its point. */
  #fraction(start: number, from: number): void {
    const text = this.text;
    let position = from;
    while (((CLASS[text.charCodeAt(position)] as number) & DIGIT) !== 0) position++;
    const code = text.charCodeAt(position);
    if (code === 69 || code === 101) {
      let exponent = position + 1;
      const sign = text.charCodeAt(exponent);
      if (sign === CHAR.plus || sign === CHAR.minus) exponent++;
      if (((CLASS[text.charCodeAt(exponent)] as number) & DIGIT) !== 0) {
        while (((CLASS[text.charCodeAt(exponent)] as number) & DIGIT) !== 0) exponent++;
        position = exponent;
      }
    }
    this.start = start;
    this.#emit(Token.Float, position);
  }

  /** Recognises a path or a URI that begins here; the run of path characters decides. */
  #pathOrUri(start: number): boolean {
    if (start < this.#plainUntil) return false;
    const text = this.text;
    let position = start;
    let code = text.charCodeAt(position);
    let isScheme = ((CLASS[code] as number) & (ID_START | SCHEME_CHAR)) === (ID_START | SCHEME_CHAR);
    while (((CLASS[code] as number) & PATH_CHAR) !== 0) {
      if (((CLASS[code] as number) & SCHEME_CHAR) === 0) isScheme = false;
      code = text.charCodeAt(++position);
    }
    if (code === CHAR.slash) {
      const end = this.#pathEnd(position);
      if (end > position) {
        this.#emit(Token.Path, end);
        return true;
      }
      if (this.#interpolationAt(position + 1)) {
        this.#emit(Token.Path, position + 1);
        return true;
      }
    } else if (code === CHAR.colon) {
      if (isScheme && ((CLASS[text.charCodeAt(position + 1)] as number) & URI_CHAR) !== 0) {
        let end = position + 2;
        while (((CLASS[text.charCodeAt(end)] as number) & URI_CHAR) !== 0) end++;
        this.#emit(Token.Uri, end);
        return true;
      }
      // A later start within this run may still be the scheme of a URI.
      return false;
    }
    this.#plainUntil = position;
    return false;
  }

  /** The end of `(/ path-character+)+ /?` from here, or `position` when there is none. */
  #pathEnd(position: number): number {
    const text = this.text;
    let end = position;
    while (text.charCodeAt(end) === CHAR.slash && ((CLASS[text.charCodeAt(end + 1)] as number) & PATH_CHAR) !== 0) {
      end += 2;
      while (((CLASS[text.charCodeAt(end)] as number) & PATH_CHAR) !== 0) end++;
    }
    if (end > position && text.charCodeAt(end) === CHAR.slash) end++;
    return end;
  }

  #interpolationAt(position: number): boolean {
    return this.text.charCodeAt(position) === CHAR.dollar && this.text.charCodeAt(position + 1) === CHAR.braceOpen;
  }

  #homePath(start: number): boolean {
    const end = this.#pathEnd(start + 1);
    if (end > start + 1) this.#emit(Token.HomePath, end);
    else if (this.#interpolationAt(start + 2)) this.#emit(Token.HomePath, start + 2);
    else return false;
    return true;
  }

  #searchPath(start: number): boolean {
    const text = this.text;
    let position = start;
    do {
      position++;
      const from = position;
      while (((CLASS[text.charCodeAt(position)] as number) & PATH_CHAR) !== 0) position++;
      if (position === from) return false;
    } while (text.charCodeAt(position) === CHAR.slash);
    if (text.charCodeAt(position) !== CHAR.greater) return false;
    this.#emit(Token.SearchPath, position + 1);
    return true;
  }

  /** Inside `"…"`: scans a literal piece, `${`, the closing quote, or the end of the file. */
  stringPart(): void {
    this.previousEnd = this.position;
    const text = this.text;
    let position = this.position;
    this.start = position;
    for (;;) {
      const code = text.charCodeAt(position);
      if (code === CHAR.quote || position >= text.length) break;
      if (code === CHAR.backslash) {
        if (position + 1 >= text.length) break;
        position += 2;
      } else if (code === CHAR.dollar) {
        const next = text.charCodeAt(position + 1);
        if (next === CHAR.braceOpen) break;
        if (next === CHAR.quote) position++;
        else if (next === CHAR.backslash) {
          if (position + 2 >= text.length) break;
          position += 3;
        } else if (position + 1 >= text.length) break;
        else position += 2;
      } else {
        position++;
      }
    }
    if (position > this.start) this.#emit(Token.StringPart, position);
    else if (text.charCodeAt(position) === CHAR.quote) this.#emit(Token.Quote, position + 1);
    else if (this.#interpolationAt(position)) this.#emit(Token.DollarBrace, position + 2);
    else this.#endOfFile();
  }

  /** Whether the closing quote is next. */
  endsString(): boolean {
    return this.text.charCodeAt(this.position) === CHAR.quote;
  }

  /** The value of an `IndentedPart` that is not simply its text. */
  partValue = "";
  /** Whether an `IndentedPart` is text whose leading spaces are indentation. */
  partIsText = false;

  /** Inside `''…''`: scans a literal piece or an escape, `${`, the closing quotes, or the end of the file. */
  indentedPart(): void {
    this.previousEnd = this.position;
    const text = this.text;
    const start = this.position;
    let position = start;
    this.start = start;
    while (position < text.length) {
      const code = text.charCodeAt(position);
      if (code === CHAR.dollar) {
        const next = text.charCodeAt(position + 1);
        if (next === CHAR.braceOpen || next === CHAR.apostrophe || position + 1 >= text.length) break;
        position += 2;
      } else if (code === CHAR.apostrophe) {
        const next = text.charCodeAt(position + 1);
        if (next === CHAR.dollar || next === CHAR.apostrophe || position + 1 >= text.length) break;
        position += 2;
      } else {
        position++;
      }
    }
    if (position > start) {
      this.partIsText = true;
      this.partValue = text.slice(start, position);
      this.#emit(Token.IndentedPart, position);
      return;
    }
    this.partIsText = false;
    const code = text.charCodeAt(position);
    if (position >= text.length) this.#endOfFile();
    else if (code === CHAR.dollar) {
      if (this.#interpolationAt(position)) this.#emit(Token.DollarBrace, position + 2);
      else this.#escape("$", position + 1);
    } else if (text.charCodeAt(position + 1) !== CHAR.apostrophe) this.#escape("'", position + 1);
    else this.#afterTwoApostrophes(position);
  }

  #afterTwoApostrophes(position: number): void {
    const text = this.text;
    const third = text.charCodeAt(position + 2);
    if (third === CHAR.dollar) this.#escape("$", position + 3);
    else if (third === CHAR.apostrophe) this.#escape("''", position + 3);
    else if (third === CHAR.backslash && position + 3 < text.length) {
      this.#escape(unescape(text.slice(position + 2, position + 4)), position + 4);
    } else this.#emit(Token.IndentedClose, position + 2);
  }

  #escape(value: string, end: number): void {
    this.partValue = value;
    this.#emit(Token.IndentedPart, end);
  }

  /** Inside a path literal: scans a literal piece, `${`, or the end of the path. */
  pathPart(): void {
    this.previousEnd = this.position;
    const text = this.text;
    const previousStart = this.start;
    let position = this.position;
    this.start = position;
    if (this.#interpolationAt(position)) {
      this.#emit(Token.DollarBrace, position + 2);
      return;
    }
    while (((CLASS[text.charCodeAt(position)] as number) & PATH_CHAR) !== 0) position++;
    if (text.charCodeAt(position) === CHAR.slash) {
      const end = this.#pathEnd(position);
      position = end > position ? end : position + 1;
    }
    if (position > this.start) {
      this.#emit(Token.StringPart, position);
      return;
    }
    if (text.charCodeAt(position - 1) === CHAR.slash) {
      const isLast = position >= text.length;
      this.fail("path has a trailing slash", isLast ? previousStart : position, isLast ? position : position + 1);
    }
    this.#emit(Token.PathEnd, position);
  }

  #endOfFile(): void {
    this.start = this.text.length;
    this.#emit(Token.EndOfFile, this.text.length);
  }
}

function isLineEnd(code: number): boolean {
  return code === CHAR.lineFeed || code === CHAR.carriageReturn;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** Undoes the escapes of a string literal and makes every line end a line feed. */
export function unescape(text: string): string {
  if (!text.includes("\\") && !text.includes("\r")) return text;
  return text.replace(/\\([\s\S])|\r\n?/g, (_match, escaped: string | undefined) =>
    escaped === undefined ? "\n" : (ESCAPES[escaped] ?? escaped),
  );
}
