/** Time that passes only when everybody waits: the next thing that is due happens then, in an order that never varies. */

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  readonly ring: () => void;
}

export class VirtualTime {
  #nowMs = 0;
  #rung = 0;
  /** The next comes last. */
  readonly #alarms: Alarm[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, ring: () => void): void {
    const alarm: Alarm = { atMs: Math.max(atMs, this.#nowMs), order: this.#rung++, ring };
    let [low, high] = [0, this.#alarms.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#alarms[middle]!;
      if (other.atMs > alarm.atMs) low = middle + 1;
      else high = middle;
    }
    this.#alarms.splice(low, 0, alarm);
  }

  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.at(this.#nowMs + durationMs, resolve);
    });
  }

  /** Lets time pass until `work` is done. */
  async runUntilDone<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = work.finally(() => (isDone = true));
    // A failure is thrown below; until then nobody waits for it.
    settled.catch(() => undefined);
    for (await everybodyWaits(); !isDone; await everybodyWaits()) {
      const next = this.#alarms.pop();
      if (next === undefined) throw new Error("everybody waits, and nothing is due");
      this.#nowMs = next.atMs;
      next.ring();
    }
    return await settled;
  }
}

/** All that follows from what has happened has run: only what is due later is left. */
function everybodyWaits(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
