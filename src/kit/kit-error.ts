/** How the kit refuses: a code and a sentence, printed as JSON with a non-zero exit. */

import type { KitErrorCode, KitFailure, StepName, TransactionLock, TransactionStatus } from "../machine/transaction.ts";

export class KitError extends Error {
  override readonly name = "KitError";
  readonly failure: KitFailure["error"];

  constructor(
    code: KitErrorCode,
    message: string,
    more: { readonly hint?: string; readonly lock?: TransactionLock; readonly transaction?: TransactionStatus } = {},
  ) {
    super(message);
    this.failure = { code, message, ...more };
  }
}

/** A step that could not be done; the transaction goes back. */
export class StepFailure extends Error {
  override readonly name = "StepFailure";
  readonly step: StepName;
  readonly kind: "step-failed" | "units-failed" | "health-failed" | "hook-failed";
  readonly log: readonly string[];

  constructor(step: StepName, kind: StepFailure["kind"], message: string, log: readonly string[] = []) {
    super(message);
    this.step = step;
    this.kind = kind;
    this.log = log;
  }
}
