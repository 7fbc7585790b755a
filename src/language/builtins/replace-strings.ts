/** What `builtins.replaceStrings` does to text. */

/** Patterns in their order: at each place of a text the first that is there counts. */
export class Patterns {
  readonly #patterns: readonly string[];
  /** The patterns that begin with a character, by its code. */
  readonly #byFirst = new Map<number, number[]>();
  /** The first pattern that is empty, which is there at every place; -1 when none is. */
  readonly #empty: number;

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns;
    this.#empty = patterns.indexOf("");
    for (let i = 0; i < patterns.length; i++) {
      // What comes after an empty pattern is never looked at.
      if (this.#empty >= 0 && i >= this.#empty) break;
      const code = patterns[i]!.charCodeAt(0);
      const known = this.#byFirst.get(code);
      if (known === undefined) this.#byFirst.set(code, [i]);
      else known.push(i);
    }
  }

  /** Replaces what matches, left to right; asks for the replacement of a pattern by its index. */
  replaceIn(text: string, replacementOf: (index: number) => string): string {
    const patterns = this.#patterns;
    let result = "";
    /** Where the part of the text begins that is not in the result yet. */
    let pending = 0;
    for (let at = this.#next(text, 0); at >= 0;) {
      const index = this.#patternAt(text, at);
      if (index < 0) {
        at = this.#next(text, at + 1);
        continue;
      }
      result += text.slice(pending, at) + replacementOf(index);
      pending = at + patterns[index]!.length;
      // An empty pattern takes nothing away: it matches again before the next character.
      at = this.#next(text, Math.max(pending, at + 1));
    }
    return pending === 0 && result === "" ? text : result + text.slice(pending);
  }

  /** The next place where a pattern may be; -1 when there is none. */
  #next(text: string, from: number): number {
    if (this.#empty >= 0) return from <= text.length ? from : -1;
    if (this.#patterns.length === 1) return text.indexOf(this.#patterns[0]!, from);
    for (let at = from; at < text.length; at++) if (this.#byFirst.has(text.charCodeAt(at))) return at;
    return -1;
  }

  #patternAt(text: string, at: number): number {
    const candidates = this.#byFirst.get(text.charCodeAt(at));
    if (candidates !== undefined) {
      for (const index of candidates) if (text.startsWith(this.#patterns[index]!, at)) return index;
    }
    return this.#empty;
  }
}
