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

/** Smaller sets are searched one name after the other. */
const LINEAR_SIZE_MAX = 12;
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
  declare private searches: number;
  declare private derived: Derived | undefined;

  constructor(keys: readonly string[], places?: Places, isFixed = false) {
    this.keys = keys;
    this.places = places;
    this.isFixed = isFixed;
    this.index = undefined;
    this.searches = 0;
    this.derived = undefined;
  }

  indexOf(name: string): number {
    const keys = this.keys;
    const size = keys.length;
    if (size <= LINEAR_SIZE_MAX) {
      // Names of the program are interned, so that nearly all of these compare pointers.
      for (let i = 0; i < size; i++) if (keys[i] === name) return i;
      return -1;
    }
    const { index } = this;
    if (index !== undefined) return index.get(name) ?? -1;
    return this.search(name);
  }

  private search(name: string): number {
    const { keys } = this;
    const size = keys.length;
    // An index costs about as much as half as many searches; most sets are searched a few times.
    if (++this.searches > size >> 1) {
      const index = new Map<string, number>();
      for (let i = 0; i < size; i++) index.set(keys[i]!, i);
      this.index = index;
      return index.get(name) ?? -1;
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

  /** The same names, defined nowhere. */
  get withoutPlaces(): Shape {
    if (this.places === undefined) return this;
    this.derived ??= new Derived();
    return (this.derived.withoutPlaces ??= new Shape(this.keys, undefined, this.isFixed));
  }

  /** How a set of this shape and one of `right` become one. */
  unionWith(right: Shape): Union {
    if (!this.isFixed || !right.isFixed) return unionOf(this, right);
    const derived = (this.derived ??= new Derived());
    // Most places join the same two shapes every time.
    if (derived.lastRight === right) return derived.lastUnion!;
    let union = derived.unions?.get(right);
    if (union === undefined) {
      union = unionOf(this, right);
      if (derived.lastRight !== undefined) {
        const unions = (derived.unions ??= new Map([[derived.lastRight, derived.lastUnion!]]));
        if (unions.size < DERIVED_MAX) unions.set(right, union);
      }
    }
    derived.lastRight = right;
    derived.lastUnion = union;
    return union;
  }

  /** What is left without some names. */
  without(names: readonly string[]): Removal {
    if (!this.isFixed) return removalOf(this, names);
    const key = names.length === 1 ? names[0]! : names.join("\0");
    const removals = ((this.derived ??= new Derived()).removals ??= new Map<string, Removal>());
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
  lastRight: Shape | undefined = undefined;
  lastUnion: Union | undefined = undefined;
  /** Once there are several. */
  unions: Map<Shape, Union> | undefined = undefined;
  removals: Map<string, Removal> | undefined = undefined;
  withoutPlaces: Shape | undefined = undefined;
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
  const from = blankArray(unionSizeOf(leftKeys, rightKeys)) as number[];
  const size = from.length;
  const isPlaced = left.places !== undefined || right.places !== undefined;
  // Sets of data come with the same names more often than not.
  const keys = size === leftSize ? undefined : (blankArray(size) as string[]);
  const places = isPlaced ? (blankArray(size) as (Place | undefined)[]) : undefined;
  let i = 0;
  let j = 0;
  for (let next = 0; next < size; next++) {
    const isShared = i < leftSize && j < rightSize && leftKeys[i] === rightKeys[j];
    if (isShared || i >= leftSize || (j < rightSize && rightKeys[j]! < leftKeys[i]!)) {
      if (keys !== undefined) keys[next] = rightKeys[j]!;
      if (places !== undefined) places[next] = right.places?.[j];
      from[next] = j++;
      if (isShared) i++;
    } else {
      if (keys !== undefined) keys[next] = leftKeys[i]!;
      if (places !== undefined) places[next] = left.places?.[i];
      from[next] = -1 - i++;
    }
  }
  return { shape: new Shape(keys ?? leftKeys, places, left.isFixed && right.isFixed), from };
}

function unionSizeOf(left: readonly string[], right: readonly string[]): number {
  let shared = 0;
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const key = left[i]!;
    const other = right[j]!;
    if (key === other) {
      shared++;
      i++;
      j++;
    } else if (key < other) i++;
    else j++;
  }
  return left.length + right.length - shared;
}

function removalOf(shape: Shape, names: readonly string[]): Removal {
  const { keys } = shape;
  const kept: number[] = [];
  const only = names.length === 1 ? names[0] : undefined;
  const removed = only === undefined ? new Set(names) : undefined;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (removed === undefined ? key !== only : !removed.has(key)) kept.push(i);
  }
  return { shape: kept.length === keys.length ? shape : shapeAt(shape, kept, shape.isFixed), kept };
}

function shapeAt({ keys, places }: Shape, indexes: readonly number[], isFixed: boolean): Shape {
  return new Shape(pick(keys, indexes), places === undefined ? undefined : pick(places, indexes), isFixed);
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
      const { keys } = this.ownShape;
      for (let i = 0; i < keys.length; i++) if (!base.has(keys[i]!)) added++;
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

  /** How many values are kept here; the others lie below. */
  get ownSize(): number {
    return this.ownValues.length;
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

function pick<T>(values: readonly T[], indexes: readonly number[]): T[] {
  const size = indexes.length;
  const picked = blankArray(size) as T[];
  for (let i = 0; i < size; i++) picked[i] = values[indexes[i]!]!;
  return picked;
}

/** A name, its slot, and where it was defined. */
export type AttrEntry = readonly [name: string, slot: Slot, place?: Place | undefined];

/** Makes a set from entries in any order; of two with one name the first counts. */
export function attrsOfEntries(entries: readonly AttrEntry[]): Attrs {
  if (entries.length === 0) return Attrs.empty;
  const sorted = isSorted(entries) ? entries : entries.toSorted(byName);
  const size = sortedSizeOf(sorted);
  const keys = blankArray(size) as string[];
  const values = blankArray(size) as Slot[];
  const places = blankArray(size) as (Place | undefined)[];
  let isPlaced = false;
  for (let i = 0, next = 0; i < sorted.length; i++) {
    const entry = sorted[i]!;
    if (next > 0 && keys[next - 1] === entry[0]) continue;
    keys[next] = entry[0];
    values[next] = entry[1];
    const place = entry[2];
    places[next++] = place;
    if (place !== undefined) isPlaced = true;
  }
  return new Attrs(new Shape(keys, isPlaced ? places : undefined), values);
}

function byName(left: AttrEntry, right: AttrEntry): number {
  return left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0;
}

function isSorted(entries: readonly AttrEntry[]): boolean {
  for (let i = 1; i < entries.length; i++) if (entries[i]![0] < entries[i - 1]![0]) return false;
  return true;
}

/** How many names there are in sorted entries. */
function sortedSizeOf(entries: readonly AttrEntry[]): number {
  let size = 1;
  for (let i = 1; i < entries.length; i++) if (entries[i]![0] !== entries[i - 1]![0]) size++;
  return size;
}

/** Makes a set from the properties of a record, for results that builtins make. */
export function attrsOf(record: Readonly<Record<string, Slot>>): Attrs {
  return attrsOfEntries(Object.entries(record));
}

/** Keeps the attributes at some indexes of a set, in order. */
export function attrsAt(attrs: Attrs, indexes: readonly number[]): Attrs {
  return new Attrs(shapeAt(attrs.shape, indexes, false), pick(attrs.values, indexes));
}
