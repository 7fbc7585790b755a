/** One small HTTP request over a connection of its own. */

import { request } from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

const BODY_BYTES_MAX = 1024 * 1024;

/** The answer to a GET, or `undefined` when there was none in time. */
export function httpGet(url: string, options: { readonly timeoutMs: number }): Promise<HttpAnswer | undefined> {
  return new Promise((resolve) => {
    const fail = (): void => resolve(undefined);
    const outgoing = request(url, { agent: false, signal: AbortSignal.timeout(options.timeoutMs) }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= BODY_BYTES_MAX) chunks.push(chunk);
        else response.destroy();
      });
      response.on("error", fail);
      // Ended by us, it says neither.
      response.on("close", fail);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    outgoing.on("error", fail);
    outgoing.end();
  });
}
