/** Places as values of the language. */

import { attrsOf } from "./attrs.ts";
import type { Place, Value } from "./value.ts";

/** `{ column; file; line; }`, or null for text that is not in a file. */
export function positionValue(place: Place | undefined): Value {
  if (place === undefined || !place.source.isFile) return null;
  const { line, column } = place.source.locate(place.offset);
  return attrsOf({ column, file: place.source.path, line });
}
