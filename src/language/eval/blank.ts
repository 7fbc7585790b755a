/**
 * Arrays of a known size to fill in.
 *
 * An array that grows by `push` keeps room for sixteen more elements than it needs; environments and values of sets
 * are made by the million.
 */

/** An array of `size` elements that have yet to be set. */
export function blankArray(size: number): unknown[] {
  // Three times as quick as `Array.from({ length })`, and filled in at once by who asks.
  // oxlint-disable-next-line unicorn/no-new-array
  return new Array<unknown>(size);
}
