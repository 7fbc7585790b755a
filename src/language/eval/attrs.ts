/**
 * Attribute sets: sorted parallel arrays whose key layout is shared by every set made at the same literal.
 *
 * `big // small` is layered instead of copied: the result holds the small side and points at the big one, and becomes
 * flat when it is first enumerated. Names are byte strings, so sorted order is the byte order Nix shows.
 */

import type { Place, Slot } from "./value.ts";

const INDEX_SIZE_MIN = 24;
const LAYER_DEPTH_MAX = 8;
/** A right side larger than this is merged at once rather than layered. */
const LAYER_SIZE_MAX = 16;

/** Sorted attribute names, with an index built when a large set is first searched. */
export class Shape {
  readonly keys: readonly string[];
  #index: Map<string, number> | undefined;

  constructor(keys: readonly string[]) {
    this.keys = keys;
  }

  indexOf(name: string): number {
    const keys = this.keys;
    const size = keys.length;
    if (size >= INDEX_SIZE_MIN) {
      if (this.#index === undefined) {
        const index = new Map<string, number>();
        for (let i = 0; i < size; i++) index.set(keys[i]!, i);
        this.#index = index;
      }
      return this.#index.get(name) ?? -1;
    }
    let low = 0;
    let high = size - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const key = keys[middle]!;
      if (key === name) return middle;
      if (key < name) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

export type Places = readonly (Place | undefined)[];

const EMPTY_SHAPE = new Shape([]);

export class Attrs {
  #shape: Shape;
  #values: Slot[];
  #places: Places | undefined;
  /** The set below this one, whose attributes show where this one has none of that name. */
  #base: Attrs | undefined;
  #depth = 0;
  #size = -1;

  constructor(shape: Shape, values: Slot[], places?: Places) {
    this.#shape = shape;
    this.#values = values;
    this.#places = places;
  }

  static readonly empty: Attrs = new Attrs(EMPTY_SHAPE, []);

  get(name: string): Slot | undefined {
    const index = this.#shape.indexOf(name);
    return index >= 0 ? this.#values[index] : this.#base?.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  placeOf(name: string): Place | undefined {
    const index = this.#shape.indexOf(name);
    return index >= 0 ? this.#places?.[index] : this.#base?.placeOf(name);
  }

  get size(): number {
    if (this.#base === undefined) return this.#values.length;
    if (this.#size < 0) {
      const base = this.#base;
      let added = 0;
      for (const key of this.#shape.keys) if (!base.has(key)) added++;
      this.#size = base.size + added;
    }
    return this.#size;
  }

  /** Names in byte order. */
  get keys(): readonly string[] {
    if (this.#base !== undefined) this.#flatten();
    return this.#shape.keys;
  }

  get shape(): Shape {
    if (this.#base !== undefined) this.#flatten();
    return this.#shape;
  }

  /** Slots in the order of `keys`. */
  get values(): readonly Slot[] {
    if (this.#base !== undefined) this.#flatten();
    return this.#values;
  }

  /** Where each attribute was defined, in the order of `keys`. */
  get places(): Places | undefined {
    if (this.#base !== undefined) this.#flatten();
    return this.#places;
  }

  /** Writes a forced value over the thunk it came from, so that the thunk can be collected. */
  setAt(index: number, value: Slot): void {
    this.#values[index] = value;
  }

  /** The `//` operator. */
  update(right: Attrs): Attrs {
    if (right === Attrs.empty || right.size === 0) return this;
    if (this.size === 0) return right;
    if (right.size <= LAYER_SIZE_MAX && this.#depth < LAYER_DEPTH_MAX && this.size > right.size) {
      const shape = right.shape;
      const layered = new Attrs(shape, right.#values, right.#places);
      layered.#base = this;
      layered.#depth = this.#depth + 1;
      return layered;
    }
    return merge(this, right);
  }

  #flatten(): void {
    const merged = merge(this.#base!, new Attrs(this.#shape, this.#values, this.#places));
    this.#base = undefined;
    this.#depth = 0;
    this.#shape = merged.#shape;
    this.#values = merged.#values;
    this.#places = merged.#places;
  }
}

function merge(left: Attrs, right: Attrs): Attrs {
  const leftKeys = left.keys;
  const rightKeys = right.keys;
  const leftValues = left.values;
  const rightValues = right.values;
  const leftPlaces = left.places;
  const rightPlaces = right.places;
  const leftSize = leftKeys.length;
  const rightSize = rightKeys.length;
  const keys: string[] = [];
  const values: Slot[] = [];
  const places: (Place | undefined)[] = [];
  let i = 0;
  let j = 0;
  while (i < leftSize || j < rightSize) {
    const takeRight = i >= leftSize || (j < rightSize && rightKeys[j]! <= leftKeys[i]!);
    if (takeRight) {
      if (i < leftSize && leftKeys[i] === rightKeys[j]) i++;
      keys.push(rightKeys[j]!);
      values.push(rightValues[j]!);
      places.push(rightPlaces?.[j]);
      j++;
    } else {
      keys.push(leftKeys[i]!);
      values.push(leftValues[i]!);
      places.push(leftPlaces?.[i]);
      i++;
    }
  }
  return new Attrs(new Shape(keys), values, places);
}

/** Makes a set from entries in any order; of two with one name the first counts. */
export function attrsOfEntries(entries: readonly (readonly [string, Slot, (Place | undefined)?])[]): Attrs {
  if (entries.length === 0) return Attrs.empty;
  const sorted = [...entries].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const keys: string[] = [];
  const values: Slot[] = [];
  const places: (Place | undefined)[] = [];
  for (const [name, slot, place] of sorted) {
    if (keys.length > 0 && keys[keys.length - 1] === name) continue;
    keys.push(name);
    values.push(slot);
    places.push(place);
  }
  return new Attrs(new Shape(keys), values, places);
}

/** Makes a set from the properties of a record, for results that builtins make. */
export function attrsOf(record: Readonly<Record<string, Slot>>): Attrs {
  return attrsOfEntries(Object.entries(record));
}

/** Keeps the attributes at some indexes of a set, in order. */
export function attrsAt(attrs: Attrs, indexes: readonly number[]): Attrs {
  const { keys, values, places } = attrs;
  return new Attrs(
    new Shape(indexes.map((index) => keys[index]!)),
    indexes.map((index) => values[index]!),
    places === undefined ? undefined : indexes.map((index) => places[index]),
  );
}
