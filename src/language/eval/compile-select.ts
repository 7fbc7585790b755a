/** Selection of attributes, `subject.a.b or default`. */

import { byteStringOfText } from "../../base/byte-string.ts";
import { renderExpression } from "../print/expression.ts";
import type { AttrName, Select } from "../syntax/ast.ts";
import { noteMadeName } from "../syntax/symbols.ts";
import { Attrs, LookupMemo } from "./attrs.ts";
import { EvalError, withFrame } from "./eval-error.ts";
import { expectAttrs } from "./expect.ts";
import { renderAttrName } from "./print-value.ts";
import { suggestionsFor } from "./suggestions.ts";
import { force, type Run, Thunk } from "./thunk.ts";
import { compileAttrName, type Unit } from "./unit.ts";
import type { Env, Place, Slot, Value } from "./value.ts";

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
    const memo = new LookupMemo();
    return (env) => selectOne(subject(env), name, memo, place);
  }
  const steps = node.path.map((name) => new Step(name, unit));
  return (env) => {
    let found: Slot = subject(env);
    let last: Attrs | undefined;
    let lastName = "";
    try {
      for (let i = 0; i < steps.length; i++) {
        const step = steps[i]!;
        // The name comes before the set it is looked for in: either may fail.
        const name = step.nameIn(env);
        const attrs: Attrs = found instanceof Attrs ? found : expectAttrs(found, place, "while selecting an attribute");
        const slot = attrs.lookUp(name, step.memo);
        if (slot === undefined) throw missing(attrs, name, place);
        last = attrs;
        lastName = name;
        found = slot;
      }
      return forceMember(found, last!, lastName, place);
    } catch (error) {
      throw framed(error, last?.placeOf(lastName), () => describe(env));
    }
  };
}

/** One attribute name of a path. */
class Step {
  readonly #constant: string | undefined;
  readonly #run: (env: Env) => string;
  readonly memo: LookupMemo = new LookupMemo();

  constructor(name: AttrName, unit: Unit) {
    this.#constant = name.name ?? undefined;
    this.#run = compileAttrName(name, unit);
  }

  nameIn(env: Env): string {
    if (this.#constant !== undefined) return this.#constant;
    const name = this.#run(env);
    // The name may be another one each time.
    this.memo.shape = undefined;
    return name;
  }

  /** Nix meets a name that is made here even where no set has it. */
  noteAbsent(name: string): void {
    if (this.#constant === undefined) noteMadeName(name);
  }
}

/** Evaluates a member of a set; should it need itself, its definition is the place to blame. */
function forceMember(slot: Slot, attrs: Attrs, name: string, place: Place): Value {
  if (!(slot instanceof Thunk)) return slot;
  return slot.isForced ? (slot.state as Value) : slot.force(attrs.placeOf(name) ?? place);
}

function selectOne(subject: Value, name: string, memo: LookupMemo, place: Place): Value {
  const attrs = subject instanceof Attrs ? subject : expectAttrs(subject, place, "while selecting an attribute");
  const slot = attrs.lookUp(name, memo);
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
  const steps = node.path.map((name) => new Step(name, unit));
  const otherwise = unit.compile(orDefault);
  const describe = describePath(node, unit);
  return (env) => {
    let found: Slot = subject(env);
    let last: Attrs | undefined;
    let lastName = "";
    try {
      for (let i = 0; i < steps.length; i++) {
        const step = steps[i]!;
        const name = step.nameIn(env);
        const attrs: Value = force(found, place);
        if (!(attrs instanceof Attrs)) return otherwise(env);
        const slot = attrs.lookUp(name, step.memo);
        if (slot === undefined) {
          step.noteAbsent(name);
          return otherwise(env);
        }
        last = attrs;
        lastName = name;
        found = slot;
      }
      return forceMember(found, last!, lastName, place);
    } catch (error) {
      throw framed(error, last?.placeOf(lastName), () => describe(env));
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
        return `"\${${renderExpression(name.expr!)}}"`;
      }
    });
    return parts.join(".");
  };
}
