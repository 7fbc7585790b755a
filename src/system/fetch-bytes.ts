/** Fetches small and middle-sized files as a whole: indexes, single packages. `http:`, `https:` and `file:` are known. */

import { fileURLToPath } from "node:url";
import { OperationError } from "../base/errors.ts";
import { readBytesIfPresent } from "./files.ts";
import { httpRequest, notFound, retrying } from "./http.ts";

export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly sizeMax: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly attemptsMax?: number | undefined;
  readonly onProgress?: (progress: { readonly bytesDone: number }) => void;
}

const ATTEMPTS_MAX = 3;

/** The contents at `url`. Throws `DOWNLOAD_TOO_LARGE`, and what `httpRequest` throws. */
export async function fetchBytes(url: string, options: FetchOptions): Promise<Buffer> {
  if (url.startsWith("file:")) return await readLocal(url, options.sizeMax);
  const { signal, headers = {}, attemptsMax = ATTEMPTS_MAX } = options;
  return await retrying({ attemptsMax, signal }, () =>
    httpRequest(url, { signal, headers }, async ({ body }) => {
      const chunks: Uint8Array[] = [];
      let bytesDone = 0;
      for await (const chunk of body) {
        bytesDone += chunk.length;
        if (bytesDone > options.sizeMax) throw tooLarge(url, options.sizeMax);
        chunks.push(chunk);
        options.onProgress?.({ bytesDone });
      }
      return Buffer.concat(chunks);
    }),
  );
}

async function readLocal(url: string, sizeMax: number): Promise<Buffer> {
  const bytes = await readBytesIfPresent(fileURLToPath(url));
  if (bytes === undefined) throw notFound(url);
  if (bytes.length > sizeMax) throw tooLarge(url, sizeMax);
  return bytes;
}

function tooLarge(url: string, sizeMax: number): OperationError {
  return new OperationError("DOWNLOAD_TOO_LARGE", `${url} is larger than the ${sizeMax} bytes it may have`);
}
