/** Which of several variables in a tree Nix comes to first when it binds them. */

import { type Attrs, type AttrName, BinaryOp, type Expr, Kind, type Var } from "../syntax/ast.ts";
import { orderOfNames } from "../syntax/symbols.ts";

/** The first of `wanted`, all of which are in the tree below `root`. */
export function firstOfVariables(root: Expr, wanted: ReadonlySet<Var>): Var | undefined {
  const pending: Expr[] = [root];
  for (let expr = pending.pop(); expr !== undefined; expr = pending.pop()) {
    if (expr.kind === Kind.Var && wanted.has(expr)) return expr;
    for (const child of childrenOf(expr).reverse()) pending.push(child);
  }
  return undefined;
}

/** The expressions that an expression is made of, in the order in which Nix binds their variables. */
function childrenOf(expr: Expr): Expr[] {
  switch (expr.kind) {
    case Kind.Select:
      return [expr.subject, ...(expr.orDefault === null ? [] : [expr.orDefault]), ...namesIn(expr.path)];
    case Kind.HasAttr:
      return [expr.subject, ...namesIn(expr.path)];
    case Kind.Call:
      return [expr.fn, ...expr.args];
    case Kind.Lambda: {
      const defaults = (expr.formals ?? []).map(({ defaultValue }) => defaultValue);
      return [...defaults.filter((value) => value !== null), expr.body];
    }
    case Kind.Attrs:
      return definitionsIn(expr);
    case Kind.Let:
      return [...definitionsIn(expr.attrs), expr.body];
    case Kind.With:
      return [expr.attrs, expr.body];
    case Kind.List:
      return [...expr.items];
    case Kind.Interpolation:
    case Kind.PathInterpolation:
      return [...expr.parts];
    case Kind.If:
      return [expr.condition, expr.thenBranch, expr.elseBranch];
    case Kind.Assert:
      return [expr.condition, expr.body];
    case Kind.Binary:
      // `a > b` is `b < a`, and `a <= b` is its opposite.
      return expr.op === BinaryOp.Greater || expr.op === BinaryOp.LessEq
        ? [expr.right, expr.left]
        : [expr.left, expr.right];
    case Kind.Unary:
      return [expr.operand];
    case Kind.Var:
    case Kind.SearchPath:
    case Kind.Int:
    case Kind.Float:
    case Kind.Str:
    case Kind.Path:
    case Kind.CurPos:
    case Kind.InheritSource:
      return [];
  }
}

function namesIn(path: readonly AttrName[]): Expr[] {
  return path.map(({ expr }) => expr).filter((expr) => expr !== null);
}

function definitionsIn({ inheritFrom, defs, dynamicDefs }: Attrs): Expr[] {
  const values = orderOfNames(defs.map(({ name }) => name)).map((index) => defs[index]!.value);
  return [...inheritFrom, ...values, ...dynamicDefs.flatMap(({ nameExpr, value }) => [nameExpr, value])];
}
