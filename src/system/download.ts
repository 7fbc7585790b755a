/**
 * Downloads to files: continued where they stopped, retried when that can help, watched for stalling.
 *
 * Contents are not trusted here: the caller checks what arrived.
 */

import { open, stat, truncate } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { readChunks } from "./files.ts";
import { downloadFailure, httpRequest, retrying } from "./http.ts";

export interface DownloadOptions {
  /** Tried in turn; `http:`, `https:` and `file:`. */
  readonly urls: readonly string[];
  /** Where the bytes go. What is there already is taken as the beginning. */
  readonly file: string;
  readonly signal: AbortSignal;
  readonly onProgress?: ((bytesDone: number, bytesTotal: number | undefined) => void) | undefined;
  readonly onRetry?: ((reason: string, waitMs: number) => void) | undefined;
  readonly attemptsMax?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
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
const RANGE_REFUSED = 416;
const NOT_MODIFIED = 304;

/** Downloads the first of the addresses that answers. Throws the reason of the last. */
export async function download(options: DownloadOptions): Promise<DownloadOutcome> {
  const { attemptsMax = ATTEMPTS_MAX, signal, onRetry, clock } = options;
  let failure = new OperationError("DOWNLOAD_FAILED", "there is no address to download from");
  for (const [index, url] of options.urls.entries()) {
    try {
      const fetchedBytes = await retrying({ attemptsMax, signal, onRetry, clock }, () => downloadOnce(url, options));
      return { url, fetchedBytes };
    } catch (error) {
      signal.throwIfAborted();
      failure = downloadFailure(url, error);
    }
    const isFull = failure.code === "DISK_FULL";
    // Another source may have other bytes: it starts anew. What the last one gave is continued by the next run.
    if (isFull || index + 1 < options.urls.length) await truncate(options.file, 0).catch(() => undefined);
    if (isFull) break;
  }
  throw failure;
}

export interface PlainDownloadOptions {
  readonly file: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sizeMax: number;
  readonly signal: AbortSignal;
  readonly attemptsMax: number;
}

export interface PlainAnswer {
  readonly status: number;
  readonly url: string;
  readonly headers: Headers;
}

/**
 * Downloads a file anew, with headers of the caller's; tells what the server said. A server that answers a condition
 * with "not modified" leaves the file alone.
 */
export async function downloadToFile(url: string, options: PlainDownloadOptions): Promise<PlainAnswer> {
  const { file, headers, sizeMax, signal, attemptsMax } = options;
  const bounded = async (body: AsyncIterable<Uint8Array>): Promise<number> =>
    await writeStream(atMost(body, url, sizeMax), 0, undefined, { urls: [url], file, signal });
  if (url.startsWith("file:")) {
    try {
      await bounded(readChunks(fileURLToPath(url)));
    } catch (error) {
      throw downloadFailure(url, error);
    }
    return { status: 200, url, headers: new Headers() };
  }
  return await retrying({ attemptsMax, signal }, () =>
    httpRequest(
      url,
      { signal, headers: { "accept-encoding": "identity", ...headers }, accepted: [NOT_MODIFIED] },
      async (answer) => {
        const length = answer.headers.get("content-length");
        const fetched = answer.status === NOT_MODIFIED ? 0 : await bounded(answer.body);
        if (answer.status !== NOT_MODIFIED && length !== null && fetched !== Number(length)) {
          throw new OperationError("DOWNLOAD_FAILED", `${url}: the connection ended early`, { retryable: true });
        }
        return { status: answer.status, url: answer.url, headers: answer.headers };
      },
    ),
  );
}

async function* atMost(
  chunks: AsyncIterable<Uint8Array>,
  url: string,
  sizeMax: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > sizeMax) throw new OperationError("DOWNLOAD_TOO_LARGE", `${url} is larger than ${sizeMax} bytes`);
    yield chunk;
  }
}

async function downloadOnce(url: string, options: DownloadOptions): Promise<number> {
  if (url.startsWith("file:")) {
    await truncate(options.file, 0).catch(() => undefined);
    await writeStream(readChunks(fileURLToPath(url)), 0, undefined, options);
    return 0;
  }
  const already = await sizeOf(options.file);
  const headers = {
    "accept-encoding": "identity",
    ...options.headers,
    ...(already > 0 ? { range: `bytes=${already}-` } : {}),
  };
  const { signal, stallMs } = options;
  return await httpRequest(url, { signal, stallMs, headers, accepted: [RANGE_REFUSED] }, async (answer) => {
    if (answer.status === RANGE_REFUSED) {
      // Nothing is left to send, or what we have is not a beginning of it: the caller's check decides.
      if (contentRangeSize(answer.headers) === already) return 0;
      await truncate(options.file, 0);
      throw new OperationError("DOWNLOAD_FAILED", `${url}: the partial file does not fit`, { retryable: true });
    }
    const offset = answer.status === 206 ? already : 0;
    const length = answer.headers.get("content-length");
    const total = length === null ? undefined : offset + Number(length);
    const fetched = await writeStream(answer.body, offset, total, options);
    if (total !== undefined && offset + fetched !== total) {
      throw new OperationError("DOWNLOAD_FAILED", `${url}: the connection ended early`, { retryable: true });
    }
    return fetched;
  });
}

async function writeStream(
  stream: AsyncIterable<Uint8Array>,
  offset: number,
  total: number | undefined,
  options: DownloadOptions,
): Promise<number> {
  const file = await open(options.file, offset === 0 ? "w" : "r+");
  let position = offset;
  try {
    for await (const chunk of stream) {
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
function contentRangeSize(headers: Headers): number | undefined {
  const match = /\/(\d+)$/.exec(headers.get("content-range") ?? "");
  return match === null ? undefined : Number(match[1]);
}

async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    (status) => status.size,
    () => 0,
  );
}
