/** What is wrong with a text that is not a Nix expression. */
import type { Source, Span } from "./source.ts";

/** A fault found while parsing or resolving; the message is worded as Nix words it. */
export interface ParseError {
  /** Stable: `PARSE_SYNTAX` for a text that is no expression, `PARSE_UNDEFINED_VARIABLE` for an unbound name. */
  readonly code: "PARSE_SYNTAX" | "PARSE_UNDEFINED_VARIABLE";
  readonly message: string;
  readonly span: Span;
  /** The unbound name. */
  readonly variable?: string;
  /** Whether the place is left out when the fault is shown. */
  readonly isUnplaced?: boolean;
}

/** `«path»:line:column`, as Nix names a place inside a message. */
export function renderPosition(source: Source, offset: number): string {
  const { line, column } = source.locate(offset);
  return `${source.path}:${String(line)}:${String(column)}`;
}
