/**
 * Peeksort (Munro and Wild, 2018), a stable merge sort that makes use of runs, by a "less than" that may throw or
 * contradict itself.
 *
 * The comparisons are those that Nix makes, in its order: they decide what is traced, which error is thrown, and what
 * comes out when the comparison is no order. JavaScript's own sort wants a three-way comparison besides, which would call
 * a function written in Nix twice as often.
 */

/** So many items are sorted by insertion. */
const INSERTION_MAX = 16;

export type IsLess<T> = (left: T, right: T) => boolean;

export function peekSort<T>(items: readonly T[], isLess: IsLess<T>): T[] {
  const sorted = [...items];
  new PeekSort(sorted, isLess).sort(0, sorted.length, 0, sorted.length);
  return sorted;
}

/** Ranges are given by their first index and the one behind their last. */
class PeekSort<T> {
  readonly #items: T[];
  readonly #isLess: IsLess<T>;

  constructor(items: T[], isLess: IsLess<T>) {
    this.#items = items;
    this.#isLess = isLess;
  }

  /** Sorts a range that begins with a run up to `leftEnd` and ends with one from `rightStart` on. */
  sort(start: number, end: number, leftEnd: number, rightStart: number): void {
    if (leftEnd === end || rightStart === start) return;
    if (end - start <= INSERTION_MAX) {
      this.#insert(start, end);
      return;
    }
    const middle = start + ((end - start) >> 1);
    if (middle <= leftEnd) {
      this.sort(leftEnd, end, leftEnd + 1, rightStart);
      this.#merge(start, leftEnd, end);
    } else if (middle >= rightStart) {
      this.sort(start, rightStart, leftEnd, rightStart - 1);
      this.#merge(start, rightStart, end);
    } else this.#sortAroundRun(start, end, leftEnd, rightStart, middle);
  }

  /** Sorts what stands on both sides of the run in the middle. */
  #sortAroundRun(start: number, end: number, leftEnd: number, rightStart: number, middle: number): void {
    const isDecreasing = this.#descends(middle);
    const from = this.#runStart(leftEnd, middle, isDecreasing);
    const to = this.#runEnd(middle - 1, rightStart, isDecreasing);
    if (isDecreasing) this.#reverse(from, to);
    if (from === start && to === end) return;
    if (middle - from < to - middle) {
      this.sort(start, from, leftEnd, from - 1);
      this.sort(from, end, to, rightStart);
      this.#merge(start, from, end);
    } else {
      this.sort(start, to, leftEnd, from);
      this.sort(to, end, to + 1, rightStart);
      this.#merge(start, to, end);
    }
  }

  /** Whether an item is less than the one in front of it. */
  #descends(at: number): boolean {
    return this.#isLess(this.#items[at]!, this.#items[at - 1]!);
  }

  /** The start of the longest run within a range that ends where the range does. */
  #runStart(start: number, end: number, isDecreasing: boolean): number {
    if (start === end) return end;
    let at = end - 1;
    while (at > start && this.#descends(at) === isDecreasing) at--;
    return at;
  }

  /** The end of the longest run within a range that starts where the range does. */
  #runEnd(start: number, end: number, isDecreasing: boolean): number {
    if (start === end) return start;
    let at = start + 1;
    while (at < end && this.#descends(at) === isDecreasing) at++;
    return at;
  }

  #reverse(start: number, end: number): void {
    for (let left = start, right = end - 1; left < right; left++, right--) this.#swap(left, right);
  }

  #insert(start: number, end: number): void {
    for (let current = start + 1; current < end; current++) {
      for (let at = current; at > start && this.#descends(at); at--) this.#swap(at, at - 1);
    }
  }

  #swap(left: number, right: number): void {
    const items = this.#items;
    const item = items[left]!;
    items[left] = items[right]!;
    items[right] = item;
  }

  #merge(start: number, middle: number, end: number): void {
    const items = this.#items;
    const run = items.slice(start, end);
    const leftEnd = middle - start;
    let left = 0;
    let right = leftEnd;
    let out = start;
    while (left < leftEnd && right < run.length) {
      items[out++] = this.#isLess(run[right]!, run[left]!) ? run[right++]! : run[left++]!;
    }
    while (left < leftEnd) items[out++] = run[left++]!;
    while (right < run.length) items[out++] = run[right++]!;
  }
}
