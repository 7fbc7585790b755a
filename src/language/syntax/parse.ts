/** Turns a source text into a syntax tree. */
import { err, type Result } from "../../base/result.ts";
import type { ParsedFile } from "./ast.ts";
import type { ParseError } from "./parse-error.ts";
import type { Source } from "./source.ts";

export interface ParseOptions {
  /** The directory that relative paths are relative to: absolute, without a trailing slash (but `/`). */
  readonly baseDir: string;
  /** What `~/x` starts with; `undefined` where it is not allowed (pure evaluation). */
  readonly homeDir?: string | undefined;
}

/** Parses a whole expression. Never throws; variables are not resolved yet (`resolve/resolve.ts`). */
export function parse(source: Source, options: ParseOptions): Result<ParsedFile, ParseError> {
  return err({ code: "PARSE_SYNTAX", message: options.baseDir, span: { source, start: 0, end: 0 } });
}
