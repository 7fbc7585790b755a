/** JSON text as values. Text and strings are byte strings; a number with a fraction or exponent is a float. */

import { byteStringOfText, bytesOfByteString } from "../../base/byte-string.ts";
import { attrsOfEntries } from "../eval/attrs.ts";
import { invalidError, withFrame } from "../eval/eval-error.ts";
import { integerOfBigInt } from "../eval/integer.ts";
import { describeJsonFault } from "./json-fault.ts";
import { Float, type Slot, type Value } from "../eval/value.ts";
import { noteMadeName } from "../syntax/symbols.ts";

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\x00-\x1f]*/y; // oxlint-disable-line no-control-regex
const NOT_ASCII = /[\x80-\xff]/;
const UNSIGNED_MAX = 2n ** 64n - 1n;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Value {
    if (this.#text.startsWith(BYTE_ORDER_MARK)) this.#at = BYTE_ORDER_MARK.length;
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) throw this.#fault();
    return value;
  }

  /** The error of a text that is no JSON; found by reading it once more. */
  #fault(): Error {
    const message = describeJsonFault(this.#text) ?? "[json.exception.parse_error.101] parse error";
    return withFrame(invalidError(message), "while decoding a JSON string", undefined) as Error;
  }

  #space(): void {
    for (;;) {
      const char = this.#text.charCodeAt(this.#at);
      if (char !== 32 && char !== 10 && char !== 13 && char !== 9) return;
      this.#at++;
    }
  }

  #value(): Value {
    this.#space();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #word(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault();
    this.#at += word.length;
    return value;
  }

  #object(): Value {
    const members = new Map<string, Slot>();
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === "}") {
      this.#at++;
      return attrsOfEntries([]);
    }
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#fault();
      const name = this.#string();
      this.#space();
      if (this.#text[this.#at] !== ":") throw this.#fault();
      this.#at++;
      noteMadeName(name);
      members.set(name, this.#value());
      this.#space();
      const next = this.#text[this.#at];
      if (next !== "," && next !== "}") throw this.#fault();
      this.#at++;
      if (next === "}") return attrsOfEntries([...members]);
    }
  }

  #array(): Value {
    const items: Slot[] = [];
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === "]") {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(this.#value());
      this.#space();
      const next = this.#text[this.#at];
      if (next !== "," && next !== "]") throw this.#fault();
      this.#at++;
      if (next === "]") return items;
    }
  }

  #number(): Value {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text);
    if (found === null) throw this.#fault();
    this.#at += found[0].length;
    if (found[1] !== undefined || found[2] !== undefined) {
      const value = Number(found[0]);
      if (!Number.isFinite(value)) {
        const message = `[json.exception.out_of_range.406] number overflow parsing '${found[0]}'`;
        throw withFrame(invalidError(message), "while decoding a JSON string", undefined);
      }
      return new Float(value);
    }
    const exact = BigInt(found[0]);
    const integer = found[0] === "-0" ? 0 : integerOfBigInt(exact);
    if (integer !== undefined) return integer;
    if (exact > 0n && exact <= UNSIGNED_MAX) {
      throw invalidError(`unsigned json number ${found[0]} outside of Nix integer range`);
    }
    return new Float(Number(found[0]));
  }

  #string(): string {
    this.#at++;
    let out = "";
    for (;;) {
      PLAIN.lastIndex = this.#at;
      const plain = PLAIN.exec(this.#text)![0];
      if (NOT_ASCII.test(plain) && !isUtf8(plain)) throw this.#fault();
      out += plain;
      this.#at = PLAIN.lastIndex;
      const char = this.#text[this.#at];
      if (char === '"') break;
      if (char !== "\\") throw this.#fault();
      out += this.#escape();
    }
    this.#at++;
    refuseNullBytes(out);
    return out;
  }

  #escape(): string {
    const char = this.#text[this.#at + 1] ?? "";
    if (char !== "u") {
      const plain = Object.hasOwn(ESCAPES, char) ? ESCAPES[char] : undefined;
      if (plain === undefined) throw this.#fault();
      this.#at += 2;
      return plain;
    }
    const high = this.#codeUnit();
    if (high < 0xd800 || high > 0xdfff) return byteStringOfText(String.fromCharCode(high));
    if (high > 0xdbff || !this.#text.startsWith("\\u", this.#at)) throw this.#fault();
    const low = this.#codeUnit();
    if (low < 0xdc00 || low > 0xdfff) throw this.#fault();
    return byteStringOfText(String.fromCharCode(high, low));
  }

  #codeUnit(): number {
    const digits = this.#text.slice(this.#at + 2, this.#at + 6);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#fault();
    this.#at += 6;
    return Number.parseInt(digits, 16);
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function isUtf8(text: string): boolean {
  try {
    UTF8.decode(bytesOfByteString(text));
    return true;
  } catch {
    return false;
  }
}

/** Some programs begin a text with it. */
const BYTE_ORDER_MARK = "\xef\xbb\xbf";

export function valueOfJson(text: string): Value {
  return new JsonReader(text).document();
}

/** Refuses text that no Nix string can hold. */
export function refuseNullBytes(text: string): void {
  if (!text.includes("\0")) return;
  const shown = text.replaceAll("\0", byteStringOfText("\u2400"));
  throw invalidError(`input string '${shown}' cannot be represented as Nix string because it contains null bytes`);
}
