/**
 * Turns a source text into a syntax tree: recursive descent, with precedence climbing for operators.
 *
 * What is accepted, what is merged and what is said about a mistake follow Nix's grammar, down to the tokens a message
 * lists as expected.
 */
import { err, ok, type Result } from "../../base/result.ts";
import {
  Assert,
  AttrDef,
  AttrName,
  type Attrs,
  Binary,
  BinaryOp,
  Call,
  CurPos,
  DefKind,
  type Expr,
  Float,
  Formal,
  HasAttr,
  If,
  InheritSource,
  Int,
  Kind,
  Lambda,
  Let,
  List,
  type ParsedFile,
  SearchPath,
  Select,
  Str,
  Unary,
  UnaryOp,
  Var,
  With,
} from "./ast.ts";
import { AttrsBuilder } from "./attrs-builder.ts";
import { Lexer, ParseFailure } from "./lexer.ts";
import { LiteralLints, type LintLevels } from "./lints.ts";
import { parseFloatLiteral, parseIntLiteral } from "./literals.ts";
import { type ParseError, renderPosition } from "./parse-error.ts";
import { ASSOCIATIVITY, NONE, OPERATION, PRECEDENCE, PRECEDENCE_NEGATE, PRECEDENCE_NOT, RIGHT } from "./operators.ts";
import { type PathOptions, QuotedParser } from "./quoted.ts";
import type { Source } from "./source.ts";
import { forgetSymbol, intern, orderOfNames, rankOfName } from "./symbols.ts";
import { Token } from "./token.ts";

export interface ParseOptions extends PathOptions {
  /** Whether the experimental `|>` and `<|` are allowed. */
  readonly pipeOperators?: boolean;
  readonly lints?: LintLevels;
}

/** How deep expressions may be nested. */
export const NESTING_DEPTH_MAX = 10_000;

/** Parses a whole expression. Never throws; variables are not resolved yet (`resolve/resolve.ts`). */
export function parse(source: Source, options: ParseOptions): Result<ParsedFile, ParseError> {
  const parser = new Parser(source, options);
  try {
    const root = parser.file();
    return ok({ source, root, warnings: parser.warnings });
  } catch (error) {
    if (error instanceof ParseFailure) return err(error.error);
    // The thread's stack is smaller than the nesting we allow: the same fault, found by other means.
    if (error instanceof RangeError) return err(parser.nestingError());
    throw error;
  }
}

/** Parses the definitions `x = 1; y = 2;` that a REPL accepts; at least one. */
export function parseBindings(source: Source, options: ParseOptions): Result<Attrs, ParseError> {
  const parser = new Parser(source, options);
  try {
    return ok(parser.bindings());
  } catch (error) {
    if (error instanceof ParseFailure) return err(error.error);
    // As in `parse`.
    if (error instanceof RangeError) return err(parser.nestingError());
    throw error;
  }
}

/** Tokens that can begin an argument or a list item. */
const STARTS_SIMPLE: Uint8Array = new Uint8Array(64);
for (const token of [
  Token.Identifier,
  Token.Integer,
  Token.Float,
  Token.Quote,
  Token.IndentedOpen,
  Token.Path,
  Token.HomePath,
  Token.SearchPath,
  Token.Uri,
  Token.ParenOpen,
  Token.Let,
  Token.Rec,
  Token.BraceOpen,
  Token.BracketOpen,
]) {
  STARTS_SIMPLE[token] = 1;
}

const NOTHING: readonly Token[] = [];
const ATTR_NAME: readonly Token[] = [Token.Identifier, Token.OrKeyword, Token.DollarBrace, Token.Quote];
const CUR_POS = intern("__curPos");
const FIND_FILE = intern("__findFile");
const NIX_PATH = intern("__nixPath");
const OR = intern("or");
const BODY = intern("body");

class Parser {
  readonly #lexer: Lexer;
  readonly #source: Source;
  readonly #attrs: AttrsBuilder;
  readonly #quoted: QuotedParser;
  readonly #lints: LiteralLints;
  #depth = 0;
  /** The end of a simple expression followed by a bare `or` that `#select` has just read, else -1. */
  #bareOrEnd = -1;
  readonly warnings: string[] = [];

