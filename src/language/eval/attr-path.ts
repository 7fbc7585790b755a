/** Selection by a path from outside (`-A a.b.0`), with functions called on the way. */

import { Attrs, attrsAt } from "./attrs.ts";
import { callOne } from "./call.ts";
import { EvalError, invalidError, typeError } from "./eval-error.ts";
import type { EvalState } from "./state.ts";
import { suggestionsFor } from "./suggestions.ts";
import { force } from "./thunk.ts";
import { describeType, isList } from "./type-name.ts";
import { Lambda, type Value } from "./value.ts";

/** Splits `a."b.c".0` into its components. */
export function parseAttrPath(text: string): readonly string[] {
  const components: string[] = [];
  let current = "";
  let i = 0;
  while (i < text.length) {
    if (text[i] === ".") {
      components.push(current);
      current = "";
    } else if (text[i] === '"') {
      const end = text.indexOf('"', i + 1);
      if (end < 0) throw invalidError(`missing closing quote in selection path '${text}'`);
      current += text.slice(i + 1, end);
      i = end;
    } else current += text[i]!;
    i++;
  }
  if (current !== "") components.push(current);
  return components;
}

/** Calls a function that takes a set with those of the arguments that it has a use for. */
export function autoCall(state: EvalState, value: Value, args: Attrs): Value {
  if (value instanceof Attrs && value.has("__functor")) {
    const functor = callOne(state, force(value.get("__functor")!), value, undefined);
    return autoCall(state, functor, args);
  }
  if (!(value instanceof Lambda) || value.code.formals === undefined) return value;
  const { formals, isOpen } = value.code;
  if (isOpen) return callOne(state, value, args, undefined);
  const taken: number[] = [];
  for (const formal of [...formals].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const index = args.shape.indexOf(formal.name);
    if (index >= 0) taken.push(index);
    else if (formal.makeDefault === undefined) {
      const message = `cannot evaluate a function that has an argument without a value ('${formal.name}')
Nix attempted to evaluate a function as a top level expression; in
this case it must have its arguments supplied either by default
values, or passed explicitly with '--arg' or '--argstr'. See
https://nix.dev/manual/nix/stable/language/syntax.html#functions.`;
      throw new EvalError({ kind: "type", message }, formal.place);
    }
  }
  return callOne(state, value, attrsAt(args, taken), undefined);
}

/** Follows a path from a value. The value it arrives at is not called. */
export function selectPath(state: EvalState, root: Value, path: string, args: Attrs): Value {
  let value = root;
  for (const component of parseAttrPath(path)) {
    value = autoCall(state, value, args);
    if (/^[0-9]+$/.test(component)) {
      if (!isList(value)) throw mismatch(path, "a list", value);
      const slot = value[Number(component)];
      if (slot === undefined) throw invalidError(`list index ${component} in selection path '${path}' is out of range`);
      value = force(slot);
      continue;
    }
    if (!(value instanceof Attrs)) throw mismatch(path, "a set", value);
    if (component === "") throw invalidError(`empty attribute name in selection path '${path}'`);
    const slot = value.get(component);
    if (slot === undefined) {
      throw new EvalError(
        {
          kind: "attr-path-missing",
          name: component,
          path,
          suggestions: suggestionsFor(component, value.keys),
        },
        undefined,
      );
    }
    value = force(slot, value.placeOf(component));
  }
  return value;
}

function mismatch(path: string, wanted: string, value: Value): EvalError {
  return typeError(
    `the expression selected by the selection path '${path}' should be ${wanted} but is ${describeType(value)}`,
  );
}
