/**
 * Source texts and positions in them.
 *
 * A position is a byte offset into a source; line and column are computed only when somebody looks.
 */

/** One parsed text: a file, or an expression given on the command line. */
export class Source {
  /** Where the text comes from, as Nix shows it: an absolute path, `«string»` or `«stdin»`. A byte string. */
  readonly path: string;
  /** The text, one character per byte. */
  readonly text: string;
  /** Whether `path` names a file, so that it may appear in a position handed to Nix code. */
  readonly isFile: boolean;
  #lineStarts: number[] | undefined;

  constructor(path: string, text: string, options: { readonly isFile: boolean }) {
    this.path = path;
    this.text = text;
    this.isFile = options.isFile;
  }

  /** Line and column of a byte offset, both from 1. CR, LF and CR LF end a line, as in Nix. */
  locate(offset: number): { readonly line: number; readonly column: number } {
    const starts = (this.#lineStarts ??= lineStartsOf(this.text));
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] as number) + 1 };
  }

  /** The text of a line, counted from 1, without its end; `undefined` outside the text, and for an empty one. */
  line(line: number): string | undefined {
    const starts = (this.#lineStarts ??= lineStartsOf(this.text));
    const start = starts[line - 1];
    if (start === undefined || this.text === "") return undefined;
    return this.text.slice(start, starts[line] ?? this.text.length).replace(/[\r\n]+$/, "");
  }
}

/** A range of bytes in a source. */
export interface Span {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  if (!text.includes("\r")) {
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) starts.push(end + 1);
    return starts;
  }
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 10 || (code === 13 && text.charCodeAt(i + 1) !== 10)) starts.push(i + 1);
  }
  return starts;
}
