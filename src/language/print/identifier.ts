/** How Nix writes attribute names, variables and string literals. */

const IDENTIFIER = /^[a-zA-Z_][a-zA-Z0-9_'-]*$/;
const RESERVED: ReadonlySet<string> = new Set(["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"]);

/** The name itself where the language allows it, else a string literal. */
export function renderIdentifier(name: string): string {
  return IDENTIFIER.test(name) && !RESERVED.has(name) ? name : renderStringLiteral(name);
}

const ESCAPED: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "${": "\\${",
};

/** A byte string as a double-quoted literal. */
export function renderStringLiteral(text: string): string {
  return `"${text.replace(/["\\\n\r\t]|\$\{/g, (match) => ESCAPED[match] as string)}"`;
}
