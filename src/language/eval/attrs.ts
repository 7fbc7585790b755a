/**
 * Attribute sets: values by index, and a shape that has the sorted names and where each was defined.
 *
 * Every set made at one literal shares the literal's shape, and what `//` and `removeAttrs` make of fixed shapes is
 * remembered, so that a set costs its values and little else. `big // small` is layered instead of copied: the result
 * holds the small side and points at the big one, and becomes flat when it is first enumerated. Names are byte
 * strings, so sorted order is the byte order Nix shows.
 */

import { blankArray } from "./blank.ts";
import type { Place, Slot } from "./value.ts";

const INDEX_SIZE_MIN = 12;
const LAYER_DEPTH_MAX = 8;
/** A right side larger than this is merged at once rather than layered. */
const LAYER_SIZE_MAX = 16;
/** Copying a left side smaller than this costs less than looking through layers. */
const LAYER_BASE_SIZE_MIN = 24;
/** How many unions or removals a shape remembers; a program that makes more has no few places that make them. */
const DERIVED_MAX = 64;

export type Places = readonly (Place | undefined)[];

/** Sorted attribute names and their places, with an index built when a large set is first searched. */
export class Shape {
  declare readonly keys: readonly string[];
  /** Where each attribute was defined, in the order of `keys`. */
  declare readonly places: Places | undefined;
  /** Whether sets of this shape are made at a place of the program, over and over, rather than out of data. */
  declare readonly isFixed: boolean;
  declare private index: Map<string, number> | undefined;
  declare private derived: Derived | undefined;

  constructor(keys: readonly string[], places?: Places, isFixed = false) {
    this.keys = keys;
    this.places = places;
    this.isFixed = isFixed;
    this.index = undefined;
    this.derived = undefined;
  }

  indexOf(name: string): number {
    const keys = this.keys;
    const size = keys.length;
    if (size >= INDEX_SIZE_MIN) {
      if (this.index === undefined) {
        const index = new Map<string, number>();
        for (let i = 0; i < size; i++) index.set(keys[i]!, i);
        this.index = index;
      }
      return this.index.get(name) ?? -1;
    }
    // Names of the program are interned, so that nearly all of these compare pointers.
    for (let i = 0; i < size; i++) if (keys[i] === name) return i;
    return -1;
  }

  /** The same names, defined nowhere. */
  get withoutPlaces(): Shape {
    if (this.places === undefined) return this;
    this.derived ??= new Derived();
    return (this.derived.withoutPlaces ??= new Shape(this.keys, undefined, this.isFixed));
  }

  /** How a set of this shape and one of `right` become one. */
  unionWith(right: Shape): Union {
    if (!this.isFixed || !right.isFixed) return unionOf(this, right);
    const { unions } = (this.derived ??= new Derived());
    let union = unions.get(right);
    if (union === undefined) {
      union = unionOf(this, right);
      if (unions.size < DERIVED_MAX) unions.set(right, union);
    }
    return union;
  }

  /** What is left without some names. */
  without(names: readonly string[]): Removal {
    if (!this.isFixed) return removalOf(this, names);
    const key = names.length === 1 ? names[0]! : names.join("\0");
    const { removals } = (this.derived ??= new Derived());
    let removal = removals.get(key);
    if (removal === undefined) {
      removal = removalOf(this, names);
      if (removals.size < DERIVED_MAX) removals.set(key, removal);
    }
    return removal;
  }
}

/** The shapes that were made of a shape. */
class Derived {
  readonly unions = new Map<Shape, Union>();
  readonly removals = new Map<string, Removal>();
  withoutPlaces: Shape | undefined;
}

/** The shape two shapes make, and for each of its values the index on the right, or that on the left as `-1 - index`. */
interface Union {
  readonly shape: Shape;
  readonly from: readonly number[];
}

/** The shape that is left, and which values are. */
interface Removal {
  readonly shape: Shape;
  readonly kept: readonly number[];
}

function unionOf(left: Shape, right: Shape): Union {
  const leftKeys = left.keys;
  const rightKeys = right.keys;
  const leftSize = leftKeys.length;
  const rightSize = rightKeys.length;
  const isPlaced = left.places !== undefined || right.places !== undefined;
  const keys: string[] = [];
  const places: (Place | undefined)[] = [];
  const from: number[] = [];
  let i = 0;
  let j = 0;
  while (i < leftSize || j < rightSize) {
    const takeRight = i >= leftSize || (j < rightSize && rightKeys[j]! <= leftKeys[i]!);
    if (takeRight) {
      if (i < leftSize && leftKeys[i] === rightKeys[j]) i++;
      keys.push(rightKeys[j]!);
      if (isPlaced) places.push(right.places?.[j]);
      from.push(j++);
    } else {
      keys.push(leftKeys[i]!);
      if (isPlaced) places.push(left.places?.[i]);
      from.push(-1 - i++);
    }
  }
  return { shape: new Shape(keys, isPlaced ? places : undefined, left.isFixed && right.isFixed), from };
}

function removalOf(shape: Shape, names: readonly string[]): Removal {
  const removed = new Set(names);
  const kept: number[] = [];
  shape.keys.forEach((key, index) => {
    if (!removed.has(key)) kept.push(index);
  });
  return { shape: shapeAt(shape, kept, shape.isFixed), kept };
}

