/** Places and excerpts as text, computed from byte offsets when something is shown. */

import { renderPosition } from "../syntax/parse-error.ts";
import type { Place } from "./value.ts";

/** `FILE:LINE:COLUMN`. */
export function renderPlace(place: Place): string {
  return renderPosition(place.source, place.offset);
}

/** The line of a place with its neighbours and a caret, as Nix draws them. */
export function renderExcerpt(place: Place): string {
  const { source } = place;
  const { line, column } = source.locate(place.offset);
  const rows: string[] = [];
  const numbered = (number: number, text: string): string => ` ${String(number).padStart(5)}| ${text}`.trimEnd();
  const before = line > 1 ? source.line(line - 1) : undefined;
  if (before !== undefined) rows.push(numbered(line - 1, before));
  const own = source.line(line);
  if (own !== undefined) rows.push(numbered(line, own), `      |${" ".repeat(column)}^`);
  const after = source.line(line + 1);
  if (after !== undefined) rows.push(numbered(line + 1, after));
  return rows.join("\n");
}
