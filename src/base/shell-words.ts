/** Words for a POSIX shell: the one place that quotes. */

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
