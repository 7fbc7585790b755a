/** Variables: a slot some frames up, a name of the builtin scope, or a name that a `with` brings in. */

import { GLOBAL, type Var, type With } from "../syntax/ast.ts";
import { EvalError } from "./eval-error.ts";
import { expectAttrs } from "./expect.ts";
import { Code, force, type Run, settled, Thunk } from "./thunk.ts";
import type { Suspend, Unit } from "./unit.ts";
import type { Env, Place, Slot, Value } from "./value.ts";

export function compileVar(node: Var, unit: Unit): Run {
  const place = unit.placeAt(node.start);
  if (node.fromWith !== null) return compileWithLookup(node, node.fromWith, place);
  if (node.depth === GLOBAL) {
    const slot = globalOf(node, unit, place);
    return slot instanceof Thunk ? () => slot.force(place) : () => slot;
  }
  const index = node.slot + 1;
  switch (node.depth) {
    case 0:
      return (env) => read(env, index, place);
    case 1:
      return (env) => read(env[0] as Env, index, place);
    case 2:
      return (env) => read((env[0] as Env)[0] as Env, index, place);
    default: {
      const { depth } = node;
      return (env) => read(ancestorOf(env, depth), index, place);
    }
  }
}

/** Reads a variable, writing its value over the thunk that was in its slot. */
function read(env: Env, index: number, place: Place): Value {
  const slot = env[index] as Slot;
  if (!(slot instanceof Thunk)) return slot;
  const value = slot.force(place);
  env[index] = value;
  return value;
}

function ancestorOf(env: Env, depth: number): Env {
  let frame = env;
  for (let i = 0; i < depth; i++) frame = frame[0] as Env;
  return frame;
}

function globalOf(node: Var, unit: Unit, place: Place): Slot {
  const slot = unit.state.globals.get(node.name);
  if (slot === undefined) throw new EvalError({ kind: "variable-undefined", name: node.name }, place);
  return slot;
}

class VarCode extends Code {
  readonly #node: Var;
  readonly #unit: Unit;

  constructor(node: Var, unit: Unit) {
    super();
    this.#node = node;
    this.#unit = unit;
  }

  override compile(): Run {
    return compileVar(this.#node, this.#unit);
  }
}

/** A variable's own slot is passed on, so that it is evaluated once however many names it has. */
export function suspendVar(node: Var, unit: Unit): Suspend {
  const code = new VarCode(node, unit);
  if (node.fromWith !== null) return (env) => new Thunk(code, env);
  if (node.depth === GLOBAL) {
    const slot = globalOf(node, unit, unit.placeAt(node.start));
    return () => slot;
  }
  const { depth } = node;
  const index = node.slot + 1;
  return (env) => {
    const slot = ancestorOf(env, depth)[index] as Slot | undefined;
    // A frame that is being filled may not have the slot yet.
    return slot === undefined ? new Thunk(code, env) : settled(slot);
  };
}

function compileWithLookup(node: Var, innermost: With, place: Place): Run {
  const { name } = node;
  const steps: number[] = [node.depth];
  for (let scope = innermost; scope.outerWith !== null; scope = scope.outerWith) steps.push(scope.outerWithDepth);
  return (env) => {
    let frame = env;
    for (let i = 0; i < steps.length; i++) {
      frame = ancestorOf(frame, steps[i]!);
      const attrs = expectAttrs(
        frame[1] as Slot,
        place,
        "while evaluating the first subexpression of a with expression",
      );
      frame[1] = attrs;
      const slot = attrs.get(name);
      if (slot !== undefined) return force(slot, place);
    }
    throw new EvalError({ kind: "variable-undefined", name }, place);
  };
}