  constructor(source: Source, options: ParseOptions) {
    this.#source = source;
    this.#lexer = new Lexer(source, { pipeOperators: options.pipeOperators ?? false });
    this.#attrs = new AttrsBuilder(this.#lexer);
    this.#lints = new LiteralLints(source, this.#lexer, options.lints ?? {}, this.warnings);
    this.#quoted = new QuotedParser(this.#lexer, options, this.#lints, () => this.#expr());
  }

  file(): Expr {
    this.#lexer.advance();
    const root = this.#expr();
    if (this.#lexer.token !== Token.EndOfFile) this.#unexpected([Token.EndOfFile]);
    this.#attrs.finish();
    return root;
  }

  bindings(): Attrs {
    this.#lexer.advance();
    const attrs = this.#attrs.make(0);
    this.#binds(attrs);
    if (attrs.defs.length + attrs.dynamicDefs.length === 0) this.#unexpected([Token.Inherit]);
    if (this.#lexer.token !== Token.EndOfFile) this.#unexpected([Token.EndOfFile]);
    attrs.end = this.#lexer.previousEnd;
    this.#attrs.finish();
    return attrs;
  }

  nestingError(): ParseError {
    const { start, position } = this.#lexer;
    return {
      code: "PARSE_SYNTAX",
      message: "expression is nested too deeply",
      span: { source: this.#source, start, end: position },
    };
  }

  #unexpected(expected: readonly Token[]): never {
    this.#lexer.failUnexpected(expected);
  }

  /** Steps over `token`, which must be the current one. */
  #expect(token: Token): void {
    if (this.#lexer.token !== token) this.#unexpected([token]);
    this.#lexer.advance();
  }

  #enter(): void {
    if (++this.#depth > NESTING_DEPTH_MAX) throw new ParseFailure(this.nestingError());
  }

  #expr(): Expr {
    this.#enter();
    const expr = this.#exprInner();
    this.#depth--;
    return expr;
  }

  #exprInner(): Expr {
    const lexer: Lexer = this.#lexer;
    const { start } = lexer;
    switch (lexer.token) {
      case Token.Identifier: {
        const { name, position } = lexer;
        lexer.advance();
        if (lexer.token === Token.Colon) {
          const isNew = forgetSymbol(lexer.text, start);
          lexer.advance();
          const lambda = this.#lambda(start, name, null, false);
          if (isNew) intern(name);
          return lambda;
        }
        if (lexer.token === Token.At) {
          const isNew = forgetSymbol(lexer.text, start);
          lexer.advance();
          const lambda = this.#atLambda(start, name);
          if (isNew) intern(name);
          return lambda;
        }
        return this.#operation(variable(start, position, name));
      }
      case Token.BraceOpen:
        lexer.advance();
        return this.#setOrFormals(start);
      case Token.Assert: {
        lexer.advance();
        const condition = this.#expr();
        this.#expect(Token.Semicolon);
        const body = this.#expr();
        return new Assert(start, lexer.previousEnd, condition, body);
      }
      case Token.With: {
        lexer.advance();
        const attrs = this.#expr();
        this.#expect(Token.Semicolon);
        const body = this.#expr();
        return new With(start, lexer.previousEnd, attrs, body);
      }
      case Token.Let:
        lexer.advance();
        if (lexer.token === Token.BraceOpen) return this.#operation(this.#legacyLet(start));
        return this.#let(start);
      case Token.If: {
        lexer.advance();
        const condition = this.#expr();
        this.#expect(Token.Then);
        const thenBranch = this.#expr();
        this.#expect(Token.Else);
        const elseBranch = this.#expr();
        return new If(start, lexer.previousEnd, condition, thenBranch, elseBranch);
      }
      default:
        return this.#operation(null);
    }
  }

