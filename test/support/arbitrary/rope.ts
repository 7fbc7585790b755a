/** Program texts as trees, so that a machine can make them smaller, and the random choices that make them. */

/** A text in which parts can be exchanged for others. */
export type Rope = string | Branch;

export interface Branch {
  readonly pieces: readonly Rope[];
}

export function textOf(rope: Rope): string {
  return typeof rope === "string" ? rope : rope.pieces.map(textOf).join("");
}

const SIMPLEST = ["1", '""', "[ ]", "{ }", "null", "true", "(x: x)"];

/** Smaller texts that may do the same, the smallest first. */
export function smallerRopes(rope: Rope): readonly Rope[] {
  const size = textOf(rope).length;
  const candidates = new Map<string, Rope>();
  for (const candidate of variations(rope)) {
    const text = textOf(candidate);
    if (text.length < size) candidates.set(text, candidate);
  }
  return [...candidates].sort(([a], [b]) => a.length - b.length).map(([, candidate]) => candidate);
}

function* variations(rope: Rope): Generator<Rope> {
  if (typeof rope === "string") return;
  yield* SIMPLEST;
  yield* branchesBelow(rope);
  for (const [index, piece] of rope.pieces.entries()) {
    for (const smaller of variations(piece)) {
      yield { pieces: [...rope.pieces.slice(0, index), smaller, ...rope.pieces.slice(index + 1)] };
    }
  }
}

function* branchesBelow(branch: Branch): Generator<Rope> {
  for (const piece of branch.pieces) {
    if (typeof piece === "string") continue;
    yield piece;
    yield* branchesBelow(piece);
  }
}

/** Random numbers that are the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 up to, not including, `limit`. */
  below(limit: number): number {
    // Mulberry32: small, and good enough to choose words.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}
