/** Shows a syntax tree as `nix-instantiate --parse` does: desugared, with sorted attributes, fully parenthesised. */
import {
  type Attrs,
  type AttrDef,
  type AttrName,
  BinaryOp,
  DefKind,
  type Expr,
  Kind,
  type Lambda,
  UnaryOp,
} from "../syntax/ast.ts";
import { renderFloatGeneral } from "../eval/float-text.ts";
import { renderIdentifier, renderStringLiteral } from "./identifier.ts";

const OPERATORS: readonly string[] = operatorTexts();

function operatorTexts(): string[] {
  const texts: string[] = [];
  texts[BinaryOp.Add] = "+";
  texts[BinaryOp.Eq] = "==";
  texts[BinaryOp.NotEq] = "!=";
  texts[BinaryOp.And] = "&&";
  texts[BinaryOp.Or] = "||";
  texts[BinaryOp.Impl] = "->";
  texts[BinaryOp.Update] = "//";
  texts[BinaryOp.Concat] = "++";
  return texts;
}

export function renderExpression(expr: Expr): string {
  switch (expr.kind) {
    case Kind.Int:
      return expr.value.toString();
    case Kind.Float:
      return renderFloatGeneral(expr);
    case Kind.Str:
      return renderStringLiteral(expr.value);
    case Kind.Path:
      return expr.value;
    case Kind.Interpolation:
    case Kind.PathInterpolation:
      return `(${expr.parts.map(renderExpression).join(" + ")})`;
    case Kind.Var:
      return renderIdentifier(expr.name);
    case Kind.Select: {
      const orDefault = expr.orDefault === null ? "" : ` or (${renderExpression(expr.orDefault)})`;
      return `(${renderExpression(expr.subject)}).${renderPath(expr.path)}${orDefault}`;
    }
    case Kind.HasAttr:
      return `((${renderExpression(expr.subject)}) ? ${renderPath(expr.path)})`;
    case Kind.Lambda:
      return renderLambda(expr);
    case Kind.Call:
    case Kind.SearchPath:
      return `(${callParts(expr).join(" ")})`;
    case Kind.Let:
      return `(let ${renderBindings(expr.attrs)}in ${renderExpression(expr.body)})`;
    case Kind.Attrs:
      return `${expr.recursive ? "rec " : ""}{ ${renderBindings(expr)}}`;
    case Kind.List:
      return `[ ${expr.items.map((item) => `(${renderExpression(item)}) `).join("")}]`;
    case Kind.With:
      return `(with ${renderExpression(expr.attrs)}; ${renderExpression(expr.body)})`;
    case Kind.Assert:
      return `assert ${renderExpression(expr.condition)}; ${renderExpression(expr.body)}`;
    case Kind.If: {
      const branches = `then ${renderExpression(expr.thenBranch)} else ${renderExpression(expr.elseBranch)}`;
      return `(if ${renderExpression(expr.condition)} ${branches})`;
    }
    case Kind.Unary:
      if (expr.op === UnaryOp.Negate) return `(${callParts(expr).join(" ")})`;
      return `(! ${renderExpression(expr.operand)})`;
    case Kind.Binary: {
      if (expr.op === BinaryOp.LessEq || expr.op === BinaryOp.GreaterEq) {
        return `(! (${callParts(expr).join(" ")}))`;
      }
      const operator = OPERATORS[expr.op];
      if (operator === undefined) return `(${callParts(expr).join(" ")})`;
      return `(${renderExpression(expr.left)} ${operator} ${renderExpression(expr.right)})`;
    }
    case Kind.CurPos:
      return "__curPos";
    case Kind.InheritSource:
      return "(/* expanded inherit (expr) */)";
  }
}

/** The function and arguments of what Nix sees as one call. */
function callParts(expr: Expr): string[] {
  switch (expr.kind) {
    case Kind.Call:
      return [...callHead(expr.fn), ...expr.args.map(renderExpression)];
    case Kind.SearchPath:
      return ["__findFile", "__nixPath", renderStringLiteral(expr.path)];
    case Kind.Unary:
      return ["__sub", "0", renderExpression(expr.operand)];
    case Kind.Binary: {
      const left = renderExpression(expr.left);
      const right = renderExpression(expr.right);
      switch (expr.op) {
        case BinaryOp.Sub:
          return ["__sub", left, right];
        case BinaryOp.Mul:
          return ["__mul", left, right];
        case BinaryOp.Div:
          return ["__div", left, right];
        case BinaryOp.Greater:
        case BinaryOp.LessEq:
          return ["__lessThan", right, left];
        default:
          return ["__lessThan", left, right];
      }
    }
    default:
      return [renderExpression(expr)];
  }
}

/** An operator that is a call takes further arguments into itself. */
function callHead(fn: Expr): string[] {
  if (fn.kind === Kind.SearchPath || (fn.kind === Kind.Unary && fn.op === UnaryOp.Negate)) return callParts(fn);
  if (fn.kind === Kind.Binary) {
    switch (fn.op) {
      case BinaryOp.Sub:
      case BinaryOp.Mul:
      case BinaryOp.Div:
      case BinaryOp.Less:
      case BinaryOp.Greater:
        return callParts(fn);
      default:
    }
  }
  return [renderExpression(fn)];
}

function renderPath(path: readonly AttrName[]): string {
  return path
    .map(({ name, expr }) => (name === null ? `"\${${renderExpression(expr as Expr)}}"` : renderIdentifier(name)))
    .join(".");
}

function renderLambda(lambda: Lambda): string {
  let head = "";
  if (lambda.formals !== null) {
    const formals = lambda.formals
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, defaultValue }) => {
        return renderIdentifier(name) + (defaultValue === null ? "" : ` ? ${renderExpression(defaultValue)}`);
      });
    if (lambda.ellipsis) formals.push("...");
    head = `{ ${formals.join(", ")} }`;
    if (lambda.param !== null) head += " @ ";
  }
  if (lambda.param !== null) head += renderIdentifier(lambda.param);
  return `(${head}: ${renderExpression(lambda.body)})`;
}

function renderBindings(attrs: Attrs): string {
  const inherited: string[] = [];
  const inheritedFrom = new Map<number, string[]>();
  const plain: AttrDef[] = [];
  for (const def of attrs.defs) {
    if (def.how === DefKind.Plain) plain.push(def);
    else if (def.how === DefKind.Inherited) inherited.push(renderIdentifier(def.name));
    else if (def.value.kind === Kind.Select && def.value.subject.kind === Kind.InheritSource) {
      const { index } = def.value.subject;
      const names = inheritedFrom.get(index);
      if (names === undefined) inheritedFrom.set(index, [renderIdentifier(def.name)]);
      else names.push(renderIdentifier(def.name));
    }
  }
  let text = inherited.length === 0 ? "" : `inherit ${inherited.join(" ")}; `;
  for (const [index, names] of [...inheritedFrom].sort(([a], [b]) => a - b)) {
    text += `inherit (${renderExpression(attrs.inheritFrom[index] as Expr)}) ${names.join(" ")}; `;
  }
  for (const { name, value } of plain) text += `${renderIdentifier(name)} = ${renderExpression(value)}; `;
  for (const { nameExpr, value } of attrs.dynamicDefs) {
    text += `"\${${renderExpression(nameExpr)}}" = ${renderExpression(value)}; `;
  }
  return text;
}
