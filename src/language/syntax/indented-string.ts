/**
 * Removes the common indentation of an indented string.
 *
 * Only spaces indent. Lines of nothing but spaces do not count, and a last line of nothing but spaces is dropped.
 * Escapes and interpolations end the indentation of their line.
 */
import { type Expr, Interpolation, Str } from "./ast.ts";

/** A piece of an indented string: an interpolated expression, indentable text, or the value of an escape. */
export interface IndentedPiece {
  readonly start: number;
  readonly end: number;
  readonly expr: Expr | null;
  readonly text: string;
  readonly isText: boolean;
}

const SPACE = 32;
const LINE_FEED = 10;

export function stripIndentation(start: number, end: number, pieces: readonly IndentedPiece[]): Expr {
  const indent = commonIndent(pieces);
  const parts: Expr[] = [];
  const partStarts: number[] = [];
  const line: LineState = { atLineStart: true, dropped: 0 };
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i] as IndentedPiece;
    if (piece.expr !== null) {
      line.atLineStart = false;
      parts.push(piece.expr);
      partStarts.push(piece.start);
      continue;
    }
    let text = stripPiece(piece.text, indent, line);
    if (i === pieces.length - 1) text = text.replace(/\n *$/, "\n");
    if (text === "") continue;
    parts.push(new Str(piece.start, piece.end, text));
    partStarts.push(piece.start);
  }
  if (parts.length === 0) return new Str(start, end, "");
  const only = parts[0];
  if (parts.length === 1 && only instanceof Str) return only;
  return new Interpolation(start, end, parts, partStarts);
}

function commonIndent(pieces: readonly IndentedPiece[]): number {
  let least = Infinity;
  let current = 0;
  let atLineStart = true;
  for (const piece of pieces) {
    if (!piece.isText) {
      if (atLineStart) {
        atLineStart = false;
        if (current < least) least = current;
      }
      continue;
    }
    const text = piece.text;
    let i = 0;
    while (i < text.length) {
      if (!atLineStart) {
        const lineEnd = text.indexOf("\n", i);
        if (lineEnd < 0) break;
        i = lineEnd + 1;
        atLineStart = true;
        current = 0;
        continue;
      }
      const code = text.charCodeAt(i++);
      if (code === SPACE) current++;
      else if (code === LINE_FEED) current = 0;
      else {
        atLineStart = false;
        if (current < least) least = current;
      }
    }
  }
  return least;
}

/** Where the removal of indentation stands between two pieces. */
interface LineState {
  /** Only spaces have been seen on the current line. */
  atLineStart: boolean;
  /** How many of them were dropped. */
  dropped: number;
}

/** Drops up to `indent` spaces at each line start. */
function stripPiece(text: string, indent: number, line: LineState): string {
  let result = "";
  let i = 0;
  for (;;) {
    if (line.atLineStart) {
      while (line.dropped < indent && text.charCodeAt(i) === SPACE) {
        i++;
        line.dropped++;
      }
      let first = i;
      while (text.charCodeAt(first) === SPACE) first++;
      if (first >= text.length) return result + text.slice(i);
    }
    const lineEnd = text.indexOf("\n", i);
    if (lineEnd < 0) {
      line.atLineStart = false;
      return result + text.slice(i);
    }
    result += text.slice(i, lineEnd + 1);
    i = lineEnd + 1;
    line.atLineStart = true;
    line.dropped = 0;
  }
}
