/**
 * Turns syntax into closures, one thunk or function at a time, when it is first run.
 *
 * Most of a program is never run, and most of the rest runs about once: so nothing is compiled before it is needed.
 * Two ways to compile an expression: `compile` gives code that evaluates to weak head normal form, `suspend` code that
 * makes a slot, which is a thunk unless the value is at hand for nothing.
 */

import {
  type Assert,
  BinaryOp,
  type Call,
  type Expr,
  type HasAttr,
  Kind,
  type Lambda as LambdaNode,
  type Let,
  type List,
  type SearchPath,
  type With,
} from "../syntax/ast.ts";
import type { Source } from "../syntax/source.ts";
import { noteMadeName } from "../syntax/symbols.ts";
import { renderExpression } from "../print/expression.ts";
import { Attrs } from "./attrs.ts";
import { blankArray } from "./blank.ts";
import { call, callOne, callTwo } from "./call.ts";
import type { FormalCode, LambdaCode } from "./code.ts";
import { compileAttrs, compileBindings } from "./compile-attrs.ts";
import { compileBinary, compileConcatenation, compileUnary } from "./compile-operators.ts";
import { compileSelect } from "./compile-select.ts";
import { compileVar, suspendVar } from "./compile-var.ts";
import { EvalError, withFrame } from "./eval-error.ts";
import { assertEqual } from "./equality.ts";
import { positionValue } from "./position.ts";
import type { EvalState } from "./state.ts";
import { Code, force, NativeCode, type Run, Thunk } from "./thunk.ts";
import { compileAttrName, compileCondition, type Suspend, type Unit } from "./unit.ts";
import { type Env, Float, Lambda, Path, type Place, type Slot } from "./value.ts";

class ExprCode extends Code {
  readonly #unit: Unit;
  readonly #node: Expr;

  constructor(unit: Unit, node: Expr) {
    super();
    this.#unit = unit;
    this.#node = node;
  }

  override compile(): Run {
    return this.#unit.compile(this.#node);
  }

  override get isLiteral(): boolean {
    const node = this.#node;
    if (node.kind === Kind.Attrs) return node.dynamicDefs.length === 0;
    return node.kind === Kind.Lambda || node.kind === Kind.List;
  }
}

/** The compiler of one source. */
export function unitOf(state: EvalState, source: Source): Unit {
  const unit: Unit = {
    state,
    source,
    compile: (node) => compile(node, unit),
    suspend: (node) => suspend(node, unit),
    code: (node) => new ExprCode(unit, node),
    placeAt: (offset) => ({ source, offset }),
  };
  return unit;
}

function compile(node: Expr, unit: Unit): Run {
  switch (node.kind) {
    case Kind.Int:
    case Kind.Str: {
      const { value } = node;
      return () => value;
    }
    case Kind.Float: {
      const value = new Float(node.value);
      return () => value;
    }
    case Kind.Path: {
      const value = new Path(node.value);
      return () => value;
    }
    case Kind.Interpolation:
    case Kind.PathInterpolation:
      return compileConcatenation(node.parts, node.partStarts, node.start, node.kind === Kind.Interpolation, unit);
    case Kind.SearchPath:
      return compileSearchPath(node, unit);
    case Kind.Var:
      return compileVar(node, unit);
    case Kind.Select:
      return compileSelect(node, unit);
    case Kind.HasAttr:
      return compileHasAttr(node, unit);
    case Kind.Lambda: {
      const code = lambdaCodeOf(node, unit);
      return (env) => new Lambda(code, env);
    }
    case Kind.Call:
      return compileCall(node, unit);
    case Kind.Let:
      return compileLet(node, unit);
    case Kind.Attrs:
      return compileAttrs(node, unit);
    case Kind.List:
      return compileList(node, unit);
    case Kind.With:
      return compileWith(node, unit);
    case Kind.Assert:
      return compileAssert(node, unit);
    case Kind.If: {
      const condition = compileCondition(node.condition, node.start, "while evaluating a branch condition", unit);
      const thenBranch = unit.compile(node.thenBranch);
      const elseBranch = unit.compile(node.elseBranch);
      return (env) => (condition(env) ? thenBranch(env) : elseBranch(env));
    }
    case Kind.Unary:
      return compileUnary(node, unit);
    case Kind.Binary:
      return compileBinary(node, unit);
    case Kind.CurPos: {
      const value = positionValue(unit.placeAt(node.start));
      return () => value;
    }
    case Kind.InheritSource:
      // A definition that selects from the source of an `inherit` runs in an environment that holds just that.
      return (env) => force(env[0] as Slot);
  }
}

const EMPTY_LIST: readonly Slot[] = [];

function suspend(node: Expr, unit: Unit): Suspend {
  switch (node.kind) {
    case Kind.Int:
    case Kind.Str:
    case Kind.Float:
    case Kind.Path:
    case Kind.Lambda:
      return compile(node, unit);
    case Kind.Var:
      return suspendVar(node, unit);
    case Kind.List:
      if (node.items.length === 0) return () => EMPTY_LIST;
      break;
    default:
      break;
  }
  return suspendAlways(node, unit);
}

function suspendAlways(node: Expr, unit: Unit): Suspend {
  const code = unit.code(node);
  return (env) => new Thunk(code, env);
}

