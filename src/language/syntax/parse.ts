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
  Interpolation,
  Kind,
  Lambda,
  Let,
  List,
  type ParsedFile,
  Path,
  PathInterpolation,
  SearchPath,
  Select,
  Str,
  Unary,
  UnaryOp,
  Var,
  With,
} from "./ast.ts";
import { AttrsBuilder } from "./attrs-builder.ts";
import { type IndentedPiece, stripIndentation } from "./indented-string.ts";
import { Lexer, ParseFailure, unescape } from "./lexer.ts";
import { canonicalPath, parseFloatLiteral, parseIntLiteral } from "./literals.ts";
import { type ParseError, renderPosition } from "./parse-error.ts";
import type { Source } from "./source.ts";
import { intern } from "./symbols.ts";
import { syntaxErrorMessage, Token } from "./token.ts";

export interface ParseOptions {
  /** The directory that relative paths are relative to: absolute, without a trailing slash (but `/`). */
  readonly baseDir: string;
  /** What `~/x` starts with; `undefined` where it is not allowed (pure evaluation). */
  readonly homeDir?: string | undefined;
  /** Whether the experimental `|>` and `<|` are allowed. */
  readonly pipeOperators?: boolean;
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

// Precedences; a higher one binds tighter.
const PRECEDENCE_NOT = 7;
const PRECEDENCE_NEGATE = 12;
const PRECEDENCE_HAS_ATTR = 11;

const LEFT = 0;
const RIGHT = 1;
const NONE = 2;

/** Precedence, associativity and operation by token; precedence 0 is no operator. */
const PRECEDENCE: Uint8Array = new Uint8Array(64);
const ASSOCIATIVITY: Uint8Array = new Uint8Array(64);
const OPERATION: Uint8Array = new Uint8Array(64);

function operator(token: Token, precedence: number, associativity: number, operation: BinaryOp): void {
  PRECEDENCE[token] = precedence;
  ASSOCIATIVITY[token] = associativity;
  OPERATION[token] = operation;
}

operator(Token.Impl, 1, RIGHT, BinaryOp.Impl);
operator(Token.Or, 2, LEFT, BinaryOp.Or);
operator(Token.And, 3, LEFT, BinaryOp.And);
operator(Token.Eq, 4, NONE, BinaryOp.Eq);
operator(Token.NotEq, 4, NONE, BinaryOp.NotEq);
operator(Token.Less, 5, NONE, BinaryOp.Less);
operator(Token.Greater, 5, NONE, BinaryOp.Greater);
operator(Token.LessEq, 5, NONE, BinaryOp.LessEq);
operator(Token.GreaterEq, 5, NONE, BinaryOp.GreaterEq);
operator(Token.Update, 6, RIGHT, BinaryOp.Update);
operator(Token.Plus, 8, LEFT, BinaryOp.Add);
operator(Token.Minus, 8, LEFT, BinaryOp.Sub);
operator(Token.Star, 9, LEFT, BinaryOp.Mul);
operator(Token.Slash, 9, LEFT, BinaryOp.Div);
operator(Token.Concat, 10, RIGHT, BinaryOp.Concat);
PRECEDENCE[Token.Question] = PRECEDENCE_HAS_ATTR;

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
  readonly #options: ParseOptions;
  readonly #attrs: AttrsBuilder;
  #depth = 0;
  /** The end of a simple expression followed by a bare `or` that `#select` has just read, else -1. */
  #bareOrEnd = -1;
  readonly warnings: string[] = [];

