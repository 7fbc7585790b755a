/** Parses what has its own lexical rules: strings, indented strings and path literals, with their interpolations. */
import { type Expr, Interpolation, Path, PathInterpolation, Str } from "./ast.ts";
import { type IndentedPiece, stripIndentation } from "./indented-string.ts";
import { type Lexer, ParseFailure, unescape } from "./lexer.ts";
import type { LiteralLints } from "./lints.ts";
import { Token } from "./token.ts";

export interface PathOptions {
  /** The directory that relative paths are relative to: absolute, without a trailing slash (but `/`). */
  readonly baseDir: string;
  /** What `~/x` starts with; `undefined` where it is not allowed (pure evaluation). */
  readonly homeDir?: string | undefined;
}

export class QuotedParser {
  readonly #lexer: Lexer;
  readonly #options: PathOptions;
  readonly #lints: LiteralLints;
  /** Parses an expression inside an interpolation. */
  readonly #expr: () => Expr;

  constructor(lexer: Lexer, options: PathOptions, lints: LiteralLints, expr: () => Expr) {
    this.#lexer = lexer;
    this.#options = options;
    this.#lints = lints;
    this.#expr = expr;
  }

  /** `"…"`, from its opening quote on. */
  string(): Expr {
    const lexer: Lexer = this.#lexer;
    const open = lexer.start;
    lexer.stringPart();
    if (lexer.token === Token.StringPart && lexer.endsString()) {
      // Most strings are one piece.
      const { start, position } = lexer;
      const value = unescape(lexer.text.slice(start, position));
      this.#forbidNul(value, start, position);
      lexer.stringPart();
      lexer.advance();
      return new Str(open, lexer.previousEnd, value);
    }
    let literal: Str | null = null;
    const parts: Expr[] = [];
    const partStarts: number[] = [];
    for (;;) {
      const { start, position } = lexer;
      if (lexer.token === Token.StringPart) {
        const value = unescape(lexer.text.slice(start, position));
        this.#forbidNul(value, start, position);
        literal = new Str(start, position, value);
        parts.push(literal);
        partStarts.push(start);
      } else if (lexer.token === Token.DollarBrace) {
        literal = null;
        parts.push(this.#interpolated());
        partStarts.push(start);
      } else if (lexer.token === Token.Quote) {
        lexer.advance();
        break;
      } else {
        lexer.failUnexpected([Token.Quote]);
      }
      lexer.stringPart();
    }
    const end = lexer.previousEnd;
    if (parts.length === 0) return new Str(open, end, "");
    if (parts.length === 1 && literal !== null) return new Str(open, end, literal.value);
    return new Interpolation(partStarts[0] as number, end, parts, partStarts);
  }

  /** `''…''`, from its opening quotes on. */
  indentedString(): Expr {
    const lexer: Lexer = this.#lexer;
    const open = lexer.start;
    const pieces: IndentedPiece[] = [];
    lexer.indentedPart();
    for (;;) {
      const { start } = lexer;
      if (lexer.token === Token.IndentedPart) {
        const { position: end, partValue: text, partIsText: isText } = lexer;
        this.#forbidNul(text, start, end);
        pieces.push({ start, end, expr: null, text, isText });
      } else if (lexer.token === Token.DollarBrace) {
        const expr = this.#interpolated();
        pieces.push({ start, end: lexer.position, expr, text: "", isText: false });
      } else if (lexer.token === Token.IndentedClose) {
        lexer.advance();
        return stripIndentation(open, lexer.previousEnd, pieces);
      } else {
        lexer.failUnexpected([Token.IndentedPart, Token.DollarBrace, Token.IndentedClose]);
      }
      lexer.indentedPart();
    }
  }

  /** `${ … }`, up to its closing brace, behind which the string goes on. */
  #interpolated(): Expr {
    const lexer: Lexer = this.#lexer;
    lexer.advance();
    const expr = this.#expr();
    if (lexer.token !== Token.BraceClose) lexer.failUnexpected([Token.BraceClose]);
    return expr;
  }

  #forbidNul(value: string, start: number, end: number): void {
    if (!value.includes("\0")) return;
    const shown = value.replaceAll("\0", "\xe2\x90\x80");
    const message = `input string '${shown}' cannot be represented as Nix string because it contains null bytes`;
    this.#lexer.fail(message, start, end);
  }

  /** A path literal, from its first piece on. */
  path(): Expr {
    const lexer: Lexer = this.#lexer;
    const { start, position } = lexer;
    const isHome = lexer.token === Token.HomePath;
    const head = this.#pathHead(start, position, lexer.text.slice(start, position), isHome);
    lexer.pathPart();
    if (lexer.token === Token.PathEnd) {
      lexer.advance();
      return head;
    }
    const parts: Expr[] = [head];
    const partStarts: number[] = [start];
    let startsPlain = false;
    for (; ; lexer.pathPart()) {
      // `a//b`: a second piece right behind the first must lead to an interpolation.
      const isPlain = parts.length === 2 && startsPlain;
      if (isPlain && lexer.token !== Token.DollarBrace) {
        // Nix places the end of a path at the piece before, and at the end of the file one further back.
        const isLast = lexer.position >= lexer.text.length;
        if (lexer.token === Token.PathEnd) lexer.start = isLast ? start : (partStarts[1] as number);
        lexer.failUnexpected([Token.DollarBrace]);
      }
      if (lexer.token === Token.PathEnd) break;
      partStarts.push(lexer.start);
      if (lexer.token === Token.DollarBrace) parts.push(this.#interpolated());
      else {
        if (parts.length === 1) startsPlain = true;
        parts.push(new Str(lexer.start, lexer.position, lexer.text.slice(lexer.start, lexer.position)));
      }
    }
    lexer.advance();
    return new PathInterpolation(start, lexer.previousEnd, parts, partStarts);
  }

  #pathHead(start: number, end: number, literal: string, isHome: boolean): Path {
    const { baseDir, homeDir } = this.#options;
    if (isHome && homeDir === undefined) {
      const message = `the path '${literal}' can not be resolved in pure mode`;
      const span = { source: this.#lexer.source, start, end };
      throw new ParseFailure({ code: "PARSE_SYNTAX", message, span, isUnplaced: true });
    }
    this.#lints.path(literal);
    return isHome ? new Path(start, end, homeDir + literal.slice(1), null) : new Path(start, end, literal, baseDir);
  }
}
