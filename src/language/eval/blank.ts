/**
 * Arrays of a known size to fill in.
 *
 * An array that grows by `push` keeps room for sixteen more elements than it needs; environments and values of sets
 * are made by the million, and copying a template gives them exactly their size.
 */

const TEMPLATE_SIZE_MAX = 64;

const templates: undefined[][] = [];
for (let size = 0; size <= TEMPLATE_SIZE_MAX; size++) {
  templates.push(Array.from({ length: size }, () => undefined));
}

/** An array of `size` times `undefined`. */
export function blankArray(size: number): unknown[] {
  return size <= TEMPLATE_SIZE_MAX ? templates[size]!.slice() : Array.from({ length: size }, () => undefined);
}
