/** What is written about a value: the text of a builtin, or the comment before a function or attribute. */

import { byteStringOfText } from "../../base/byte-string.ts";
import { documentationOfBuiltin } from "../../language/builtins/documentation.ts";
import { Attrs } from "../../language/eval/attrs.ts";
import { callOne } from "../../language/eval/call.ts";
import { EvalError, invalidError } from "../../language/eval/eval-error.ts";
import { expectAttrs, expectPlainText } from "../../language/eval/expect.ts";
import { renderPlace } from "../../language/eval/place-text.ts";
import type { EvalState } from "../../language/eval/state.ts";
import { force } from "../../language/eval/thunk.ts";
import { Lambda, type Place, PrimOp, type Value } from "../../language/eval/value.ts";
import { type AttrName, type Expr, Kind, type ParsedFile, Select } from "../../language/syntax/ast.ts";
import { docCommentBefore, docCommentOfLambda } from "../../language/syntax/doc-comment.ts";

const ELLIPSIS = byteStringOfText("…");

/** Markdown about what an expression names; a byte string. Throws when nothing is written. */
export function documentationOf(state: EvalState, file: ParsedFile, evaluate: (node: Expr) => Value): string {
  const attribute = attributeOf(file.root, evaluate);
  const own = aboutValue(state, evaluate(file.root));
  if (own !== undefined) return own;
  if (attribute?.place === undefined) throw invalidError("value does not have documentation");
  const { name, place } = attribute;
  const comment = docCommentBefore(place.source.text, place.offset);
  return `Attribute \`${name}\`\n\n  ${ELLIPSIS} defined at ${renderPlace(place)}\n\n${comment ?? "No documentation found.\n\n"}`;
}

/** The attribute that an expression selects last, and where it is defined. */
function attributeOf(
  root: Expr,
  evaluate: (node: Expr) => Value,
): { readonly name: string; readonly place: Place | undefined } | undefined {
  if (root.kind !== Kind.Select || root.path.length === 0) return undefined;
  const rest = root.path.slice(0, -1);
  const subject = rest.length === 0 ? root.subject : new Select(root.start, root.end, root.subject, rest, null);
  const frame = "while evaluating an attribute set to look for documentation";
  const set = expectAttrs(evaluate(subject), undefined, frame);
  const name = nameOf(root.path.at(-1)!, evaluate);
  return set.has(name) ? { name, place: set.placeOf(name) } : undefined;
}

function nameOf({ name, expr }: AttrName, evaluate: (node: Expr) => Value): string {
  return name ?? expectPlainText(evaluate(expr!), undefined, "while evaluating an attribute name");
}

function aboutValue(state: EvalState, value: Value): string | undefined {
  if (value instanceof PrimOp) return aboutBuiltin(value.name);
  if (value instanceof Lambda) return aboutLambda(value);
  if (!(value instanceof Attrs)) return undefined;
  const functor = value.get("__functor");
  if (functor === undefined) return undefined;
  try {
    // What takes the set itself tells nothing; what that returns is the function that people call.
    return aboutValue(state, callOne(state, force(functor), value, undefined));
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

function aboutBuiltin(name: string): string | undefined {
  const found = documentationOfBuiltin(name);
  if (found === undefined) return undefined;
  const args = found.args.map((argument) => `*${argument}*`).join(" ");
  const synopsis = args === "" ? "" : `**Synopsis:** \`builtins.${name}\` ${args}\n\n`;
  return byteStringOfText(synopsis + found.text);
}

function aboutLambda({ code }: Lambda): string {
  const { place, name } = code;
  const comment = docCommentOfLambda(place.source, place.offset);
  const title = name === undefined ? "Function " : `Function \`${name}\`\\\n  ${ELLIPSIS} `;
  return `${title}defined at ${renderPlace(place)}${comment === undefined ? "" : `\n\n${comment}`}`;
}