function shapeAt({ keys, places }: Shape, indexes: readonly number[], isFixed: boolean): Shape {
  return new Shape(
    indexes.map((index) => keys[index]!),
    places === undefined ? undefined : indexes.map((index) => places[index]),
    isFixed,
  );
}

/** Where a name was in the last shape that one place of the program looked it up in. */
export class LookupMemo {
  shape: Shape | undefined = undefined;
  index = -1;
}

const EMPTY_SHAPE = new Shape([], undefined, true);

/** What lies below a set, whose attributes show where the set has none of that name. */
interface Layer {
  readonly base: Attrs;
  readonly depth: number;
  /** Attributes of both together, once counted. */
  size: number;
}

export class Attrs {
  declare private ownShape: Shape;
  declare private ownValues: Slot[];
  declare private below: Layer | undefined;

  constructor(shape: Shape, values: Slot[], below?: Layer) {
    this.ownShape = shape;
    this.ownValues = values;
    this.below = below;
  }

  static readonly empty: Attrs = new Attrs(EMPTY_SHAPE, []);

  get(name: string): Slot | undefined {
    const index = this.ownShape.indexOf(name);
    if (index >= 0) return this.ownValues[index];
    return this.below === undefined ? undefined : this.below.base.get(name);
  }

  /** Like `get`, for a place of the program that looks up the same name time and again. */
  lookUp(name: string, memo: LookupMemo): Slot | undefined {
    const shape = this.ownShape;
    if (memo.shape !== shape) {
      memo.shape = shape;
      memo.index = shape.indexOf(name);
    }
    const { index } = memo;
    if (index >= 0) return this.ownValues[index];
    return this.below === undefined ? undefined : this.below.base.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  placeOf(name: string): Place | undefined {
    const index = this.ownShape.indexOf(name);
    return index >= 0 ? this.ownShape.places?.[index] : this.below?.base.placeOf(name);
  }

  get size(): number {
    const { below } = this;
    if (below === undefined) return this.ownValues.length;
    if (below.size < 0) {
      const { base } = below;
      let added = 0;
      for (const key of this.ownShape.keys) if (!base.has(key)) added++;
      below.size = base.size + added;
    }
    return below.size;
  }

  get shape(): Shape {
    if (this.below !== undefined) this.flatten(this.below.base);
    return this.ownShape;
  }

  /** Names in byte order. */
  get keys(): readonly string[] {
    return this.shape.keys;
  }

  /** Slots in the order of `keys`. */
  get values(): readonly Slot[] {
    if (this.below !== undefined) this.flatten(this.below.base);
    return this.ownValues;
  }

  /** Where each attribute was defined, in the order of `keys`. */
  get places(): Places | undefined {
    return this.shape.places;
  }

  /** The `//` operator. */
  update(right: Attrs): Attrs {
    const rightSize = right.size;
    if (rightSize === 0) return this;
    if (this.below === undefined ? this.ownValues.length === 0 : this.size === 0) return right;
    const depth = this.below === undefined ? 0 : this.below.depth;
    const isLayered =
      rightSize <= LAYER_SIZE_MAX && depth < LAYER_DEPTH_MAX && this.ownSizeAtLeast(LAYER_BASE_SIZE_MIN);
    if (isLayered) return new Attrs(right.shape, right.ownValues, { base: this, depth: depth + 1, size: -1 });
    const union = this.shape.unionWith(right.shape);
    return new Attrs(union.shape, joined(this.ownValues, right.ownValues, union.from));
  }

  /** The set without some attributes. */
  without(names: readonly string[]): Attrs {
    const { shape, kept } = this.shape.without(names);
    return kept.length === this.ownValues.length ? this : new Attrs(shape, pick(this.ownValues, kept));
  }

  private ownSizeAtLeast(size: number): boolean {
    return this.below !== undefined || this.ownValues.length >= size;
  }

  private flatten(base: Attrs): void {
    const union = base.shape.unionWith(this.ownShape);
    this.ownValues = joined(base.values, this.ownValues, union.from);
    this.ownShape = union.shape;
    this.below = undefined;
  }
}

function joined(left: readonly Slot[], right: readonly Slot[], from: readonly number[]): Slot[] {
  const size = from.length;
  const values = blankArray(size) as Slot[];
  for (let i = 0; i < size; i++) {
    const index = from[i]!;
    values[i] = index >= 0 ? right[index]! : left[-1 - index]!;
  }
  return values;
}

function pick(values: readonly Slot[], indexes: readonly number[]): Slot[] {
  const size = indexes.length;
  const picked = blankArray(size) as Slot[];
  for (let i = 0; i < size; i++) picked[i] = values[indexes[i]!]!;
  return picked;
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
  return new Attrs(new Shape(keys, places), values);
}

/** Makes a set from the properties of a record, for results that builtins make. */
export function attrsOf(record: Readonly<Record<string, Slot>>): Attrs {
  return attrsOfEntries(Object.entries(record));
}

/** Keeps the attributes at some indexes of a set, in order. */
export function attrsAt(attrs: Attrs, indexes: readonly number[]): Attrs {
  return new Attrs(shapeAt(attrs.shape, indexes, false), pick(attrs.values as Slot[], indexes));
}
