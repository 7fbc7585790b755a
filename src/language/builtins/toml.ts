/**
 * TOML text as plain data.
 *
 * The library reads the text; here integers and floats are kept apart, strings become byte strings, and dates and times
 * get the form in which Nix gives them.
 */
import { parse, TomlDate } from "smol-toml";
import { byteStringOfText, bytesOfByteString } from "../../base/byte-string.ts";
import { err, ok, type Result } from "../../base/result.ts";

/** Stands for `-nan`: JavaScript's numbers have one NaN only. */
export const TOML_NEGATIVE_NAN: unique symbol = Symbol("-nan");

/** Integers are `bigint`, floats are `number`, strings and the keys of tables are byte strings. */
export type TomlValue =
  | string
  | bigint
  | number
  | boolean
  | typeof TOML_NEGATIVE_NAN
  | TomlTimestamp
  | readonly TomlValue[]
  | ReadonlyMap<string, TomlValue>;

/** A date, a time or both, in RFC 3339's form. */
export class TomlTimestamp {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export interface TomlOptions {
  /** Whether dates and times are allowed, as Nix's experimental `parse-toml-timestamps` says. */
  readonly timestamps: boolean;
}

const INT_MIN = -(2n ** 63n);
const INT_MAX = 2n ** 63n - 1n;

/** Reads a TOML document given as a byte string. The error is a message without `while parsing TOML: `. */
export function parseToml(text: string, options: TomlOptions): Result<ReadonlyMap<string, TomlValue>, string> {
  try {
    const source = new TextDecoder("utf-8", { fatal: true }).decode(bytesOfByteString(text));
    const document = parse(source, { integersAsBigInt: true });
    const converter = new Converter(options, source);
    const table = converter.table(document);
    return ok(converter.needsMarks ? converter.again().table(parseMarked(source, converter)) : table);
  } catch (error) {
    if (error instanceof TomlFault || error instanceof Error) return err(byteStringOfText(error.message));
    throw error;
  }
}

class TomlFault extends Error {}

class Converter {
  readonly #options: TomlOptions;
  readonly #source: string;
  /** Stands before the text of each value that was made a string, see `parseMarked`. */
  readonly marker: string;
  #isMarked = false;
  /** Whether there are values of which the library does not tell all. */
  needsMarks = false;

  constructor(options: TomlOptions, source: string) {
    this.#options = options;
    this.#source = source;
    let marker = "timestamp:";
    while (source.includes(marker)) marker = `_${marker}`;
    this.marker = marker;
  }

  /** For the text in which such values have been made strings. */
  again(): this {
    this.#isMarked = true;
    return this;
  }

  table(table: object): ReadonlyMap<string, TomlValue> {
    const result = new Map<string, TomlValue>();
    for (const [key, value] of Object.entries(table) as [string, unknown][]) {
      const name = this.#isMarked && key.startsWith(this.marker) ? key.slice(this.marker.length) : key;
      result.set(this.#text(name), this.#value(value));
    }
    return result;
  }

  #value(value: unknown): TomlValue {
    switch (typeof value) {
      case "string":
        if (this.#isMarked && value.startsWith(this.marker)) {
          const text = value.slice(this.marker.length);
          return text === "-nan" ? TOML_NEGATIVE_NAN : new TomlTimestamp(normalizeTimestamp(text));
        }
        return this.#text(value);
      case "bigint":
        if (value < INT_MIN || value > INT_MAX) {
          throw new TomlFault(tooLargeMessage(value, this.#source));
        }
        return value;
      case "number":
        if (Number.isNaN(value)) this.needsMarks = true;
        return value;
      case "boolean":
        return value;
      default:
    }
    if (Array.isArray(value)) return value.map((item) => this.#value(item));
    if (value instanceof TomlDate) {
      if (!this.#options.timestamps) throw new TomlFault("Dates and times are not supported");
      this.needsMarks = true;
      return new TomlTimestamp(value.toISOString());
    }
    return this.table(value as object);
  }

  #text(text: string): string {
    if (text.includes("\0")) {
      const shown = text.replaceAll("\0", "␀");
      throw new TomlFault(
        `error: input string '${shown}' cannot be represented as Nix string because it contains null bytes`,
      );
    }
    return byteStringOfText(text);
  }
}

/** As Nix shows it, with the line when it can be found (a number may be written in other ways). */
function tooLargeMessage(value: bigint, source: string): string {
  const message = "[error] toml::parse_dec_integer: too large integer: current max digits = 2^63";
  const lines = source.split("\n");
  const index = lines.findIndex((line) => line.includes(value.toString()));
  const line = lines[index];
  if (line === undefined) return message;
  const number = String(index + 1);
  const margin = " ".repeat(number.length);
  const caret = " ".repeat(line.indexOf(value.toString()) + value.toString().length);
  return (
    `${message}\n${margin}--> fromTOML\n${margin}  |\n ${number} | ${line}\n` +
    `${margin}  | ${caret}^-- must be < 2^63\n`
  );
}

/** Strings and comments, which are left alone, or what looks like a date, a time or both, or like `-nan`. */
const STRING_OR_MARKED =
  /"""(?:\\[\s\S]|[^\\])*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*|(?<![\w.+:-])(\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)?)?|\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?![\w.:+-])|(?<![\w.+:-])(-nan)(?![\w.:+-])/g;

/**
 * Parses the text once more with every timestamp made a marked string, because the library keeps only milliseconds, and
 * every `-nan`. A key that looks like one is marked too, which `Converter.table` undoes.
 */
function parseMarked(source: string, { marker }: Converter): object {
  const marked = source.replace(
    STRING_OR_MARKED,
    (match, timestamp: string | undefined, negativeNan: string | undefined) => {
      const found = timestamp ?? negativeNan;
      return found === undefined ? match : `"${marker}${found}"`;
    },
  );
  return parse(marked, { integersAsBigInt: true });
}

const TIMESTAMP = /^(\d{4}-\d\d-\d\d)?(?:[Tt ]?(\d\d:\d\d)(:\d\d)?(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?)?$/;

/** Seconds are written, their fraction has 0, 3, 6 or 9 digits, and no offset is `Z`. */
function normalizeTimestamp(text: string): string {
  const [, date, minutes, seconds = ":00", fraction = "", offset = ""] = TIMESTAMP.exec(text) ?? [];
  if (minutes === undefined) return date ?? text;
  const digits = fraction
    .slice(0, 9)
    .padEnd(9, "0")
    .replace(/(?:000){0,3}$/, "");
  const shownOffset = /^(?:[Zz]|[+-]00:00)$/.test(offset) ? "Z" : offset;
  const time = `${minutes}${seconds}${digits === "" ? "" : `.${digits}`}${shownOffset}`;
  return date === undefined ? time : `${date}T${time}`;
}
