/** TOML text as values: integers, floats and strings are Nix's, dates and times are an error unless allowed. */

import { attrsOf, attrsOfEntries } from "../eval/attrs.ts";
import { invalidError } from "../eval/eval-error.ts";
import { integerOfBigInt } from "../eval/integer.ts";
import { Float, POSITIVE_NAN, type Value } from "../eval/value.ts";
import { refuseNullBytes } from "./json-value.ts";
import { parseToml, TomlTimestamp, type TomlValue } from "./toml.ts";

export function valueOfToml(text: string, options: { readonly timestamps: boolean }): Value {
  const parsed = parseToml(text, options);
  if (!parsed.ok) throw invalidError(`while parsing TOML: ${withLastLineEnd(parsed.error)}`);
  return valueOf(parsed.value);
}

/** What points into the text ends its last line. */
function withLastLineEnd(message: string): string {
  return message.includes("\n") && !message.endsWith("\n") ? `${message}\n` : message;
}

function valueOf(toml: TomlValue): Value {
  switch (typeof toml) {
    case "string":
      refuseNullBytes(toml);
      return toml;
    case "boolean":
      return toml;
    case "number":
      return Number.isNaN(toml) ? POSITIVE_NAN : new Float(toml);
    case "symbol":
      return new Float(NaN);
    case "bigint": {
      const integer = integerOfBigInt(toml);
      if (integer === undefined) throw invalidError(`while parsing TOML: integer ${toml} is out of range`);
      return integer;
    }
    default:
      break;
  }
  if (toml instanceof TomlTimestamp) return attrsOf({ _type: "timestamp", value: toml.text });
  if (Array.isArray(toml)) return toml.map((item: TomlValue) => valueOf(item));
  return attrsOfEntries(
    [...(toml as ReadonlyMap<string, TomlValue>)].map(([name, member]) => {
      refuseNullBytes(name);
      return [name, valueOf(member)];
    }),
  );
}
