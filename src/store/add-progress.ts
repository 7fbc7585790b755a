/** Counts for the `onProgress` of adding to a store. */

import type { AddProgress, StoreItem } from "./store.ts";

/** Counts what is added; what was there already counts as done. */
export class ProgressCounter {
  readonly #report: ((progress: AddProgress) => void) | undefined;
  readonly #pathsTotal: number;
  readonly #bytesTotal: number;
  #pathsDone: number;
  #bytesDone: number;

  constructor(
    items: readonly StoreItem[],
    missing: readonly StoreItem[],
    report: ((progress: AddProgress) => void) | undefined,
  ) {
    const bytesOf = (list: readonly StoreItem[]): number => list.reduce((sum, { info }) => sum + info.narSize, 0);
    this.#report = report;
    this.#pathsTotal = items.length;
    this.#bytesTotal = bytesOf(items);
    this.#pathsDone = items.length - missing.length;
    this.#bytesDone = this.#bytesTotal - bytesOf(missing);
    this.#tell();
  }

  /** Bytes of an object that is not complete yet. */
  sent(bytes: number): void {
    this.#bytesDone += bytes;
    this.#tell();
  }

  /** One more object is there, and with it `bytes` that were not counted as sent. */
  finished(bytes: number = 0): void {
    this.#pathsDone++;
    this.#bytesDone += bytes;
    this.#tell();
  }

  #tell(): void {
    this.#report?.({
      pathsDone: this.#pathsDone,
      pathsTotal: this.#pathsTotal,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
    });
  }
}
