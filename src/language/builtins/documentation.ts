/** What is written about the builtins, by name. */

export interface BuiltinDocumentation {
  /** The names of the arguments; none for a value that is no function. */
  readonly args: readonly string[];
  /** Markdown. */
  readonly text: string;
}

const DOCUMENTATION: Readonly<Record<string, BuiltinDocumentation>> = {};

export function documentationOfBuiltin(name: string): BuiltinDocumentation | undefined {
  return Object.hasOwn(DOCUMENTATION, name) ? DOCUMENTATION[name] : undefined;
}
