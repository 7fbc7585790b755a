/** Operators. */

import { type Binary, BinaryOp, type Expr, type Unary, UnaryOp } from "../syntax/ast.ts";
import { type Arithmetic, concatenate, lessThan, operate } from "./arithmetic.ts";
import { call } from "./call.ts";
import { outOfMemoryOf, withFrame } from "./eval-error.ts";
import { areEqual } from "./equality.ts";
import { expectAttrs, expectList } from "./expect.ts";
import { joinLists } from "./long-list.ts";
import type { Run } from "./thunk.ts";
import { compileCondition, type Unit } from "./unit.ts";
import type { Env, Place, Slot, Value } from "./value.ts";

export function compileUnary(node: Unary, unit: Unit): Run {
  if (node.op === UnaryOp.Not) {
    const operand = compileCondition(node.operand, node.operand.start, "in the argument of the not operator", unit);
    return (env) => !operand(env);
  }
  if (node.primop !== null) {
    const fn = unit.compile(node.primop);
    const operand = unit.suspend(node.operand);
    const place = unit.placeAt(node.start);
    return (env) => call(unit.state, fn(env), [0, operand(env)], place);
  }
  return primitive("sub", () => 0, unit.compile(node.operand), unit.placeAt(node.start));
}

export function compileBinary(node: Binary, unit: Unit): Run {
  const place = unit.placeAt(node.position);
  switch (node.op) {
    case BinaryOp.Add:
      return compileConcatenation([node.left, node.right], [node.start, node.rightStart], node.position, false, unit);
    case BinaryOp.Sub:
      return arithmetic(node, "sub", unit, place);
    case BinaryOp.Mul:
      return arithmetic(node, "mul", unit, place);
    case BinaryOp.Div:
      return arithmetic(node, "div", unit, place);
    case BinaryOp.Less:
      return comparison(node, node.left, node.right, false, unit, place);
    case BinaryOp.LessEq:
      return comparison(node, node.right, node.left, true, unit, place);
    case BinaryOp.Greater:
      return comparison(node, node.right, node.left, false, unit, place);
    case BinaryOp.GreaterEq:
      return comparison(node, node.left, node.right, true, unit, place);
    case BinaryOp.Eq:
    case BinaryOp.NotEq: {
      const left = unit.compile(node.left);
      const right = unit.compile(node.right);
      const isWanted = node.op === BinaryOp.Eq;
      const { state } = unit;
      return (env) => {
        const leftValue = left(env);
        const rightValue = right(env);
        // Mostly a plain string or null is compared with another.
        if (typeof leftValue === "string" && typeof rightValue === "string") {
          return (leftValue === rightValue) === isWanted;
        }
        if (leftValue === null || rightValue === null) return (leftValue === rightValue) === isWanted;
        return areEqual(state, leftValue, rightValue, place) === isWanted;
      };
    }
    case BinaryOp.And: {
      const left = compileCondition(node.left, node.position, "in the left operand of the AND (&&) operator", unit);
      const right = compileCondition(node.right, node.position, "in the right operand of the AND (&&) operator", unit);
      return (env) => left(env) && right(env);
    }
    case BinaryOp.Or: {
      const left = compileCondition(node.left, node.position, "in the left operand of the OR (||) operator", unit);
      const right = compileCondition(node.right, node.position, "in the right operand of the OR (||) operator", unit);
      return (env) => left(env) || right(env);
    }
    case BinaryOp.Impl: {
      const left = compileCondition(node.left, node.position, "in the left operand of the IMPL (->) operator", unit);
      const right = compileCondition(node.right, node.position, "in the right operand of the IMPL (->) operator", unit);
      return (env) => !left(env) || right(env);
    }
    case BinaryOp.Update:
      return compileUpdate(node, unit);
    case BinaryOp.Concat:
      return compileConcatLists(node, unit, place);
  }
}

/** `a + b`, `"…${a}…"` and `./…${a}…`: the first part's type decides what it is. */
export function compileConcatenation(
  parts: readonly Expr[],
  partStarts: readonly number[],
  position: number,
  isString: boolean,
  unit: Unit,
): Run {
  const { state } = unit;
  const runs = parts.map((part) => unit.compile(part));
  const places = partStarts.map((start) => unit.placeAt(start));
  const place = unit.placeAt(position);
  return (env) => {
    try {
      return concatenate(state, runs, places, place, isString, env);
    } catch (error) {
      throw outOfMemoryOf(error, place);
    }
  };
}

function primitive(name: Arithmetic, left: (env: Env) => Slot, right: (env: Env) => Slot, place: Place): Run {
  return (env) => {
    try {
      return operate(name, left(env), right(env));
    } catch (error) {
      throw withFrame(error, `while calling the '${name}' builtin`, place);
    }
  };
}

function arithmetic(node: Binary, name: Arithmetic, unit: Unit, place: Place): Run {
  if (node.primop !== null) return rebound(node.primop, node.left, node.right, unit, place);
  // Evaluated at once: an operation on numbers forces both sides anyway, and a thunk would be made for nothing.
  return primitive(name, unit.compile(node.left), unit.compile(node.right), place);
}

function comparison(node: Binary, left: Expr, right: Expr, isNegated: boolean, unit: Unit, place: Place): Run {
  if (node.primop !== null) {
    const test = rebound(node.primop, left, right, unit, place);
    return (env) => {
      const value = test(env);
      return isNegated ? value === false : value;
    };
  }
  const { state } = unit;
  const leftRun = unit.compile(left);
  const rightRun = unit.compile(right);
  return (env) => {
    try {
      const less = lessThan(state, leftRun(env), rightRun(env));
      return isNegated ? !less : less;
    } catch (error) {
      throw withFrame(error, "while calling the 'lessThan' builtin", place);
    }
  };
}

/** A primitive operation whose name the user has bound to something else. */
function rebound(variable: Expr, left: Expr, right: Expr, unit: Unit, place: Place): Run {
  const fn = unit.compile(variable);
  const leftSlot = unit.suspend(left);
  const rightSlot = unit.suspend(right);
  return (env) => call(unit.state, fn(env), [leftSlot(env), rightSlot(env)], place);
}

function compileUpdate(node: Binary, unit: Unit): Run {
  const left = unit.compile(node.left);
  const right = unit.compile(node.right);
  const leftPlace = unit.placeAt(node.left.start);
  const rightPlace = unit.placeAt(node.right.start);
  return (env) => {
    const upper = operand(right, env, rightPlace, "in the right operand of the update (//) operator");
    const lower = operand(left, env, leftPlace, "in the left operand of the update (//) operator");
    unit.state.reserve(lower.ownSize);
    return lower.update(upper);
  };
}

function operand(run: Run, env: Env, place: Place, frame: string): ReturnType<typeof expectAttrs> {
  let value: Value;
  try {
    value = run(env);
  } catch (error) {
    throw withFrame(error, frame, place);
  }
  return expectAttrs(value, undefined, frame);
}

function compileConcatLists(node: Binary, unit: Unit, place: Place): Run {
  const left = unit.compile(node.left);
  const right = unit.compile(node.right);
  const { state } = unit;
  const frame = "while evaluating one of the elements to concatenate";
  return (env) => {
    const leftValue = left(env);
    const rightValue = right(env);
    const leftList = expectList(leftValue, place, frame);
    const rightList = expectList(rightValue, place, frame);
    if (leftList.length === 0) return rightList;
    if (rightList.length === 0) return leftList;
    return joinLists(state, leftList, rightList);
  };
}
