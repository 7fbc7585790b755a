/** Complaints about literals that are allowed but not portable: ignored, warned of, or refused, as settings say. */
import { renderExcerpt } from "./excerpt.ts";
import type { Lexer } from "./lexer.ts";
import type { Source } from "./source.ts";

export type LintLevel = "ignore" | "warn" | "fatal";

/** The settings `lint-url-literals` and its like. */
export interface LintLevels {
  readonly urlLiterals?: LintLevel;
  readonly absolutePathLiterals?: LintLevel;
  readonly shortPathLiterals?: LintLevel;
}

const SETTING_NAMES: Readonly<Record<keyof LintLevels, string>> = {
  urlLiterals: "lint-url-literals",
  absolutePathLiterals: "lint-absolute-path-literals",
  shortPathLiterals: "lint-short-path-literals",
};

/** The excerpt of a warning stands below its text, which `warning: ` comes before. */
const WARNING_INDENT = "         ";

export class LiteralLints {
  readonly #source: Source;
  readonly #lexer: Lexer;
  readonly #levels: LintLevels;
  readonly #warnings: string[];

  constructor(source: Source, lexer: Lexer, levels: LintLevels, warnings: string[]) {
    this.#source = source;
    this.#lexer = lexer;
    this.#levels = levels;
    this.#warnings = warnings;
  }

  /** The lexer stands at a URL without quotes. */
  url(literal: string): void {
    const level = this.#levels.urlLiterals ?? "ignore";
    const verdict = level === "fatal" ? "disallowed" : "discouraged";
    this.#complain("urlLiterals", `URL literals are ${verdict}. Consider using a string literal "${literal}" instead`);
  }

  /** The lexer stands at a path that starts with `/` or `~`, or at a relative one. */
  path(literal: string): void {
    if (literal.startsWith("/") || literal.startsWith("~")) {
      const kind = literal.startsWith("/") ? "absolute" : "home";
      this.#complain(
        "absolutePathLiterals",
        `${kind} path literals are not portable. Consider replacing path literal '${literal}' by a string, relative path, or parameter`,
      );
    } else if (!literal.startsWith(".")) {
      this.#complain(
        "shortPathLiterals",
        `relative path literal '${literal}' should be prefixed with '.' for clarity: './${literal}'`,
      );
    }
  }

  #complain(lint: keyof LintLevels, text: string): void {
    const level = this.#levels[lint] ?? "ignore";
    if (level === "ignore") return;
    const message = `${text} (${SETTING_NAMES[lint]})`;
    const { start, position } = this.#lexer;
    if (level === "fatal") this.#lexer.fail(message, start, position);
    this.#warnings.push(`${message}\n${renderExcerpt(this.#source, start, WARNING_INDENT)}`);
  }
}
