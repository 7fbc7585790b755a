/**
 * A stable merge sort by a "less than" that may throw or contradict itself.
 *
 * JavaScript's own sort wants a three-way comparison, which would call a function written in Nix twice as often.
 */

export function stableSort<T>(items: readonly T[], isLess: (left: T, right: T) => boolean): T[] {
  let source = [...items];
  let target = [...items];
  for (let width = 1; width < items.length; width *= 2) {
    for (let start = 0; start < items.length; start += 2 * width) {
      merge(
        source,
        target,
        start,
        Math.min(start + width, items.length),
        Math.min(start + 2 * width, items.length),
        isLess,
      );
    }
    [source, target] = [target, source];
  }
  return source;
}

function merge<T>(
  source: readonly T[],
  target: T[],
  start: number,
  middle: number,
  end: number,
  isLess: (left: T, right: T) => boolean,
): void {
  let left = start;
  let right = middle;
  // Runs that are in order already cost one comparison.
  const isOrdered = middle >= end || !isLess(source[middle]!, source[middle - 1]!);
  for (let out = start; out < end; out++) {
    const takeLeft = left < middle && (isOrdered || right >= end || !isLess(source[right]!, source[left]!));
    target[out] = takeLeft ? source[left++]! : source[right++]!;
  }
}