/** Whether a default is nothing but the name of a formal whose argument Nix looks at after that of slot `slot`. */
function isOwnVariableBehind(node: Expr, slot: number): boolean {
  return node.kind === Kind.Var && node.fromWith === null && node.depth === 0 && node.slot >= slot;
}

function lambdaCodeOf(node: LambdaNode, unit: Unit): LambdaCode {
  const first = node.param === null ? 0 : 1;
  const formals = node.formals?.map((formal, index): FormalCode => {
    const { defaultValue } = formal;
    let makeDefault: Suspend | undefined;
    if (defaultValue !== null) {
      const suspendDefault = isOwnVariableBehind(defaultValue, first + index) ? suspendAlways : suspend;
      let suspended: Suspend | undefined;
      makeDefault = (env) => (suspended ??= suspendDefault(defaultValue, unit))(env);
    }
    return { name: formal.name, place: unit.placeAt(formal.start), makeDefault };
  });
  return {
    name: node.name ?? undefined,
    place: unit.placeAt(node.start),
    param: node.param ?? undefined,
    formals,
    isOpen: node.ellipsis,
    ...bodyOf(node.body, unit),
    argumentNames: undefined,
    owner: unit.state,
    compileFor: (state) => lambdaCodeOf(node, unitOf(state, unit.source)),
    variant: undefined,
  };
}

function bodyOf(node: Expr, unit: Unit): Pick<LambdaCode, "body" | "inner"> {
  if (node.kind !== Kind.Lambda) return { body: unit.code(node), inner: undefined };
  const inner = lambdaCodeOf(node, unit);
  return { body: new NativeCode((env) => new Lambda(inner, env)), inner };
}

function compileCall(node: Call, unit: Unit): Run {
  const { state } = unit;
  const fn = unit.compile(node.fn);
  const place = unit.placeAt(node.position);
  const args = node.args.map((arg) => unit.suspend(arg));
  if (args.length === 1) {
    const arg = args[0]!;
    return (env) => {
      const callee = fn(env);
      return callOne(state, callee, arg(env), place);
    };
  }
  if (args.length === 2) {
    const first = args[0]!;
    const second = args[1]!;
    return (env) => {
      const callee = fn(env);
      return callTwo(state, callee, first(env), second(env), place);
    };
  }
  return (env) => {
    const callee = fn(env);
    return call(
      state,
      callee,
      args.map((arg) => arg(env)),
      place,
    );
  };
}

function compileLet(node: Let, unit: Unit): Run {
  const bind = compileBindings(node.attrs, unit);
  const body = unit.compile(node.body);
  return (env) => body(bind(env));
}

function compileList(node: List, unit: Unit): Run {
  const items = node.items.map((item) => unit.suspend(item));
  const size = items.length;
  if (size === 0) return () => EMPTY_LIST;
  return (env) => {
    const list = blankArray(size) as Slot[];
    for (let i = 0; i < size; i++) list[i] = items[i]!(env);
    return list;
  };
}

function compileWith(node: With, unit: Unit): Run {
  const attrs = unit.suspend(node.attrs);
  const body = unit.compile(node.body);
  return (env) => body([env, attrs(env)]);
}

function compileAssert(node: Assert, unit: Unit): Run {
  const condition = compileCondition(node.condition, node.start, "in the condition of the assert statement", unit);
  const body = unit.compile(node.body);
  const place = unit.placeAt(node.start);
  return (env) => {
    if (!condition(env)) throw assertionError(node, unit, env, place);
    return body(env);
  };
}

function assertionError(node: Assert, unit: Unit, env: Env, place: Place): unknown {
  const { condition } = node;
  const text = renderExpression(condition);
  if (condition.kind === Kind.Binary && condition.op === BinaryOp.Eq) {
    try {
      const left = unit.compile(condition.left)(env);
      const right = unit.compile(condition.right)(env);
      assertEqual(unit.state, left, right, undefined);
    } catch (error) {
      const isAssertion = error instanceof EvalError && error.kind.kind === "assertion-failed";
      return isAssertion ? withFrame(error, `while evaluating the condition of the assertion '${text}'`, place) : error;
    }
  }
  return new EvalError({ kind: "assertion-failed", message: `assertion '${text}' failed` }, place);
}

function compileHasAttr(node: HasAttr, unit: Unit): Run {
  const subject = unit.compile(node.subject);
  const names = node.path.map((name) => compileAttrName(name, unit));
  const place = unit.placeAt(node.start);
  return (env) => {
    let value = subject(env);
    for (let i = 0; ; i++) {
      // The name comes first: it may fail.
      const name = names[i]!(env);
      if (!(value instanceof Attrs)) return false;
      const slot = value.get(name);
      if (slot === undefined) {
        // Nix meets a name that is made here even where no set has it.
        if (node.path[i]!.name === null) noteMadeName(name);
        return false;
      }
      if (i === names.length - 1) return true;
      value = force(slot, place);
    }
  };
}

function compileSearchPath(node: SearchPath, unit: Unit): Run {
  const findFile = unit.compile(node.findFile);
  const nixPath = unit.suspend(node.nixPath);
  const place = unit.placeAt(node.start);
  return (env) => call(unit.state, findFile(env), [nixPath(env), node.path], place);
}
