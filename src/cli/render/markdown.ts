/** The little Markdown that documentation is written in, on a terminal. */

import type { Terminal } from "./terminal.ts";
import { widthOf } from "./terminal.ts";

export interface MarkdownOptions {
  readonly columns: number;
  readonly colors: Terminal["colors"];
}

/** Renders paragraphs, lists, headings and code; what it does not know stays as it is. */
export function renderMarkdown(text: string, options: MarkdownOptions): string {
  const blocks: string[] = [];
  let paragraph: string[] = [];
  const endParagraph = (): void => {
    if (paragraph.length > 0) blocks.push(renderParagraph(paragraph, options));
    paragraph = [];
  };
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const fence = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (fence !== undefined) {
      endParagraph();
      const code: string[] = [];
      for (at++; at < lines.length && !lines[at]!.trim().startsWith(fence); at++) code.push(lines[at]!);
      blocks.push(renderCode(code));
    } else if (paragraph.length === 0 && /^ {4}/.test(line)) {
      const code: string[] = [];
      for (; at < lines.length && /^ {4}|^\s*$/.test(lines[at]!); at++) code.push(lines[at]!.slice(4));
      at--;
      while (code.at(-1)?.trim() === "") code.pop();
      blocks.push(renderCode(code));
    } else if (line.trim() === "") endParagraph();
    else if (/^#{1,6} /.test(line)) {
      endParagraph();
      blocks.push(options.colors.bold(inline(line.replace(/^#+ /, ""), options)));
    } else if (/^\s*([-*]|\d+\.) /.test(line)) {
      endParagraph();
      paragraph.push(line);
    } else paragraph.push(line);
  }
  endParagraph();
  return blocks.join("\n\n");
}

function renderCode(lines: readonly string[]): string {
  return lines.map((line) => `  │ ${line}`.trimEnd()).join("\n");
}

function renderParagraph(lines: readonly string[], options: MarkdownOptions): string {
  const bullet = /^(\s*)([-*]|\d+\.) /.exec(lines[0]!);
  const indent = bullet === null ? "" : " ".repeat(bullet[0].length);
  const parts: string[] = [""];
  for (const [index, line] of lines.entries()) {
    const isBroken = line.endsWith("\\") || line.endsWith("  ");
    const words = line.replace(/\\$/, "").trim();
    const own = bullet !== null && index === 0 ? words.slice(bullet[2]!.length + 1) : words;
    parts[parts.length - 1] += `${parts.at(-1) === "" ? "" : " "}${own}`;
    if (isBroken) parts.push("");
  }
  const text = parts.map((part) => wrap(inline(part, options), options.columns - indent.length)).join("\n");
  const head = bullet === null ? "" : `${bullet[1]!}${bullet[2] === "*" ? "-" : bullet[2]!} `;
  return text
    .split("\n")
    .map((line, index) => (index === 0 ? head : indent) + line)
    .join("\n");
}

function inline(text: string, { colors }: MarkdownOptions): string {
  return text
    .replace(/`([^`]+)`/g, (_, code: string) => colors.bold(code))
    .replace(/\*\*([^*]+)\*\*/g, (_, strong: string) => colors.bold(strong))
    .replace(/(^|[\s(])\*([^*\s][^*]*)\*/g, (_, before: string, words: string) => before + colors.italic(words))
    .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (_, label: string, target: string) => `${label} (${target})`);
}

function wrap(text: string, columns: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && widthOf(line) + 1 + widthOf(word) > columns) {
      lines.push(line);
      line = word;
    } else line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}
