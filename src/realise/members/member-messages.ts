/** What the threads that evaluate members of one set say to each other. */

import type { EvaluationReads } from "../cache/world-reads.ts";
import type { EvaluationRequest, EvaluationResult } from "../evaluation-request.ts";

export interface MembersAsked {
  readonly request: EvaluationRequest;
  readonly names: readonly string[];
  /** See `Claims`. */
  readonly claims: SharedArrayBuffer;
}

/** What one of them has evaluated. */
export interface MembersAnswered extends Pick<EvaluationResult, "derivations" | "sources"> {
  readonly texts: ReadonlyMap<string, string>;
  readonly reads: EvaluationReads["reads"];
}

/** Which members have been taken: each is evaluated by the thread that took it. */
export class Claims {
  readonly shared: SharedArrayBuffer;
  readonly #taken: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#taken = new Int32Array(shared);
  }

  static of(count: number): Claims {
    return new Claims(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
  }

  /** Whether the member was still free, and is now the caller's. */
  take(index: number): boolean {
    return Atomics.compareExchange(this.#taken, index, 0, 1) === 0;
  }
}
