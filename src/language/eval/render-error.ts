/** An error as Nix shows it: the frames it passed, outermost first, then the message with its excerpt. */

import { byteStringOfText } from "../../base/byte-string.ts";
import type { EvalError, TraceFrame } from "./eval-error.ts";
import { renderExcerpt, renderPlace } from "./place-text.ts";
import { renderSuggestions } from "./suggestions.ts";
import type { Place } from "./value.ts";

/** A shortened trace stops after this many lines of explanation; a frame with a place counts twice. */
const SHORT_TRACE_MAX = 3;
/** Up to this many repeated frames are shown rather than counted. */
const REPEATED_SHOWN_MAX = 5;

export interface RenderErrorOptions {
  readonly showTrace: boolean;
}

/** Blank in ASCII only: other characters are several bytes, of which none may be taken away. */
const BLANKS = " \n\t\r\f\v";

const ELLIPSIS = byteStringOfText("…");

function renderAt(place: Place | undefined, indent: string): string {
  if (place === undefined) return "";
  const excerpt = renderExcerpt(place);
  return `${indent}at ${renderPlace(place)}:${excerpt === "" ? "" : `\n${excerpt}\n`}`;
}

class TraceWriter {
  readonly #showTrace: boolean;
  #text = "";
  #count = 0;
  #isTruncated = false;
  #seen = new Set<string>();
  #skipped: TraceFrame[] = [];

  constructor(showTrace: boolean) {
    this.#showTrace = showTrace;
  }

  add(frame: TraceFrame): void {
    if (frame.text === "") return;
    if (!this.#showTrace && this.#count > SHORT_TRACE_MAX) this.#isTruncated = true;
    if (this.#isTruncated && !frame.isAlwaysShown) return;
    const key = `${frame.text}\n${frame.place === undefined ? "" : renderPlace(frame.place)}`;
    if (this.#seen.has(key)) {
      this.#skipped.push(frame);
      return;
    }
    this.#seen.add(key);
    this.#flushSkipped();
    this.#count++;
    this.#write(frame);
  }

  finish(): string {
    this.#flushSkipped();
    if (this.#isTruncated) {
      this.#text += "\n(stack trace truncated; use '--show-trace' to show the full, detailed trace)\n";
    }
    return this.#text;
  }

  #write(frame: TraceFrame): void {
    this.#text += `\n${ELLIPSIS} ${frame.text}\n${renderAt(frame.place, "  ")}`;
    if (frame.place !== undefined) this.#count++;
  }

  #flushSkipped(): void {
    if (this.#skipped.length > 0) {
      if (this.#skipped.length <= REPEATED_SHOWN_MAX) for (const frame of this.#skipped) this.#write(frame);
      else this.#text += `\n(${this.#skipped.length} duplicate frames omitted)\n`;
    }
    this.#skipped = [];
  }
}

/** Looks from the end, because there may be long runs of blanks before it. */
function withoutBlanksAtEnd(text: string): string {
  let end = text.length;
  while (end > 0 && BLANKS.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Renders an error; a byte string without a final newline. */
export function renderError(error: EvalError, options: RenderErrorOptions): string {
  const writer = new TraceWriter(options.showTrace);
  const frames = error.trace;
  for (let i = frames.length - 1; i >= 0; i--) writer.add(frames[i]!);
  let text = writer.finish();
  if (frames.some((frame) => frame.text !== "")) text += "\nerror: ";
  text += `${error.message}\n${renderAt(error.place, "")}`;
  const suggestions = renderSuggestions(error.suggestions);
  if (suggestions !== "") text += `${text.endsWith("\n") ? "" : "\n"}${suggestions}\n`;
  const [first = "", ...rest] = withoutBlanksAtEnd(text).split("\n");
  const indented = rest.map((line) => withoutBlanksAtEnd(`       ${line}`));
  // Nix ends a message with an invisible character, so that a last newline of the message's own stays.
  if (suggestions === "" && error.place === undefined && error.message.endsWith("\n")) indented.push("       ");
  return [withoutBlanksAtEnd(`error: ${first}`), ...indented].join("\n");
}
