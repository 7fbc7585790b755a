/** Binds variables to frames and slots, see the table in `syntax/ast.ts`. */
import type { ParsedFile } from "../syntax/ast.ts";
import type { ParseError } from "../syntax/parse-error.ts";

export interface ResolveOptions {
  /** The names of the builtin scope. */
  readonly globals: { has(name: string): boolean };
  /**
   * Frames around the file, outermost first: the slot names of each (`scopedImport`: one frame with the names of its
   * set; a REPL: what was entered so far).
   */
  readonly frames?: readonly (readonly string[])[];
}

/** Fills in the annotations of every node, once per tree. Reports the first undefined variable. */
export function resolve(_file: ParsedFile, _options: ResolveOptions): ParseError | undefined {
  return undefined;
}
