/**
 * Documentation comments of functions and attributes: block comments that open with two stars.
 *
 * They are looked for in the text when somebody asks, so that reading a program pays nothing for them. A comment
 * belongs to what follows it: to an attribute and the function it is bound to, or to a function and the functions that
 * its body is made of; the innermost one wins.
 */

import { DefKind, type Expr, Kind, type Lambda } from "./ast.ts";
import { parse, parseBindings } from "./parse.ts";
import { Source } from "./source.ts";

/** The text of the documentation comment of the function at an offset, without its frame; a byte string. */
export function docCommentOfLambda(source: Source, offset: number): string | undefined {
  const own = docCommentBefore(source.text, offset);
  if (own !== undefined) return own;
  const root = rootOf(source);
  if (root === undefined) return undefined;
  for (const start of ownersOf(root, offset) ?? []) {
    const comment = docCommentBefore(source.text, start);
    if (comment !== undefined) return comment;
  }
  return undefined;
}

/** The expression that a source is, or the definitions, if it was entered interactively. */
function rootOf(source: Source): Expr | undefined {
  const options = { baseDir: "/", homeDir: "/", pipeOperators: true };
  const file = parse(source, options);
  if (file.ok) return file.value.root;
  const bindings = parseBindings(source, options);
  return bindings.ok ? bindings.value : undefined;
}

/** The text of the documentation comment that ends right before a token; a byte string. */
export function docCommentBefore(text: string, offset: number): string | undefined {
  let end = offset;
  for (;;) {
    end = text.slice(0, end).trimEnd().length;
    if (end >= 4 && text.startsWith("*/", end - 2)) {
      const comment = blockCommentEndingAt(text, end);
      if (comment === undefined) return undefined;
      if (comment.isDocumentation) return innerText(text.slice(comment.start, end));
      end = comment.start;
      continue;
    }
    const lineStart = text.lastIndexOf("\n", end - 1) + 1;
    const comment = /(?:^|\*\/)[ \t]*(#.*)$/.exec(text.slice(lineStart, end));
    if (comment === null || end === 0) return undefined;
    end -= comment[1]!.length;
  }
}

/** The comment whose last character stands before `end`; the nearest opening that makes it documentation, if any does. */
function blockCommentEndingAt(text: string, end: number): { start: number; isDocumentation: boolean } | undefined {
  const former = text.lastIndexOf("*/", end - 3);
  let nearest: number | undefined;
  for (let at = text.lastIndexOf("/*", end - 4); at > former && at >= 0; at = text.lastIndexOf("/*", at - 1)) {
    nearest ??= at;
    if (/^\/\*\*[^/*]/.test(text.slice(at, at + 4)) && at + 4 < end) return { start: at, isDocumentation: true };
    if (at === 0) break;
  }
  return nearest === undefined ? undefined : { start: nearest, isDocumentation: false };
}

/** The text inside, moved to the left as far as it goes. */
function innerText(comment: string): string | undefined {
  const inner = comment.slice("/**".length, -"*/".length);
  return inner === "" ? undefined : stripIndentation(`   ${inner}`);
}

/** Removes the indentation that all lines share; blank lines do not count. */
export function stripIndentation(text: string): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const indents = lines.filter((line) => /[^ ]/.test(line)).map((line) => /^ */.exec(line)![0].length);
  const least = Math.min(...indents, 10_000);
  return lines.map((line) => `${line.slice(least)}\n`).join("");
}

/** Where what a function belongs to begins, from the inside out: the functions around it, then the attribute. */
function ownersOf(root: Expr, offset: number): number[] | undefined {
  const visit = (node: unknown, owners: readonly number[]): number[] | undefined => {
    if (typeof node !== "object" || node === null || node instanceof Source) return undefined;
    if (Array.isArray(node)) return firstOf(node, (member) => visit(member, []));
    if (isLambda(node)) {
      if (node.start === offset) return [...owners];
      return visit(node.formals, []) ?? visit(node.body, [node.start, ...owners]);
    }
    if ("how" in node && node.how === DefKind.Plain && "value" in node && "start" in node) {
      return visit(node.value, [node.start as number]);
    }
    return firstOf(Object.values(node), (member) => visit(member, []));
  };
  return visit(root, []);
}

function isLambda(node: object): node is Lambda {
  return "kind" in node && node.kind === Kind.Lambda;
}

function firstOf<T>(members: readonly unknown[], find: (member: unknown) => T | undefined): T | undefined {
  for (const member of members) {
    const found = find(member);
    if (found !== undefined) return found;
  }
  return undefined;
}
