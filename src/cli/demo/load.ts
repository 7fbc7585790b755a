/** Steady requests against the demo's page, counted, so that a chapter can say how many were lost and for how long. */

import { systemClock } from "../../base/clock.ts";
import { askHttp } from "../../system/ask-http.ts";

export interface LoadReport {
  readonly requests: number;
  readonly answered: number;
  readonly lost: number;
  /** The longest time without an answered request. */
  readonly longestGapMs: number;
  /** How often each body was seen. */
  readonly bodies: ReadonlyMap<string, number>;
}

const PAUSE_MS = 25;
const REQUESTS_MAX = 60_000;

/** Requests `url` one after the other until stopped; the number of requests is bounded. */
export class Load {
  readonly #url: string;
  readonly #abort = new AbortController();
  readonly #bodies = new Map<string, number>();
  #requests = 0;
  #answered = 0;
  #lastAnswerMs = performance.now();
  #longestGapMs = 0;
  readonly #running: Promise<void>;

  constructor(url: string) {
    this.#url = url;
    this.#running = this.#run();
  }

  async stop(): Promise<LoadReport> {
    this.#abort.abort();
    await this.#running;
    this.#longestGapMs = Math.max(this.#longestGapMs, performance.now() - this.#lastAnswerMs);
    return {
      requests: this.#requests,
      answered: this.#answered,
      lost: this.#requests - this.#answered,
      longestGapMs: Math.round(this.#longestGapMs),
      bodies: this.#bodies,
    };
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted && this.#requests < REQUESTS_MAX) {
      const answer = await askHttp(this.#url, { timeoutMs: 2_000 });
      this.#requests++;
      if (typeof answer !== "string" && answer.status === 200) {
        const nowMs = performance.now();
        this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAnswerMs);
        this.#lastAnswerMs = nowMs;
        this.#answered++;
        const key = answer.body.trim();
        this.#bodies.set(key, (this.#bodies.get(key) ?? 0) + 1);
      }
      await systemClock.sleep(PAUSE_MS);
    }
  }
}
