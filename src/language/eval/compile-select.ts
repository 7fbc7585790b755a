/** Selection of attributes, `subject.a.b or default`. */

import { byteStringOfText } from "../../base/byte-string.ts";
import type { Select } from "../syntax/ast.ts";
import { Attrs } from "./attrs.ts";
import { EvalError, withFrame } from "./eval-error.ts";
import { expectAttrs } from "./expect.ts";
import { renderAttrName } from "./print-value.ts";
import { suggestionsFor } from "./suggestions.ts";
import { force, type Run, Thunk } from "./thunk.ts";
import { compileAttrName, type Unit } from "./unit.ts";
import type { Env, Place, Value } from "./value.ts";

/** Definitions in this source are ours, and a frame that points into it would tell the user nothing. */
export const DERIVATION_SOURCE_PATH = "«nix-internal»/derivation-internal.nix";

const INTERNAL_PATH = byteStringOfText(DERIVATION_SOURCE_PATH);

export function compileSelect(node: Select, unit: Unit): Run {
  const subject = unit.compile(node.subject);
  const place = unit.placeAt(node.start);
  if (node.orDefault !== null) return compileSelectOr(node, node.orDefault, subject, place, unit);
  const describe = describePath(node, unit);
  if (node.path.length === 1 && node.path[0]!.name !== null) {
    const name = node.path[0]!.name;
    return (env) => selectOne(subject(env), name, place);
  }
  const names = node.path.map((name) => compileAttrName(name, unit));
  return (env) => {
    let value = subject(env);
    let definition: Place | undefined;
    try {
      for (let i = 0; i < names.length; i++) {
        const name = names[i]!(env);
        const attrs = expectAttrs(value, place, "while selecting an attribute");
        const slot = attrs.get(name);
        if (slot === undefined) throw missing(attrs, name, place);
        definition = attrs.placeOf(name);
        value = force(slot, definition ?? place);
      }
      return value;
    } catch (error) {
      throw framed(error, definition, () => describe(env));
    }
  };
}

function selectOne(subject: Value, name: string, place: Place): Value {
  const attrs = subject instanceof Attrs ? subject : expectAttrs(subject, place, "while selecting an attribute");
  const slot = attrs.get(name);
  if (slot === undefined) throw missing(attrs, name, place);
  if (!(slot instanceof Thunk)) return slot;
  if (slot.isForced) return slot.state as Value;
  try {
    return slot.force(place);
  } catch (error) {
    throw framed(error, attrs.placeOf(name), () => renderAttrName(name));
  }
}

function compileSelectOr(
  node: Select,
  orDefault: NonNullable<Select["orDefault"]>,
  subject: Run,
  place: Place,
  unit: Unit,
): Run {
  const names = node.path.map((name) => compileAttrName(name, unit));
  const otherwise = unit.compile(orDefault);
  const describe = describePath(node, unit);
  return (env) => {
    let value = subject(env);
    let definition: Place | undefined;
    try {
      for (let i = 0; i < names.length; i++) {
        const name = names[i]!(env);
        const slot = value instanceof Attrs ? value.get(name) : undefined;
        if (slot === undefined) return otherwise(env);
        definition = (value as Attrs).placeOf(name);
        value = force(slot, definition ?? place);
      }
      return value;
    } catch (error) {
      throw framed(error, definition, () => describe(env));
    }
  };
}

function missing(attrs: Attrs, name: string, place: Place): EvalError {
  return new EvalError({ kind: "attr-missing", name, suggestions: suggestionsFor(name, attrs.keys) }, place);
}

function framed(error: unknown, definition: Place | undefined, describe: () => string): unknown {
  if (definition === undefined || definition.source.path === INTERNAL_PATH) return error;
  if (!(error instanceof EvalError)) return error;
  return withFrame(error, `while evaluating the attribute '${describe()}'`, definition);
}

/** The path as the user wrote it, with what its dynamic parts came to. */
function describePath(node: Select, unit: Unit): (env: Env) => string {
  return (env) => {
    const parts = node.path.map((name) => {
      if (name.name !== null) return renderAttrName(name.name);
      try {
        return renderAttrName(compileAttrName(name, unit)(env));
      } catch {
        // Only a description: what the name depends on has failed and is being reported already.
        return `"\${${unit.source.text.slice(name.expr!.start, name.expr!.end)}}"`;
      }
    });
    return parts.join(".");
  };
}
