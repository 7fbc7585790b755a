/** Nix values as the evaluator prints them, taken apart and laid out over lines where they do not fit on one. */

export type PrintedValue =
  /** Anything without members, as it was printed. */
  | { readonly kind: "atom"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly PrintedValue[] }
  | { readonly kind: "set"; readonly members: readonly (readonly [name: string, value: PrintedValue])[] };

/** Takes apart what `printed` evaluations print. */
export function parsePrinted(text: string): PrintedValue {
  let at = 0;
  const skipSpace = (): void => {
    while (text[at] === " " || text[at] === "\n") at++;
  };
  const isAt = (word: string): boolean => {
    skipSpace();
    if (!text.startsWith(word, at)) return false;
    at += word.length;
    return true;
  };
  const atom = (): string => {
    skipSpace();
    const start = at;
    if (text[at] === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
      at++;
    } else if (text[at] === "«") {
      let depth = 0;
      do {
        if (text[at] === "«") depth++;
        else if (text[at] === "»") depth--;
        at++;
      } while (depth > 0 && at < text.length);
    } else while (at < text.length && !/[\s;]/.test(text[at]!)) at++;
    return text.slice(start, at);
  };
  const value = (): PrintedValue => {
    if (isAt("[")) {
      const items: PrintedValue[] = [];
      while (at < text.length && !isAt("]")) items.push(value());
      return { kind: "list", items };
    }
    if (isAt("{")) {
      const members: [string, PrintedValue][] = [];
      while (at < text.length && !isAt("}")) {
        const name = atom();
        isAt("=");
        members.push([name, value()]);
        isAt(";");
      }
      return { kind: "set", members };
    }
    return { kind: "atom", text: atom() };
  };
  return value();
}

/** Lines of at most `width` columns, as far as words allow. */
export function layOut(value: PrintedValue, width: number): string[] {
  const line = inOneLine(value);
  if (value.kind === "atom" || line.length <= width) return line.split("\n");
  const inside = (text: readonly string[]): string[] => text.map((one) => `  ${one}`);
  if (value.kind === "list") return ["[", ...value.items.flatMap((item) => inside(layOut(item, width - 2))), "]"];
  const members = value.members.flatMap(([name, member]) => {
    const [first = "", ...rest] = layOut(member, width - name.length - 6);
    const lines = [`${name} = ${first}`, ...rest];
    return inside([...lines.slice(0, -1), `${lines.at(-1) ?? ""};`]);
  });
  return ["{", ...members, "}"];
}

function inOneLine(value: PrintedValue): string {
  switch (value.kind) {
    case "atom":
      return value.text;
    case "list":
      return value.items.length === 0 ? "[ ]" : `[ ${value.items.map(inOneLine).join(" ")} ]`;
    case "set":
      return value.members.length === 0
        ? "{ }"
        : `{ ${value.members.map(([name, member]) => `${name} = ${inOneLine(member)};`).join(" ")} }`;
  }
}
