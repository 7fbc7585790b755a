/**
 * The error groups every layer shares (see `docs/manual/errors.md`).
 *
 * `InvariantError` is our bug, `FormatError` is bytes that are not as agreed, `OperationError` is the world.
 * Errors of the user's Nix code are `EvalError`s and live with the language.
 */

/** Our own mistake: shown as a bug, never caught except at a process edge. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Bytes from a file or a peer that do not follow their format. */
export class FormatError extends Error {
  override readonly name = "FormatError";
  readonly code = "FORMAT_INVALID";
  /** What was being read, such as `narinfo` or `derivation`. */
  readonly format: string;
  /** The byte offset of the fault, when known. */
  readonly offset: number | undefined;
  readonly reason: string;

  constructor(format: string, reason: string, offset?: number) {
    super(`${format}: ${reason}${offset === undefined ? "" : ` (at byte ${offset})`}`);
    this.format = format;
    this.reason = reason;
    this.offset = offset;
  }
}

/** Something the world refused: a file, a process, the network, a host. */
export class OperationError extends Error {
  override readonly name = "OperationError";
  /** A stable code, documented in `docs/manual/errors.md`. */
  readonly code: string;
  /** What the user can do about it. */
  readonly hint: string | undefined;
  /** Whether the same call may succeed later without any change. */
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    options: { readonly hint?: string | undefined; readonly retryable?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
  }
}
