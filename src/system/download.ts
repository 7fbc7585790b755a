/**
 * Downloads to files: continued where they stopped, retried when that can help, watched for stalling.
 *
 * Contents are not trusted here: the caller checks what arrived.
 */

import { open, stat, truncate } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Clock, systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { fileError, readChunks } from "./files.ts";

export interface DownloadOptions {
  /** Tried in turn; `http:`, `https:` and `file:`. */
  readonly urls: readonly string[];
  /** Where the bytes go. What is there already is taken as the beginning. */
  readonly file: string;
  readonly signal: AbortSignal;
  readonly onProgress?: ((bytesDone: number, bytesTotal: number | undefined) => void) | undefined;
  readonly onRetry?: ((reason: string, waitMs: number) => void) | undefined;
  readonly attemptsMax?: number | undefined;
  /** A connection that delivers nothing for so long is given up. */
  readonly stallMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface DownloadOutcome {
  readonly url: string;
  /** Bytes that came over the network now. */
  readonly fetchedBytes: number;
}

const ATTEMPTS_MAX = 5;
const STALL_MS = 60_000;
const FIRST_WAIT_MS = 250;

/** Downloads the first of the addresses that answers. Throws `DOWNLOAD_FAILED` with the last reason. */
export async function download(options: DownloadOptions): Promise<DownloadOutcome> {
  const clock = options.clock ?? systemClock;
  const attemptsMax = options.attemptsMax ?? ATTEMPTS_MAX;
  let failure: OperationError | undefined;
  for (const url of options.urls) {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      options.signal.throwIfAborted();
      try {
        return { url, fetchedBytes: await downloadOnce(url, options) };
      } catch (error) {
        options.signal.throwIfAborted();
        failure = asFailure(url, error);
        if (!failure.retryable || attempt === attemptsMax) break;
        const waitMs = FIRST_WAIT_MS * 2 ** (attempt - 1);
        options.onRetry?.(failure.message, waitMs);
        await clock.sleep(waitMs, options.signal);
      }
    }
    // Another source may have other bytes: it starts anew.
    await truncate(options.file, 0).catch(() => undefined);
    if (failure?.code === "DISK_FULL") break;
  }
  throw failure ?? new OperationError("DOWNLOAD_FAILED", "there is no address to download from");
}

async function downloadOnce(url: string, options: DownloadOptions): Promise<number> {
  const already = await sizeOf(options.file);
  if (url.startsWith("file:")) {
    await truncate(options.file, 0).catch(() => undefined);
    await writeStream(readChunks(fileURLToPath(url)), 0, undefined, options, () => undefined);
    return 0;
  }
  const stall = new AbortController();
  const stallMs = options.stallMs ?? STALL_MS;
  let timer = setTimeout(onStall, stallMs);
  function onStall(): void {
    stall.abort(
      new OperationError("DOWNLOAD_STALLED", `${url}: nothing arrived for ${stallMs / 1000} seconds`, {
        retryable: true,
      }),
    );
  }
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([options.signal, stall.signal]),
      headers: { "accept-encoding": "identity", ...(already > 0 ? { range: `bytes=${already}-` } : {}) },
    });
    if (response.status === 416) {
      // Nothing is left to send, or what we have is not a beginning of it: the caller's check decides.
      await response.body?.cancel();
      if (contentRangeSize(response) === already) return 0;
      await truncate(options.file, 0);
      throw new OperationError("DOWNLOAD_FAILED", `${url}: the partial file does not fit`, { retryable: true });
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      const retryable = response.status >= 500 || response.status === 429 || response.status === 408;
      throw new OperationError("DOWNLOAD_FAILED", `${url}: HTTP ${response.status} ${response.statusText}`.trimEnd(), {
        retryable,
      });
    }
    const offset = response.status === 206 ? already : 0;
    const length = response.headers.get("content-length");
    const total = length === null ? undefined : offset + Number(length);
    const fetched = await writeStream(response.body, offset, total, options, () => {
      clearTimeout(timer);
      timer = setTimeout(onStall, stallMs);
    });
    if (total !== undefined && offset + fetched !== total) {
      throw new OperationError("DOWNLOAD_FAILED", `${url}: the connection ended early`, { retryable: true });
    }
    return fetched;
  } finally {
    clearTimeout(timer);
  }
}

async function writeStream(
  stream: AsyncIterable<Uint8Array>,
  offset: number,
  total: number | undefined,
  options: DownloadOptions,
  onChunk: () => void,
): Promise<number> {
  const file = await open(options.file, offset === 0 ? "w" : "r+");
  let position = offset;
  try {
    for await (const chunk of stream) {
      onChunk();
      for (let start = 0; start < chunk.length;) {
        const { bytesWritten } = await file.write(chunk, start, chunk.length - start, position);
        start += bytesWritten;
        position += bytesWritten;
      }
      options.onProgress?.(position, total);
    }
  } finally {
    await file.close();
  }
  return position - offset;
}

/** The whole size that a `Content-Range` header names. */
function contentRangeSize(response: Response): number | undefined {
  const match = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  return match === null ? undefined : Number(match[1]);
}

async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    (status) => status.size,
    () => 0,
  );
}

/** System errors of a connection after which trying again makes sense, which is nearly all. */
const HOPELESS = new Set(["ENOTFOUND", "ERR_INVALID_URL", "CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT"]);

function asFailure(url: string, error: unknown): OperationError {
  if (error instanceof OperationError) return error;
  const cause = (error as { readonly cause?: unknown }).cause ?? error;
  const { code, message } = cause as { readonly code?: string; readonly message: string };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EACCES") return fileError(`downloading ${url}`, cause);
  if (code === "ENOENT")
    return new OperationError("DOWNLOAD_FAILED", `${url}: there is no such file`, { cause: error });
  return new OperationError("DOWNLOAD_FAILED", `${url}: ${code === undefined ? "" : `${code}: `}${message}`, {
    retryable: !HOPELESS.has(code ?? ""),
    hint:
      code === "ENOTFOUND"
        ? "the server's name is not known: check the address and the network"
        : "check the network, then run the same command again: what was fetched is kept",
    cause: error,
  });
}
