/**
 * Binds variables to frames and slots, see the table in `syntax/ast.ts`.
 *
 * One walk over the tree with, for every name, a stack of its visible bindings; so a variable costs one look-up
 * however deep the scopes are.
 */
import {
  type Attrs,
  type AttrName,
  DefKind,
  type Expr,
  GLOBAL,
  Kind,
  type Lambda,
  type Let,
  type ParsedFile,
  BinaryOp,
  UnaryOp,
  Var,
  type With,
} from "../syntax/ast.ts";
import type { ParseError } from "../syntax/parse-error.ts";
import { renderIdentifier } from "../print/identifier.ts";
import { firstOfVariables } from "./first-of-variables.ts";

export interface ResolveOptions {
  /** The names of the builtin scope. */
  readonly globals: { has(name: string): boolean };
  /**
   * Frames around the file, outermost first: the slot names of each (`scopedImport`: one frame with the names of its
   * set; a REPL: what was entered so far).
   */
  readonly frames?: readonly (readonly string[])[];
}

/**
 * Fills in the annotations of every node, once per tree. Never throws. Of several undefined variables it reports the one
 * that Nix comes to first.
 */
export function resolve(file: ParsedFile, options: ResolveOptions): ParseError | undefined {
  const resolver = new Resolver(options);
  try {
    resolver.expr(file.root);
    return undefinedVariable(file, resolver.unbound);
  } catch (error) {
    // The thread's stack is smaller than the nesting that the parser allows.
    if (!(error instanceof RangeError)) throw error;
    const { start, end } = file.root;
    return {
      code: "PARSE_SYNTAX",
      message: "expression is nested too deeply",
      span: { source: file.source, start, end },
    };
  }
}

function undefinedVariable({ source, root }: ParsedFile, unbound: ReadonlySet<Var>): ParseError | undefined {
  if (unbound.size === 0) return undefined;
  const [anyone] = unbound;
  const { name, start, end } = (unbound.size === 1 ? undefined : firstOfVariables(root, unbound)) ?? anyone!;
  return {
    code: "PARSE_UNDEFINED_VARIABLE",
    message: `undefined variable '${renderIdentifier(name)}'`,
    span: { source, start, end },
    variable: name,
  };
}

interface Binding {
  /** The number of frames outside the one that binds the name. */
  readonly level: number;
  readonly slot: number;
  readonly outer: Binding | undefined;
}

interface WithScope {
  readonly node: With;
  readonly level: number;
  readonly outer: WithScope | null;
}

/** What operators stand for; `undefined` for those that are no calls. */
const PRIMOPS: readonly (string | undefined)[] = primopNames();

function primopNames(): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  names[BinaryOp.Sub] = "__sub";
  names[BinaryOp.Mul] = "__mul";
  names[BinaryOp.Div] = "__div";
  names[BinaryOp.Less] = "__lessThan";
  names[BinaryOp.LessEq] = "__lessThan";
  names[BinaryOp.Greater] = "__lessThan";
  names[BinaryOp.GreaterEq] = "__lessThan";
  return names;
}

class Resolver {
  readonly #globals: { has(name: string): boolean };
  readonly #bindings = new Map<string, Binding>();
  /** How many frames enclose the current place. */
  #level = 0;
  #with: WithScope | null = null;
  /** Variables that nothing defines. */
  readonly unbound = new Set<Var>();

  constructor(options: ResolveOptions) {
    this.#globals = options.globals;
    for (const names of options.frames ?? []) {
      names.forEach((name, slot) => this.#bind(name, slot));
      this.#level++;
    }
  }

  /** Makes a slot of the frame that is about to be entered visible. */
  #bind(name: string, slot: number): void {
    this.#bindings.set(name, { level: this.#level, slot, outer: this.#bindings.get(name) });
  }

