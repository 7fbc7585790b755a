/** Places as values of the language. */

import { Attrs, Shape } from "./attrs.ts";
import { positionFile } from "./internal-paths.ts";
import type { Place, Value } from "./value.ts";

const POSITION = new Shape(["column", "file", "line"], undefined, true);

/** `{ column; file; line; }`, or null for text that is not in a file. */
export function positionValue(place: Place | undefined): Value {
  if (place === undefined || !place.source.isFile) return null;
  const { line, column } = place.source.locate(place.offset);
  return new Attrs(POSITION, [column, positionFile(place.source.path), line]);
}
