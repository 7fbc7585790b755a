/** Shows where in a text something is: position, and the lines around it. */
import { renderPosition } from "./parse-error.ts";
import type { Source } from "./source.ts";

/** Nix's `at path:1:2:` with the line, its neighbours and a caret; each line indented by `indent`. */
export function renderExcerpt(source: Source, offset: number, indent: string): string {
  const { line, column } = source.locate(offset);
  const lines = [`${indent}at ${renderPosition(source, offset)}:`];
  const add = (number: number, text: string): void => {
    lines.push(`${indent}${String(number).padStart(6)}| ${text}`.trimEnd());
  };
  const before = source.line(line - 1);
  const current = source.line(line);
  const after = source.line(line + 1);
  if (before !== undefined) add(line - 1, before);
  if (current !== undefined) {
    add(line, current);
    lines.push(`${indent}      | ${" ".repeat(column - 1)}^`);
  }
  if (after !== undefined) add(line + 1, after);
  return lines.join("\n");
}