  #let(start: number): Expr {
    const lexer: Lexer = this.#lexer;
    const attrs = this.#attrs.make(start);
    this.#binds(attrs);
    if (lexer.token !== Token.In) this.#unexpected([Token.In, Token.Inherit]);
    attrs.end = lexer.previousEnd;
    lexer.advance();
    const body = this.#expr();
    if (attrs.dynamicDefs.length > 0) {
      lexer.fail("dynamic attributes not allowed in let", start, lexer.previousEnd);
    }
    return new Let(start, lexer.previousEnd, attrs, body);
  }

  // --- Functions ---

  /** A function from its body on. */
  #lambda(start: number, param: string | null, formals: Formal[] | null, ellipsis: boolean): Expr {
    const body = this.#expr();
    if (formals !== null) this.#checkFormals(start, param, formals);
    return new Lambda(start, this.#lexer.previousEnd, this.#source, param, formals, ellipsis, body);
  }

  /** `name @ { … }: body`, from behind the `@`. */
  #atLambda(start: number, param: string): Expr {
    const lexer: Lexer = this.#lexer;
    this.#expect(Token.BraceOpen);
    const formals: Formal[] = [];
    if (lexer.token === Token.BraceClose) {
      lexer.advance();
      this.#expect(Token.Colon);
      return this.#lambda(start, param, formals, false);
    }
    const ellipsis = this.#formals(formals);
    this.#expect(Token.Colon);
    return this.#lambda(start, param, formals, ellipsis);
  }

  /** What follows a closed formal set: `: body` or `@ name: body`. */
  #afterFormals(start: number, formals: Formal[], ellipsis: boolean): Expr {
    const lexer: Lexer = this.#lexer;
    let param: string | null = null;
    let isNew = false;
    if (lexer.token === Token.At) {
      lexer.advance();
      if (lexer.token !== Token.Identifier) this.#unexpected([Token.Identifier]);
      param = lexer.name;
      const at = lexer.start;
      lexer.advance();
      isNew = forgetSymbol(lexer.text, at);
      this.#expect(Token.Colon);
    } else {
      if (lexer.token !== Token.Colon) this.#unexpected([Token.Colon, Token.At]);
      lexer.advance();
    }
    const lambda = this.#lambda(start, param, formals, ellipsis);
    if (isNew) intern(param as string);
    return lambda;
  }

  /** Formals and the closing brace, from a formal or `...` on; whether there is an ellipsis. */
  #formals(formals: Formal[]): boolean {
    const lexer: Lexer = this.#lexer;
    for (;;) {
      if (lexer.token === Token.Ellipsis) {
        lexer.advance();
        this.#expect(Token.BraceClose);
        return true;
      }
      if (lexer.token === Token.BraceClose && formals.length > 0) {
        lexer.advance();
        return false;
      }
      if (lexer.token !== Token.Identifier) {
        this.#unexpected([Token.Identifier, Token.Ellipsis, Token.BraceClose]);
      }
      const { name, start, position } = lexer;
      lexer.advance();
      this.#formal(formals, name, start, position);
      if (this.#endsFormals()) return false;
    }
  }

  /** The rest of a formal behind its name. */
  #formal(formals: Formal[], name: string, start: number, end: number): void {
    const lexer: Lexer = this.#lexer;
    if (lexer.token !== Token.Question) {
      formals.push(new Formal(start, end, name, null));
      return;
    }
    const isNew = forgetSymbol(lexer.text, start);
    lexer.advance();
    const defaultValue = this.#expr();
    if (isNew) intern(name);
    formals.push(new Formal(start, lexer.previousEnd, name, defaultValue));
  }

  /** Behind a formal: steps over a comma, or over the closing brace and says so. */
  #endsFormals(): boolean {
    const lexer: Lexer = this.#lexer;
    if (lexer.token !== Token.Comma && lexer.token !== Token.BraceClose) {
      this.#unexpected([Token.BraceClose, Token.Comma]);
    }
    const closes = lexer.token === Token.BraceClose;
    lexer.advance();
    return closes;
  }

  /** Puts formals in the order in which Nix goes through them, and tells of the first one that repeats a name. */
  #checkFormals(start: number, param: string | null, formals: Formal[]): void {
    sortBySymbol(formals);
    for (let i = 1; i < formals.length; i++) {
      const { name, start: at } = formals[i]!;
      if (formals[i - 1]!.name === name) this.#failDuplicateFormal(name, at);
    }
    if (param === null) return;
    for (const { name } of formals) if (name === param) this.#failDuplicateFormal(name, start);
  }

  #failDuplicateFormal(name: string, start: number): never {
    this.#lexer.fail(`duplicate formal function argument '${name}'`, start, start + name.length);
  }

  /** Behind `{` where a function may stand: a set, or the formals of a function. */
  #setOrFormals(start: number): Expr {
    const lexer: Lexer = this.#lexer;
    switch (lexer.token) {
      case Token.Ellipsis:
        return this.#afterFormals(start, [], this.#formals([]));
      case Token.BraceClose: {
        lexer.advance();
        if (lexer.token === Token.Colon || lexer.token === Token.At) return this.#afterFormals(start, [], false);
        const attrs = this.#attrs.make(start);
        attrs.end = lexer.previousEnd;
        return this.#operation(attrs);
      }
      case Token.Identifier: {
        const { name, start: nameStart, position: nameEnd } = lexer;
        lexer.advance();
        if (lexer.token === Token.Comma || lexer.token === Token.Question || lexer.token === Token.BraceClose) {
          const formals: Formal[] = [];
          this.#formal(formals, name, nameStart, nameEnd);
          const ellipsis = this.#endsFormals() ? false : this.#formals(formals);
          return this.#afterFormals(start, formals, ellipsis);
        }
        const attrs = this.#attrs.make(start);
        this.#definition(attrs, new AttrName(nameStart, nameEnd, name, null));
        return this.#operation(this.#setRest(attrs, [Token.Inherit]));
      }
      default:
        return this.#operation(this.#setRest(this.#attrs.make(start), [Token.Inherit]));
    }
  }

  // --- Operators ---

  /** An operation or a pipe; `first` is its first simple expression when that has been read already. */
  #operation(first: Expr | null): Expr {
    const lexer: Lexer = this.#lexer;
    let left = this.#binary(1, first);
    if (lexer.token === Token.PipeInto) {
      while (lexer.token === Token.PipeInto) {
        const position = lexer.start;
        lexer.advance();
        left = this.#pipe(position, this.#binary(1, null), left);
      }
    } else if (lexer.token === Token.PipeFrom) {
      return this.#pipeFrom(left);
    }
    return left;
  }

  #pipeFrom(first: Expr): Expr {
    const lexer: Lexer = this.#lexer;
    const functions = [first];
    const positions: number[] = [];
    while (lexer.token === Token.PipeFrom) {
      positions.push(lexer.start);
      lexer.advance();
      functions.push(this.#binary(1, null));
    }
    let result = functions.pop() as Expr;
    while (functions.length > 0) {
      result = this.#pipe(positions.pop() as number, functions.pop() as Expr, result);
    }
    return result;
  }

  #pipe(position: number, fn: Expr, argument: Expr): Expr {
    if (fn.kind === Kind.Call) {
      fn.args.push(argument);
      return fn;
    }
    return new Call(Math.min(fn.start, argument.start), this.#lexer.previousEnd, position, fn, [argument]);
  }

  /** Operators of at least the given precedence. */
  #binary(precedenceMin: number, first: Expr | null): Expr {
    const lexer: Lexer = this.#lexer;
    // An operand in parentheses begins behind them; what it is part of begins with them.
    const { start } = first ?? lexer;
    let left = first === null ? this.#prefix() : this.#application(first);
    for (;;) {
      const { token } = lexer;
      const precedence = PRECEDENCE[token] as number;
      if (precedence === 0 || precedence < precedenceMin) return left;
      const position = lexer.start;
      lexer.advance();
      if (token === Token.Question) {
        const path = this.#attrPath();
        left = new HasAttr(start, lexer.previousEnd, left, path);
        continue;
      }
      this.#enter();
      const rightStart = lexer.start;
      const isRight = ASSOCIATIVITY[token] === RIGHT;
      const right = this.#binary(isRight ? precedence : precedence + 1, null);
      this.#depth--;
      const operation = OPERATION[token] as BinaryOp;
      left = new Binary(start, lexer.previousEnd, position, operation, left, right, rightStart);
      if (ASSOCIATIVITY[token] === NONE && PRECEDENCE[lexer.token] === precedence) this.#unexpected(NOTHING);
    }
  }

  #prefix(): Expr {
    const lexer: Lexer = this.#lexer;
    const { token, start } = lexer;
    if (token !== Token.Not && token !== Token.Minus) return this.#application(null);
    lexer.advance();
    this.#enter();
    const isNot = token === Token.Not;
    const operand = this.#binary(isNot ? PRECEDENCE_NOT + 1 : PRECEDENCE_NEGATE, null);
    this.#depth--;
    return new Unary(start, lexer.previousEnd, isNot ? UnaryOp.Not : UnaryOp.Negate, operand);
  }

  #application(first: Expr | null): Expr {
    const lexer: Lexer = this.#lexer;
    const { start } = first ?? lexer;
    let fn = this.#select(first);
    while (STARTS_SIMPLE[lexer.token] === 1) {
      const argument = this.#select(null);
      this.#warnOfBareOr(argument);
      if (fn.kind === Kind.Call) {
        fn.args.push(argument);
        fn.end = lexer.previousEnd;
      } else {
        fn = new Call(start, lexer.previousEnd, start, fn, [argument]);
      }
    }
    return fn;
  }

  #select(first: Expr | null): Expr {
    const lexer: Lexer = this.#lexer;
    const { start } = first ?? lexer;
    const subject = first ?? this.#simple();
    this.#bareOrEnd = -1;
    if (lexer.token === Token.Dot) {
      lexer.advance();
      const path = this.#attrPath();
      if (lexer.token !== Token.OrKeyword) return new Select(start, lexer.previousEnd, subject, path, null);
      lexer.advance();
      this.#enter();
      const orDefault = this.#select(null);
      this.#depth--;
      this.#warnOfBareOr(orDefault);
      return new Select(start, lexer.previousEnd, subject, path, orDefault);
    }
    if (lexer.token === Token.OrKeyword) {
      // Kept by Nix for a function that nixpkgs once called `or`: here it is an argument.
      const argument = variable(start, lexer.position, OR);
      lexer.advance();
      this.#bareOrEnd = lexer.previousEnd;
      return new Call(start, lexer.previousEnd, start, subject, [argument]);
    }
    return subject;
  }

  /** Warns of `f or` where it would mean something else if `or` were an ordinary name. */
  #warnOfBareOr(expr: Expr): void {
    if (this.#bareOrEnd < 0) return;
    const text = this.#source.text.slice(expr.start, this.#bareOrEnd);
    this.warnings.push(
      `at ${renderPosition(this.#source, expr.start)}: This expression uses \`or\` as an identifier in a ` +
        "way that will change in a future Nix release.\n" +
        "Wrap this entire expression in parentheses to preserve its current meaning:\n" +
        `    (${text})\nGive feedback at https://github.com/NixOS/nix/pull/11121`,
    );
    this.#bareOrEnd = -1;
  }

  // --- Simple expressions ---

  #simple(): Expr {
    const lexer: Lexer = this.#lexer;
    const { start, position: end } = lexer;
    switch (lexer.token) {
      case Token.Identifier: {
        const { name } = lexer;
        lexer.advance();
        return variable(start, end, name);
      }
      case Token.Integer: {
        const value = parseIntLiteral(lexer.text.slice(start, end));
        if (value === undefined) lexer.fail(`invalid integer '${lexer.text.slice(start, end)}'`, start, end);
        lexer.advance();
        return new Int(start, end, value);
      }
      case Token.Float: {
        const value = parseFloatLiteral(lexer.text.slice(start, end));
        if (value === undefined) lexer.fail(`invalid float '${lexer.text.slice(start, end)}'`, start, end);
        lexer.advance();
        return new Float(start, end, value);
      }
      case Token.Quote:
        return this.#quoted.string();
      case Token.IndentedOpen:
        return this.#quoted.indentedString();
      case Token.Path:
      case Token.HomePath:
        return this.#quoted.path();
      case Token.SearchPath: {
        const path = lexer.text.slice(start + 1, end - 1);
        lexer.advance();
        return new SearchPath(start, end, path, new Var(start, end, FIND_FILE), new Var(start, end, NIX_PATH));
      }
      case Token.Uri: {
        const value = lexer.text.slice(start, end);
        this.#lints.url(value);
        lexer.advance();
        return new Str(start, end, value);
      }
      case Token.ParenOpen: {
        lexer.advance();
        const inner = this.#expr();
        this.#expect(Token.ParenClose);
        return inner;
      }
      case Token.Let:
        lexer.advance();
        if (lexer.token !== Token.BraceOpen) this.#unexpected([Token.BraceOpen]);
        return this.#legacyLet(start);
      case Token.Rec: {
        lexer.advance();
        this.#expect(Token.BraceOpen);
        const attrs = this.#setRest(this.#attrs.make(start), [Token.Inherit, Token.BraceClose]);
        attrs.recursive = true;
        return attrs;
      }
      case Token.BraceOpen: {
        lexer.advance();
        const attrs = this.#attrs.make(start);
        // Closed at once it may be anything, else only definitions may follow.
        return this.#setRest(attrs, [Token.Inherit]);
      }
      case Token.BracketOpen: {
        lexer.advance();
        const items: Expr[] = [];
        this.#enter();
        while (STARTS_SIMPLE[lexer.token] === 1) {
          const item = this.#select(null);
          this.#warnOfBareOr(item);
          items.push(item);
        }
        this.#depth--;
        if (lexer.token !== Token.BracketClose) this.#unexpected(NOTHING);
        lexer.advance();
        return new List(start, lexer.previousEnd, items);
      }
      default:
        this.#unexpected(NOTHING);
    }
  }

  /** `let { … }`, from the brace on. */
  #legacyLet(start: number): Expr {
    const lexer: Lexer = this.#lexer;
    this.#expect(Token.BraceOpen);
    const attrs = this.#setRest(this.#attrs.make(start), [Token.Inherit, Token.BraceClose]);
    attrs.recursive = true;
    const end = lexer.previousEnd;
    return new Select(start, end, attrs, [new AttrName(start, end, BODY, null)], null);
  }

  /** More definitions and the closing brace. */
  #setRest(attrs: Attrs, expected: readonly Token[]): Attrs {
    this.#enter();
    this.#binds(attrs);
    this.#depth--;
    if (this.#lexer.token !== Token.BraceClose) this.#unexpected(expected);
    this.#lexer.advance();
    attrs.end = this.#lexer.previousEnd;
    return attrs;
  }

  #binds(attrs: Attrs): void {
    const lexer: Lexer = this.#lexer;
    for (;;) {
      switch (lexer.token) {
        case Token.Identifier: {
          const { name, start, position } = lexer;
          lexer.advance();
          if (lexer.token === Token.Assign) this.#definitionOf(attrs, name, start);
          else this.#definition(attrs, new AttrName(start, position, name, null));
          break;
        }
        case Token.OrKeyword:
        case Token.Quote:
        case Token.DollarBrace:
          this.#definition(attrs, this.#attrName());
          break;
        case Token.Inherit:
          lexer.advance();
          this.#inherit(attrs);
          break;
        default:
          return;
      }
    }
  }

  /** `= value;`, behind the one name of a definition. */
  #definitionOf(attrs: Attrs, name: string, start: number): void {
    const lexer: Lexer = this.#lexer;
    lexer.advance();
    const value = this.#expr();
    if (lexer.token !== Token.Semicolon) this.#unexpected([Token.Semicolon]);
    this.#attrs.defineOne(attrs, start, lexer.position, name, value);
    lexer.advance();
  }

  /** A definition, from behind the first name of its path on. */
  #definition(attrs: Attrs, first: AttrName): void {
    const lexer: Lexer = this.#lexer;
    const path = this.#attrPathRest(first);
    if (lexer.token !== Token.Assign) this.#unexpected([Token.Dot, Token.Assign]);
    lexer.advance();
    const value = this.#expr();
    if (lexer.token !== Token.Semicolon) this.#unexpected([Token.Semicolon]);
    this.#attrs.define(attrs, path, value, lexer.position);
    lexer.advance();
  }

  #inherit(attrs: Attrs): void {
    const lexer: Lexer = this.#lexer;
    let fromStart = -1;
    let fromEnd = -1;
    let source: Expr | null = null;
    if (lexer.token === Token.ParenOpen) {
      lexer.advance();
      fromStart = lexer.start;
      source = this.#expr();
      fromEnd = lexer.previousEnd;
      this.#expect(Token.ParenClose);
    }
    const names: AttrName[] = [];
    while (ATTR_NAME.includes(lexer.token)) {
      const { start } = lexer;
      const name = this.#attrName();
      if (name.name === null) {
        lexer.fail("dynamic attributes not allowed in inherit", start, lexer.previousEnd);
      }
      names.push(name);
    }
    if (lexer.token !== Token.Semicolon) this.#unexpected(NOTHING);
    const index = attrs.inheritFrom.length;
    if (source !== null) attrs.inheritFrom.push(source);
    for (const attrName of names) {
      const { start, end } = attrName;
      const name = attrName.name as string;
      let def: AttrDef;
      if (source === null) {
        def = new AttrDef(start, end, name, new Var(start, end, name), DefKind.Inherited);
      } else {
        const subject = new InheritSource(fromStart, fromEnd, index);
        const value = new Select(start, end, subject, [attrName], null);
        def = new AttrDef(start, end, name, value, DefKind.InheritedFrom);
      }
      this.#attrs.inherit(attrs, def);
    }
    lexer.advance();
  }

  // --- Attribute paths ---

  #attrPath(): AttrName[] {
    return this.#attrPathRest(this.#attrName());
  }

  #attrPathRest(first: AttrName): AttrName[] {
    const lexer: Lexer = this.#lexer;
    const path = [first];
    while (lexer.token === Token.Dot) {
      lexer.advance();
      path.push(this.#attrName());
    }
    return path;
  }

  #attrName(): AttrName {
    const lexer: Lexer = this.#lexer;
    const { start, position } = lexer;
    switch (lexer.token) {
      case Token.Identifier:
      case Token.OrKeyword: {
        const { name } = lexer;
        lexer.advance();
        return new AttrName(start, position, name, null);
      }
      case Token.Quote:
        return attrNameOf(start, lexer, this.#quoted.string());
      case Token.DollarBrace: {
        lexer.advance();
        const expr = this.#expr();
        this.#expect(Token.BraceClose);
        return attrNameOf(start, lexer, expr);
      }
      default:
        this.#unexpected(ATTR_NAME);
    }
  }
}

function variable(start: number, end: number, name: string): Expr {
  return name === CUR_POS ? new CurPos(start, end) : new Var(start, end, name);
}

function attrNameOf(start: number, lexer: Lexer, expr: Expr): AttrName {
  if (expr.kind === Kind.Str) {
    // What has been read ahead is met behind the name.
    const isNew = forgetSymbol(lexer.text, lexer.start);
    const name = intern(expr.value);
    if (isNew) intern(lexer.name);
    return new AttrName(start, lexer.previousEnd, name, null);
  }
  return new AttrName(start, lexer.previousEnd, null, expr);
}

/** Mostly formals are in order: a name is met where it first stands. */
function sortBySymbol(formals: Formal[]): void {
  let previous = -1;
  for (let i = 0; i < formals.length; i++) {
    const rank = rankOfName(formals[i]!.name);
    const isInOrder = previous <= rank;
    previous = rank;
    if (isInOrder) continue;
    const order = orderOfNames(formals.map(({ name }) => name));
    const sorted = order.map((index) => formals[index]!);
    formals.splice(0, formals.length, ...sorted);
    return;
  }
}
