/**
 * The order in which Nix goes through the attributes of a set: that in which it met their names.
 *
 * It decides which of several failing attributes an error is about, and which traces come first.
 */

import { orderOfNames } from "../syntax/symbols.ts";
import type { Attrs, Shape } from "./attrs.ts";

const ONLY: readonly number[] = [0];

/** The orders of shapes that many sets have. */
const known = new WeakMap<Shape, readonly number[]>();

/** The names of a set's attributes in Nix's order. */
export function namesInSymbolOrder(attrs: Attrs): readonly string[] {
  return inSymbolOrder(attrs).map((index) => attrs.keys[index]!);
}

/** The indexes of a set's attributes in Nix's order. */
export function inSymbolOrder(attrs: Attrs): readonly number[] {
  const { shape } = attrs;
  const { keys } = shape;
  if (keys.length === 1) return ONLY;
  let order = known.get(shape);
  if (order === undefined) {
    order = orderOfNames(keys);
    if (shape.isFixed) known.set(shape, order);
  }
  return order;
}
