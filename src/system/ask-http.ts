/** One small HTTP request over a connection of its own, whose redirections are not followed. */

import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { isIP } from "node:net";
import { getCACertificates } from "node:tls";

export interface HttpAnswer {
  readonly status: number;
  /** By name in lower case; of several with one name each. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Its beginning, when it is long. */
  readonly body: string;
}

const BODY_BYTES_MAX = 1024 * 1024;

/** The answer, or why there was none in time. Certificates are trusted as by this machine's other programs, and by Node. */
export async function askHttp(
  url: string,
  options: {
    readonly timeoutMs: number;
    readonly method?: string | undefined;
    readonly headers?: Readonly<Record<string, string>> | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<HttpAnswer | string> {
  const isTls = url.startsWith("https:");
  const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(options.timeoutMs)));
  const asked = {
    agent: false,
    method: options.method ?? "GET",
    headers: { ...options.headers },
    signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
    ...(isTls ? { ca: trusted(), servername: nameOf(url) } : {}),
  };
  return new Promise((resolve) => {
    const fail = (error?: Error): void =>
      resolve(timeout.aborted ? `no answer after ${options.timeoutMs / 1000} s` : reasonOf(error));
    const outgoing = (isTls ? requestTls : requestPlain)(url, asked, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const finish = (): void => {
        const body = Buffer.concat(chunks).subarray(0, BODY_BYTES_MAX).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: pairsOf(response.rawHeaders), body });
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size < BODY_BYTES_MAX) return;
        finish();
        response.destroy();
      });
      response.on("error", fail);
      response.on("end", finish);
    });
    outgoing.on("error", fail);
    outgoing.end();
  });
}

function pairsOf(raw: readonly string[]): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string]);
  return pairs;
}

/** Of several addresses that were tried, each has a failure of its own. */
function reasonOf(error: Error | undefined): string {
  const first = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : error;
  return first?.message ?? "the connection was closed without an answer";
}

/** Whom the certificate must be for: the URL says, whatever a header says; an address is not told to the server. */
function nameOf(url: string): string {
  const { hostname } = new URL(url);
  return isIP(hostname.replace(/^\[|]$/g, "")) === 0 ? hostname : "";
}

let authorities: string[] | undefined;

function trusted(): string[] {
  authorities ??= [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
  return authorities;
}