  constructor(source: Source, options: ParseOptions) {
    this.#source = source;
    this.#options = options;
    this.#lexer = new Lexer(source, { pipeOperators: options.pipeOperators ?? false });
    this.#attrs = new AttrsBuilder(this.#lexer);
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
    const { token, start, position } = this.#lexer;
    this.#lexer.fail(syntaxErrorMessage(token, expected), start, position);
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
          lexer.advance();
          return this.#lambda(start, name, null, false);
        }
        if (lexer.token === Token.At) {
          lexer.advance();
          return this.#atLambda(start, name);
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
    if (lexer.token === Token.At) {
      lexer.advance();
      if (lexer.token !== Token.Identifier) this.#unexpected([Token.Identifier]);
      param = lexer.name;
      lexer.advance();
      this.#expect(Token.Colon);
    } else {
      if (lexer.token !== Token.Colon) this.#unexpected([Token.Colon, Token.At]);
      lexer.advance();
    }
    return this.#lambda(start, param, formals, ellipsis);
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
    lexer.advance();
    const defaultValue = this.#expr();
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

  #checkFormals(start: number, param: string | null, formals: readonly Formal[]): void {
    const seen = new Set<string>();
    for (const formal of formals) {
      if (seen.has(formal.name)) this.#failDuplicateFormal(formal.name, formal.start);
      seen.add(formal.name);
    }
    if (param !== null && seen.has(param)) this.#failDuplicateFormal(param, start);
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
        return this.#string();
      case Token.IndentedOpen:
        return this.#indentedString();
      case Token.Path:
      case Token.HomePath:
        return this.#path();
      case Token.SearchPath: {
        const path = lexer.text.slice(start + 1, end - 1);
        lexer.advance();
        return new SearchPath(start, end, path, new Var(start, end, FIND_FILE), new Var(start, end, NIX_PATH));
      }
      case Token.Uri: {
        const value = lexer.text.slice(start, end);
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
        case Token.Identifier:
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
        return attrNameOf(start, lexer, this.#string());
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

  // --- Strings and paths ---

  #string(): Expr {
    const lexer: Lexer = this.#lexer;
    const open = lexer.start;
    lexer.stringPart();
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
        this.#unexpected([Token.Quote]);
      }
      lexer.stringPart();
    }
    const end = lexer.previousEnd;
    if (parts.length === 0) return new Str(open, end, "");
    if (parts.length === 1 && literal !== null) return new Str(open, end, literal.value);
    return new Interpolation(partStarts[0] as number, end, parts, partStarts);
  }

  #indentedString(): Expr {
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
        this.#unexpected([Token.IndentedPart, Token.DollarBrace, Token.IndentedClose]);
      }
      lexer.indentedPart();
    }
  }

  /** `${ … }`, up to its closing brace, behind which the string goes on. */
  #interpolated(): Expr {
    const lexer: Lexer = this.#lexer;
    lexer.advance();
    const expr = this.#expr();
    if (lexer.token !== Token.BraceClose) this.#unexpected([Token.BraceClose]);
    return expr;
  }

  #forbidNul(value: string, start: number, end: number): void {
    if (!value.includes("\0")) return;
    const shown = value.replaceAll("\0", "\xe2\x90\x80");
    const message = `input string '${shown}' cannot be represented as Nix string because it contains null bytes`;
    this.#lexer.fail(message, start, end);
  }

  #path(): Expr {
    const lexer: Lexer = this.#lexer;
    const { start, position } = lexer;
    const isHome = lexer.token === Token.HomePath;
    const head = new Path(start, position, this.#resolvePath(lexer.text.slice(start, position), isHome));
    const parts: Expr[] = [head];
    const partStarts: number[] = [start];
    let startsPlain = false;
    for (;;) {
      lexer.pathPart();
      // `a//b`: a second piece right behind the first must lead to an interpolation.
      const isPlain = parts.length === 2 && startsPlain;
      if (isPlain && lexer.token !== Token.DollarBrace) {
        // Nix places the end of a path at the piece before, and at the end of the file one further back.
        const isLast = lexer.position >= lexer.text.length;
        if (lexer.token === Token.PathEnd) lexer.start = isLast ? start : (partStarts[1] as number);
        this.#unexpected([Token.DollarBrace]);
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
    if (parts.length === 1) return head;
    return new PathInterpolation(start, lexer.previousEnd, parts, partStarts);
  }

  #resolvePath(literal: string, isHome: boolean): string {
    const { baseDir, homeDir } = this.#options;
    if (isHome) {
      if (homeDir === undefined) {
        const { start, position } = this.#lexer;
        this.#lexer.fail(`the path '${literal}' can not be resolved in pure mode`, start, position);
      }
      return homeDir + literal.slice(1);
    }
    const path = canonicalPath(literal.startsWith("/") ? literal : `${baseDir}/${literal}`);
    return literal.length > 1 && literal.endsWith("/") ? `${path}/` : path;
  }
}

function variable(start: number, end: number, name: string): Expr {
  return name === CUR_POS ? new CurPos(start, end) : new Var(start, end, name);
}

function attrNameOf(start: number, lexer: Lexer, expr: Expr): AttrName {
  if (expr.kind === Kind.Str) return new AttrName(start, lexer.previousEnd, intern(expr.value), null);
  return new AttrName(start, lexer.previousEnd, null, expr);
}
