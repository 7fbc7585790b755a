/**
 * One HTTP request as downloads make it: watched for silence, tried again when that can help, its failures told apart.
 */

import { type Clock, systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { fileError } from "./file-error.ts";

const STALL_MS = 60_000;
const FIRST_WAIT_MS = 250;

export interface RetryOptions {
  readonly attemptsMax: number;
  readonly signal: AbortSignal;
  readonly onRetry?: ((reason: string, waitMs: number) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** Runs `once` until it succeeds or fails for good; waits longer before each attempt. */
export async function retrying<T>(options: RetryOptions, once: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    options.signal.throwIfAborted();
    try {
      return await once();
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof OperationError) || !error.retryable || attempt >= options.attemptsMax) throw error;
      const waitMs = FIRST_WAIT_MS * 2 ** (attempt - 1);
      options.onRetry?.(error.message, waitMs);
      await (options.clock ?? systemClock).sleep(waitMs, options.signal);
    }
  }
}

/** An answer with a body, whose end is an error when nothing arrives for too long. */
export interface Answer {
  readonly status: number;
  /** Where redirections led. */
  readonly url: string;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

/** The status of an answer that is a failure; the cause of the error that is thrown then. */
export class HttpStatusError extends Error {
  override readonly name = "HttpStatusError";
  readonly status: number;

  constructor(status: number, text: string) {
    super(`HTTP ${status} ${text}`.trimEnd());
    this.status = status;
  }
}

/**
 * Hands the answer to a GET to `use`. Throws `DOWNLOAD_NOT_FOUND`, `DOWNLOAD_STALLED` or `DOWNLOAD_FAILED` (also for
 * what `use` meets while it reads); a status in `accepted` is no failure.
 */
export async function httpRequest<T>(
  url: string,
  options: {
    readonly signal: AbortSignal;
    readonly headers?: Readonly<Record<string, string>>;
    readonly accepted?: readonly number[];
    readonly stallMs?: number | undefined;
  },
  use: (answer: Answer) => Promise<T>,
): Promise<T> {
  const stallMs = options.stallMs ?? STALL_MS;
  const stall = new AbortController();
  const onStall = (): void =>
    stall.abort(
      new OperationError("DOWNLOAD_STALLED", `${url}: nothing arrived for ${stallMs / 1000} seconds`, {
        retryable: true,
      }),
    );
  let timer = setTimeout(onStall, stallMs);
  try {
    const signal = AbortSignal.any([options.signal, stall.signal]);
    const response = await fetch(url, {
      signal,
      ...(options.headers === undefined ? {} : { headers: options.headers }),
    });
    const { status, headers, body } = response;
    if (!response.ok && options.accepted?.includes(status) !== true) {
      await body?.cancel();
      const cause = new HttpStatusError(status, response.statusText);
      if (status === 404 || status === 410) throw notFound(url, cause);
      throw new OperationError("DOWNLOAD_FAILED", `${url}: ${cause.message}`, {
        retryable: status >= 500 || status === 429 || status === 408,
        cause,
      });
    }
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        timer = setTimeout(onStall, stallMs);
        yield chunk;
      }
    };
    return await use({ status, url: response.url, headers, body: chunks() });
  } catch (error) {
    options.signal.throwIfAborted();
    throw downloadFailure(url, error);
  } finally {
    clearTimeout(timer);
  }
}

export function notFound(url: string, cause?: HttpStatusError): OperationError {
  return new OperationError("DOWNLOAD_NOT_FOUND", `${url} does not exist`, { cause });
}

/** Failures of a connection that trying again does not mend; nearly all others it may. */
const HOPELESS = new Set(["ENOTFOUND", "ERR_INVALID_URL", "CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT"]);

/** `fetch` wraps what happened: the innermost cause is what people can act on. */
export function downloadFailure(url: string, error: unknown): OperationError {
  let cause = error;
  while (!(cause instanceof OperationError) && cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  if (cause instanceof OperationError) return cause;
  const { code, message } = cause as { readonly code?: string; readonly message: string };
  if (code === "ENOENT") return notFound(url);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EACCES") return fileError(`downloading ${url}`, cause);
  const reason = code === undefined || message.includes(code) ? message : `${code}: ${message}`.replace(/: $/, "");
  return new OperationError("DOWNLOAD_FAILED", `${url}: ${reason}`, {
    retryable: !HOPELESS.has(code ?? ""),
    hint:
      code === "ENOTFOUND"
        ? "the server's name is not known: check the address and the network"
        : "check the network, then run the same command again: what was fetched is kept",
    cause: error,
  });
}
