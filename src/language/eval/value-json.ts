/** Values as JSON text, in the form Nix writes: compact, attributes sorted, floats always with a fraction or exponent. */

import { renderIdentifier } from "../print/identifier.ts";
import { Attrs } from "./attrs.ts";
import { call } from "./call.ts";
import { canonicalPath } from "./canonical-path.ts";
import { coerceToText, copyToStore, NO_COPY } from "./coerce.ts";
import { type EvalError, invalidError, typeError, withFrame } from "./eval-error.ts";
import { floatDigits } from "./float-digits.ts";
import type { EvalState } from "./state.ts";
import { force } from "./thunk.ts";
import { describeType, isList } from "./type-name.ts";
import { ContextString, Float, Lambda, Path, type Place, type Slot } from "./value.ts";

export interface JsonOptions {
  /** Replace paths by the store paths of their copies. */
  readonly copyPaths: boolean;
}

/** Renders a value; the store paths it refers to go into `context`. */
export function renderJson(
  state: EvalState,
  slot: Slot,
  context: Set<string>,
  options: JsonOptions,
  at?: Place,
): string {
  state.enterCall(at);
  const text = render(state, slot, context, options, at);
  state.callDepth--;
  return text;
}

function render(
  state: EvalState,
  slot: Slot,
  context: Set<string>,
  options: JsonOptions,
  at: Place | undefined,
): string {
  const value = force(slot, at);
  switch (typeof value) {
    case "string":
      return renderJsonString(value);
    case "number":
    case "bigint":
    case "boolean":
      return String(value);
    default:
      break;
  }
  if (value === null) return "null";
  if (value instanceof ContextString) {
    for (const element of value.context) context.add(element);
    return renderJsonString(value.text);
  }
  if (value instanceof Float) return renderJsonFloat(value.value);
  if (value instanceof Path) {
    if (!options.copyPaths) return renderJsonString(canonicalPath(value.path));
    const storePath = copyToStore(state, value.path);
    context.add(storePath);
    return renderJsonString(storePath);
  }
  if (isList(value)) {
    const parts = value.map((element, index) => {
      try {
        return renderJson(state, element, context, options, at);
      } catch (error) {
        throw withFrame(error, `while evaluating list element at index ${index}`, at);
      }
    });
    return `[${parts.join(",")}]`;
  }
  if (value instanceof Attrs) return renderAttrs(state, value, context, options, at);
  throw typeError(`cannot convert ${describeType(value)} to JSON`, value instanceof Lambda ? value.code.place : at);
}

function renderAttrs(
  state: EvalState,
  value: Attrs,
  context: Set<string>,
  options: JsonOptions,
  at: Place | undefined,
): string {
  const toString = value.get("__toString");
  if (toString !== undefined) {
    const result = call(state, force(toString, at), [value], at);
    const frame = "while evaluating the result of the `__toString` attribute";
    return renderJsonString(coerceToText(state, result, context, at, frame, NO_COPY));
  }
  const outPath = value.get("outPath");
  if (outPath !== undefined) return renderJson(state, outPath, context, options, value.placeOf("outPath"));
  const parts = value.keys.map(
    (key, index) => `${renderJsonString(key)}:${renderJsonMember(state, value, index, context, options)}`,
  );
  return `{${parts.join(",")}}`;
}

/** The value of one attribute of a set that becomes an object. */
export function renderJsonMember(
  state: EvalState,
  set: Attrs,
  index: number,
  context: Set<string>,
  options: JsonOptions,
): string {
  const place = set.places?.[index];
  try {
    return renderJson(state, set.values[index]!, context, options, place);
  } catch (error) {
    throw withFrame(error, `while evaluating attribute '${renderIdentifier(set.keys[index]!)}'`, place);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** A byte string as a JSON string, whose UTF-8 must be valid. */
export function renderJsonString(text: string): string {
  if (/[\x80-\xff]/.test(text)) checkUtf8(text);
  const escaped = text.replace(
    // oxlint-disable-next-line no-control-regex
    /["\\\x00-\x1f]/g,
    (char) => ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** Refuses invalid UTF-8, naming the first byte that does not fit what is in front of it. */
function checkUtf8(text: string): void {
  for (let start = 0; start < text.length;) {
    const first = text.charCodeAt(start);
    const size = sequenceSize(first);
    if (size === 0) throw invalidByte(text, start);
    for (let at = start + 1; at < start + size; at++) {
      if (at === text.length) throw utf8Error(`incomplete UTF-8 string; last byte: ${hexOf(text, at - 1)}`);
      const byte = text.charCodeAt(at);
      const isBad = (byte & 0xc0) !== 0x80 || (at === start + 1 && isBadSecond(first, byte));
      if (isBad) throw invalidByte(text, at);
    }
    start += size;
  }
}

function invalidByte(text: string, at: number): EvalError {
  return utf8Error(`invalid UTF-8 byte at index ${at}: ${hexOf(text, at)}`);
}

function utf8Error(reason: string): EvalError {
  return invalidError(`JSON serialization error: [json.exception.type_error.316] ${reason}`);
}

function hexOf(text: string, at: number): string {
  return `0x${text.charCodeAt(at).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Bytes of the UTF-8 sequence that begins with a byte, 0 when none does. */
function sequenceSize(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** Whether two bytes begin what is too long for its character, a surrogate or beyond Unicode. */
function isBadSecond(first: number, second: number): boolean {
  return (
    (first === 0xe0 && second < 0xa0) ||
    (first === 0xed && second > 0x9f) ||
    (first === 0xf0 && second < 0x90) ||
    (first === 0xf4 && second > 0x8f)
  );
}

/** A float, laid out as Nix's JSON library does. */
export function renderJsonFloat(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return `${sign}0.0`;
  const { digits, exponent: lastPower } = floatDigits(Math.abs(value));
  const point = digits.length + lastPower;
  if (digits.length <= point && point <= 15) return `${sign}${digits.padEnd(point, "0")}.0`;
  if (point > 0 && point <= 15) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -4 && point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  const exponent = point - 1;
  const shown = String(Math.abs(exponent)).padStart(2, "0");
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
  return `${sign}${digits[0]!}${fraction}e${exponent < 0 ? "-" : "+"}${shown}`;
}
