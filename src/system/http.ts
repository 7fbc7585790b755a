/**
 * Fetches small and middle-sized files as a whole: indexes, single packages. `http:`, `https:` and `file:` are known.
 *
 * Every wait is bounded, failures that may pass are retried, and an error says which URL it was.
 */

import { fileURLToPath } from "node:url";
import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { readBytesIfPresent } from "./files.ts";

export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly sizeMax: number;
  /** How long the server may be silent. */
  readonly idleTimeoutMs?: number;
  readonly attempts?: number;
  readonly onProgress?: (progress: { readonly bytesDone: number; readonly bytesTotal: number | undefined }) => void;
}

const IDLE_TIMEOUT_MS = 30_000;
const ATTEMPTS = 3;
const RETRY_DELAY_MS = 500;

/** The contents at `url`. Throws `DOWNLOAD_NOT_FOUND`, `DOWNLOAD_TOO_LARGE` or `DOWNLOAD_FAILED`. */
export async function fetchBytes(url: string, options: FetchOptions): Promise<Buffer> {
  if (url.startsWith("file:")) return await readLocal(url, options.sizeMax);
  const attempts = options.attempts ?? ATTEMPTS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchOnce(url, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof OperationError) || !error.retryable || attempt >= attempts) throw error;
      await systemClock.sleep(RETRY_DELAY_MS * 2 ** (attempt - 1), options.signal);
    }
  }
}

async function readLocal(url: string, sizeMax: number): Promise<Buffer> {
  const bytes = await readBytesIfPresent(fileURLToPath(url));
  if (bytes === undefined) throw notFound(url);
  if (bytes.length > sizeMax) throw tooLarge(url, sizeMax);
  return bytes;
}

async function fetchOnce(url: string, options: FetchOptions): Promise<Buffer> {
  const idle = new AbortController();
  const idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
  let timer = setTimeout(() => idle.abort(), idleTimeoutMs);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([options.signal, idle.signal]), redirect: "follow" });
    if (response.status === 404 || response.status === 410) throw notFound(url);
    if (!response.ok || response.body === null) {
      const retryable = response.status >= 500 || response.status === 429;
      throw new OperationError("DOWNLOAD_FAILED", `${url}: the server answered ${response.status}`, { retryable });
    }
    const length = response.headers.get("content-length");
    const bytesTotal = length === null || response.headers.has("content-encoding") ? undefined : Number(length);
    const chunks: Uint8Array[] = [];
    let bytesDone = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(() => idle.abort(), idleTimeoutMs);
      bytesDone += chunk.length;
      if (bytesDone > options.sizeMax) throw tooLarge(url, options.sizeMax);
      chunks.push(chunk);
      options.onProgress?.({ bytesDone, bytesTotal });
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof OperationError || options.signal.aborted) throw error;
    const reason = idle.signal.aborted ? `no answer for ${idleTimeoutMs / 1000} seconds` : reasonOf(error);
    throw new OperationError("DOWNLOAD_FAILED", `${url} cannot be fetched: ${reason}`, {
      hint: "check the network and the mirror's address, then run the command again: what was fetched is kept",
      retryable: true,
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** `fetch` wraps what happened: the innermost cause is what people can act on. */
function reasonOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  const { message = "", code = "unknown reason" } = (inner ?? {}) as {
    readonly message?: string;
    readonly code?: string;
  };
  return message === "" ? code : message;
}

function notFound(url: string): OperationError {
  return new OperationError("DOWNLOAD_NOT_FOUND", `${url} does not exist`);
}

function tooLarge(url: string, sizeMax: number): OperationError {
  return new OperationError("DOWNLOAD_TOO_LARGE", `${url} is larger than the ${sizeMax} bytes it may have`);
}
