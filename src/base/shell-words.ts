/** Words for a POSIX shell: the one place that quotes, and that takes quotes away. */

/** A word in single quotes, whatever it contains. */
export function quoteWord(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A word as a person would write it: quoted only where a shell would change it. */
export function quotePosix(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : quoteWord(word);
}

/** Shows an argument vector so that it can be pasted into a POSIX shell. */
export function renderArgv(argv: readonly string[]): string {
  return argv.map(quotePosix).join(" ");
}

/**
 * The words of a line as a shell would take it apart, without expanding anything. With `comments` the rest behind an
 * unquoted `#` is none of them. Undefined when a quote is not closed.
 */
export function splitWords(line: string, options: { readonly comments: boolean }): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "#" && options.comments) break;
    else if (char === "'" || char === '"') {
      const [end, text] = quotedAt(line, at + 1, char);
      if (end < 0) return undefined;
      word = (word ?? "") + text;
      at = end;
    } else if (char === "\\") word = (word ?? "") + (line[++at] ?? "");
    else word = (word ?? "") + char;
  }
  return word === undefined ? words : [...words, word];
}

/** What stands in quotes, and where they end; -1 when they do not. */
function quotedAt(line: string, start: number, quote: string): [end: number, text: string] {
  let text = "";
  for (let at = start; at < line.length; at++) {
    const char = line[at]!;
    if (char === quote) return [at, text];
    const isEscape = quote === '"' && char === "\\" && /["\\]/.test(line[at + 1] ?? "");
    text += isEscape ? line[++at]! : char;
  }
  return [-1, text];
}
