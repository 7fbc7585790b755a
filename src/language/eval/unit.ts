/** What the parts of the compiler share. */

import type { AttrName, Expr } from "../syntax/ast.ts";
import type { Source } from "../syntax/source.ts";
import { withFrame } from "./eval-error.ts";
import { expectBoolean, expectPlainText } from "./expect.ts";
import type { EvalState } from "./state.ts";
import type { Code, Run } from "./thunk.ts";
import type { Env, Place, Slot, Value } from "./value.ts";

/** Makes a slot in an environment without evaluating anything. */
export type Suspend = (env: Env) => Slot;

/** What compiling an expression needs to know. */
export interface Unit {
  readonly state: EvalState;
  readonly source: Source;
  compile(node: Expr): Run;
  suspend(node: Expr): Suspend;
  code(node: Expr): Code;
  placeAt(offset: number): Place;
}

/** Compiles to a Boolean test. */
export function compileCondition(node: Expr, offset: number, frame: string, unit: Unit): (env: Env) => boolean {
  const run = unit.compile(node);
  const place = unit.placeAt(offset);
  return (env) => {
    let value: Value;
    try {
      value = run(env);
    } catch (error) {
      throw withFrame(error, frame, place);
    }
    return typeof value === "boolean" ? value : expectBoolean(value, place, frame);
  };
}

/** Compiles a component of an attribute path to what gives its name. */
export function compileAttrName(name: AttrName, unit: Unit): (env: Env) => string {
  if (name.name !== null) {
    const constant = name.name;
    return () => constant;
  }
  const expr = name.expr!;
  const run = unit.compile(expr);
  const place = unit.placeAt(expr.start);
  return (env) => expectPlainText(run(env), place, "while evaluating an attribute name");
}
