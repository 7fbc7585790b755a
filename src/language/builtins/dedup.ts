/** A set of keys that can be ordered but not hashed, as `genericClosure` needs it. */

import { Attrs } from "../eval/attrs.ts";
import type { Value } from "../eval/value.ts";

export type Added = "new" | "known" | { readonly error: unknown; readonly other: Attrs };

export class Dedup {
  readonly #isLess: (left: Value, right: Value) => boolean;
  readonly #strings = new Set<string>();
  readonly #keys: Value[] = [];
  readonly #elements: Attrs[] = [];

  constructor(isLess: (left: Value, right: Value) => boolean) {
    this.#isLess = isLess;
  }

  /** Adds a key; says when it cannot be compared with one that is there, and whose that is. */
  add(key: Value, element: Attrs): Added {
    if (typeof key === "string" && this.#keys.length === this.#strings.size) {
      // All keys so far are plain strings: the usual case, and the only one that has to be fast.
      if (this.#strings.has(key)) return "known";
      this.#strings.add(key);
      this.#keys.push(key);
      this.#elements.push(element);
      return "new";
    }
    if (this.#strings.size > 0) this.#sortStrings();
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#keys[middle]!;
      try {
        if (this.#isLess(key, other)) high = middle;
        else if (this.#isLess(other, key)) low = middle + 1;
        else return "known";
      } catch (error) {
        return { error, other: this.#elements[middle]! };
      }
    }
    this.#keys.splice(low, 0, key);
    this.#elements.splice(low, 0, element);
    return "new";
  }

  #sortStrings(): void {
    const order = this.#keys.map((_, index) => index);
    order.sort((a, b) => ((this.#keys[a] as string) < (this.#keys[b] as string) ? -1 : 1));
    const keys = order.map((index) => this.#keys[index]!);
    const elements = order.map((index) => this.#elements[index]!);
    this.#keys.splice(0, keys.length, ...keys);
    this.#elements.splice(0, elements.length, ...elements);
    this.#strings.clear();
  }
}