  #unbind(name: string): void {
    const outer = this.#bindings.get(name)?.outer;
    if (outer === undefined) this.#bindings.delete(name);
    else this.#bindings.set(name, outer);
  }

  expr(expr: Expr): void {
    switch (expr.kind) {
      case Kind.Var:
        this.#variable(expr);
        return;
      case Kind.Select:
        this.expr(expr.subject);
        this.#path(expr.path);
        if (expr.orDefault !== null) this.expr(expr.orDefault);
        return;
      case Kind.Call:
        this.expr(expr.fn);
        this.#all(expr.args);
        return;
      case Kind.Lambda:
        this.#lambda(expr);
        return;
      case Kind.Attrs:
        this.#attrs(expr);
        return;
      case Kind.Let:
        this.#let(expr);
        return;
      case Kind.With:
        this.#withScope(expr);
        return;
      case Kind.List:
        this.#all(expr.items);
        return;
      case Kind.Interpolation:
      case Kind.PathInterpolation:
        this.#all(expr.parts);
        return;
      case Kind.If:
        this.expr(expr.condition);
        this.expr(expr.thenBranch);
        this.expr(expr.elseBranch);
        return;
      case Kind.Assert:
        this.expr(expr.condition);
        this.expr(expr.body);
        return;
      case Kind.Binary:
        this.#binary(expr);
        return;
      case Kind.Unary:
        if (expr.op === UnaryOp.Negate) expr.primop = this.#rebound("__sub", expr);
        this.expr(expr.operand);
        return;
      case Kind.HasAttr:
        this.expr(expr.subject);
        this.#path(expr.path);
        return;
      case Kind.SearchPath:
        this.#variable(expr.findFile);
        this.#variable(expr.nixPath);
        return;
      case Kind.Int:
      case Kind.Float:
      case Kind.Str:
      case Kind.Path:
      case Kind.CurPos:
      case Kind.InheritSource:
        return;
    }
  }

  /** Long chains such as `a + b + …` lean to the left, so their depth is not the text's; they are walked in a loop. */
  #binary(expr: Expr): void {
    let current = expr;
    const pending: Expr[] = [];
    while (current.kind === Kind.Binary) {
      const name = PRIMOPS[current.op];
      if (name !== undefined) current.primop = this.#rebound(name, current);
      pending.push(current.right);
      current = current.left;
    }
    this.expr(current);
    for (let i = pending.length - 1; i >= 0; i--) this.expr(pending[i] as Expr);
  }

  #path(path: readonly AttrName[]): void {
    for (let i = 0; i < path.length; i++) {
      const { expr } = path[i]!;
      if (expr !== null) this.expr(expr);
    }
  }

  #all(exprs: readonly Expr[]): void {
    for (let i = 0; i < exprs.length; i++) this.expr(exprs[i]!);
  }

  #variable(node: Var): void {
    const binding = this.#bindings.get(node.name);
    if (binding !== undefined) {
      node.depth = this.#level - binding.level - 1;
      node.slot = binding.slot;
      return;
    }
    if (this.#globals.has(node.name)) {
      node.depth = GLOBAL;
      return;
    }
    const scope = this.#with;
    if (scope !== null) {
      node.depth = this.#level - scope.level - 1;
      node.fromWith = scope.node;
      return;
    }
    this.unbound.add(node);
  }

  /** The variable behind an operator, when the user has bound its name. */
  #rebound(name: string, operator: Expr): Var | null {
    if (!this.#bindings.has(name)) return null;
    const variable = new Var(operator.start, operator.end, name);
    this.#variable(variable);
    return variable;
  }

  #lambda(lambda: Lambda): void {
    const { param, formals } = lambda;
    const first = param === null ? 0 : 1;
    if (param !== null) this.#bind(param, 0);
    if (formals !== null) for (let i = 0; i < formals.length; i++) this.#bind(formals[i]?.name as string, first + i);
    this.#level++;
    if (formals !== null) {
      for (let i = 0; i < formals.length; i++) {
        const { defaultValue } = formals[i]!;
        if (defaultValue !== null) this.expr(defaultValue);
      }
    }
    this.expr(lambda.body);
    this.#level--;
    if (param !== null) this.#unbind(param);
    if (formals !== null) for (let i = 0; i < formals.length; i++) this.#unbind(formals[i]!.name);
  }

  #withScope(node: With): void {
    this.expr(node.attrs);
    const outer = this.#with;
    if (outer !== null) {
      node.outerWith = outer.node;
      node.outerWithDepth = this.#level - outer.level;
    }
    this.#with = { node, level: this.#level, outer };
    this.#level++;
    this.expr(node.body);
    this.#level--;
    this.#with = outer;
  }

  #let(node: Let): void {
    this.#enterFrame(node.attrs);
    this.#definitions(node.attrs);
    this.expr(node.body);
    this.#leaveFrame(node.attrs);
  }

  #attrs(attrs: Attrs): void {
    if (attrs.recursive) {
      this.#enterFrame(attrs);
      this.#definitions(attrs);
      this.#leaveFrame(attrs);
      return;
    }
    this.#valuesThatAre(DefKind.Inherited, attrs);
    this.#definitions(attrs);
  }

  /** Resolves `inherit x;` outside, then makes all definitions visible. */
  #enterFrame(attrs: Attrs): void {
    const { defs } = attrs;
    this.#valuesThatAre(DefKind.Inherited, attrs);
    for (let i = 0; i < defs.length; i++) this.#bind(defs[i]?.name as string, i);
    this.#level++;
  }

  #leaveFrame(attrs: Attrs): void {
    this.#level--;
    const { defs } = attrs;
    for (let i = 0; i < defs.length; i++) this.#unbind(defs[i]!.name);
  }

  #valuesThatAre(wanted: DefKind, { defs }: Attrs): void {
    for (let i = 0; i < defs.length; i++) {
      const { how, value } = defs[i]!;
      if (how === wanted) this.expr(value);
    }
  }

  /** What is evaluated in the set's own environment. */
  #definitions(attrs: Attrs): void {
    this.#all(attrs.inheritFrom);
    this.#valuesThatAre(DefKind.Plain, attrs);
    for (const { nameExpr, value } of attrs.dynamicDefs) {
      this.expr(nameExpr);
      this.expr(value);
    }
  }
}
