/** JSON as people read it. */

/** Spreads compact JSON over lines, two spaces a level; numbers stay as they are written. */
export function indentJson(text: string): string {
  let out = "";
  let level = 0;
  let at = 0;
  const newline = (): void => void (out += `\n${"  ".repeat(level)}`);
  while (at < text.length) {
    const char = text[at]!;
    if (char === '"') {
      const end = endOfString(text, at);
      out += text.slice(at, end);
      at = end;
      continue;
    }
    const next = text[at + 1];
    at++;
    if ((char === "{" && next === "}") || (char === "[" && next === "]")) {
      out += char + next;
      at++;
    } else if (char === "{" || char === "[") {
      out += char;
      level++;
      newline();
    } else if (char === "}" || char === "]") {
      level--;
      newline();
      out += char;
    } else if (char === ",") {
      out += char;
      newline();
    } else out += char === ":" ? ": " : char;
  }
  return out;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}
