/** A deployer's process: once it is killed, nothing that it waits for comes, and nothing that it would do is done. */

import type { Clock } from "../../../src/base/clock.ts";
import { EPOCH_MS } from "./simulated-host.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Thrown into whatever the process is at. */
export class Gone extends Error {
  override readonly name = "Gone";
}

export class DeployerProcess {
  readonly name: string;
  readonly time: VirtualTime;
  readonly clock: Clock;
  isAlive = true;
  readonly #waiting = new Set<(error: Error) => void>();

  constructor(name: string, time: VirtualTime, wallOffsetMs: () => number) {
    this.name = name;
    this.time = time;
    this.clock = {
      nowMs: () => time.nowMs,
      wallClock: () => new Date(EPOCH_MS + time.nowMs + wallOffsetMs()),
      sleep: (durationMs, signal) => this.wait(time.sleep(durationMs), signal === undefined ? {} : { signal }),
    };
  }

  /** Before everything that it does. */
  requireAlive(): void {
    if (!this.isAlive) throw new Gone(`${this.name} is not there any more`);
  }

  /** Waits for something, unless the process is killed, the signal comes, or the time is up. */
  wait<T>(
    work: Promise<T>,
    until: {
      readonly signal?: AbortSignal;
      readonly deadline?: { readonly ms: number; readonly error: () => Error };
    } = {},
  ): Promise<T> {
    const { signal, deadline } = until;
    return new Promise<T>((resolve, reject) => {
      const fail = (error: Error): void => {
        this.#waiting.delete(fail);
        signal?.removeEventListener("abort", onAbort);
        reject(error);
      };
      const onAbort = (): void => fail(signal?.reason as Error);
      this.#waiting.add(fail);
      const isWaiting = (): boolean => this.#waiting.has(fail);
      work.then((value) => {
        this.#waiting.delete(fail);
        signal?.removeEventListener("abort", onAbort);
        resolve(value);
      }, fail);
      if (!this.isAlive) fail(new Gone(`${this.name} is not there any more`));
      else if (signal?.aborted === true) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
      if (deadline !== undefined)
        this.time.at(this.time.nowMs + deadline.ms, () => isWaiting() && fail(deadline.error()));
    });
  }

  kill(): void {
    this.isAlive = false;
    for (const fail of this.#waiting) fail(new Gone(`${this.name} was killed`));
  }
}
