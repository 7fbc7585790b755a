/**
 * Debian's control format (deb822): stanzas of fields, as in `Packages`, `Release` and apt's `.sources`.
 *
 * A Packages file has some 70,000 stanzas, so the reader works through the text by index and takes only the fields it
 * is asked for.
 */

import { FormatError } from "../../base/errors.ts";

/** Values by field name in lower case; continuation lines are kept, joined by newlines, without their first blank. */
export type ControlStanza = ReadonlyMap<string, string>;

/** Reads all stanzas. `fields`, in lower case, are the only ones kept when given. Throws `FormatError`. */
export function* controlStanzas(text: string, fields?: ReadonlySet<string>): Generator<ControlStanza, void, undefined> {
  const nameOf = fieldNames(fields);
  let stanza = new Map<string, string>();
  /** The field that continuation lines belong to; "" when it is not wanted. */
  let current: string | undefined;
  for (let at = 0; at < text.length;) {
    let end = text.indexOf("\n", at);
    if (end < 0) end = text.length;
    const start = at;
    at = end + 1;
    const first = text.charCodeAt(start);
    if (start === end || first === CARRIAGE_RETURN || (isBlank(first) && text.slice(start, end).trim() === "")) {
      if (stanza.size > 0) yield stanza;
      stanza = new Map();
      current = undefined;
      continue;
    }
    if (first === HASH) continue;
    if (isBlank(first)) {
      if (current === undefined) throw new FormatError("control file", "continuation without a field", start);
      if (current !== "") stanza.set(current, `${stanza.get(current)!}\n${text.slice(start + 1, end).trimEnd()}`);
      continue;
    }
    const colon = text.indexOf(":", start);
    if (colon < 0 || colon > end) throw new FormatError("control file", "line without a field", start);
    current = nameOf(text.slice(start, colon));
    if (current !== "") stanza.set(current, text.slice(colon + 1, end).trim());
  }
  if (stanza.size > 0) yield stanza;
}

export function parseControl(text: string): ControlStanza[] {
  return [...controlStanzas(text)];
}

const CARRIAGE_RETURN = 13;
const HASH = 35;

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** Maps a name as written to its lower case, or to "" when it is not wanted; remembers what it was asked. */
function fieldNames(wanted: ReadonlySet<string> | undefined): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => {
    let result = known.get(name);
    if (result === undefined) {
      const lower = name.toLowerCase();
      result = wanted === undefined || wanted.has(lower) ? lower : "";
      // Hostile input could name a new field on every line.
      if (known.size < 1000) known.set(name, result);
    }
    return result;
  };
}
