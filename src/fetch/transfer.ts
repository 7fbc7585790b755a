/** Downloads as fetchers make them: to a file, asked for again only when it changed, with what the user may show. */

import { OperationError } from "../base/errors.ts";
import { textOfByteString } from "../base/byte-string.ts";
import { downloadToFile } from "../system/download.ts";
import { HttpStatusError } from "../system/http.ts";
import type { FetchSettings } from "./fetch-settings.ts";
import { loginOf } from "./netrc.ts";

/** Larger than any source; a server cannot fill the disk. */
const DOWNLOAD_BYTES_MAX = 32 * 1024 ** 3;

export interface TransferOptions {
  readonly file: string;
  readonly signal: AbortSignal;
  readonly settings: FetchSettings;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What the server said of the version we have. */
  readonly etag?: string | undefined;
}

export interface Transferred {
  /** False when the server says that the version we have is the current one. */
  readonly isNew: boolean;
  readonly etag: string;
  /** Where redirections led. */
  readonly url: string;
  /** An address that will always have these contents (`Link: <…>; rel="immutable"`). */
  readonly immutableUrl: string | undefined;
}

/** Downloads a URL (a byte string) to a file. */
export async function transfer(url: string, options: TransferOptions): Promise<Transferred> {
  const { file, signal, settings, etag } = options;
  const address = addressOf(textOfByteString(url));
  const headers: Record<string, string> = { ...options.headers };
  const login = address.login ?? (await netrcLogin(address.url, settings));
  if (login !== undefined && headers["authorization"] === undefined) {
    headers["authorization"] = `Basic ${Buffer.from(login).toString("base64")}`;
  }
  if (etag !== undefined && etag !== "") headers["if-none-match"] = etag;
  try {
    const answer = await downloadToFile(address.url, {
      file,
      signal,
      headers,
      sizeMax: DOWNLOAD_BYTES_MAX,
      attemptsMax: settings.downloadAttempts,
    });
    return {
      isNew: answer.status !== NOT_MODIFIED,
      etag: answer.headers.get("etag") ?? (answer.status === NOT_MODIFIED ? (etag ?? "") : ""),
      url: answer.url === address.url ? textOfByteString(url) : answer.url,
      immutableUrl: immutableLink(answer.headers.get("link") ?? answer.headers.get("x-amz-meta-link") ?? ""),
    };
  } catch (error) {
    signal.throwIfAborted();
    throw unableToDownload(textOfByteString(url), error);
  }
}

const NOT_MODIFIED = 304;

function immutableLink(header: string): string | undefined {
  return /^<([^>]*)>; rel="immutable"$/i.exec(header.trim())?.[1];
}

/** A request must not have a login in its address: it goes into a header. */
function addressOf(url: string): { readonly url: string; readonly login: string | undefined } {
  if (!URL.canParse(url)) return { url, login: undefined };
  const parsed = new URL(url);
  parsed.hash = "";
  if (parsed.username === "" && parsed.password === "") return { url: parsed.href, login: undefined };
  const login = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
  parsed.username = "";
  parsed.password = "";
  return { url: parsed.href, login };
}

async function netrcLogin(url: string, settings: FetchSettings): Promise<string | undefined> {
  return /^https?:/.test(url) ? await loginOf(new URL(url).hostname, settings.netrcFile) : undefined;
}

/** As Nix words it. */
function unableToDownload(url: string, error: unknown): unknown {
  if (!(error instanceof OperationError)) return error;
  const { cause } = error;
  let reason = error.message.startsWith(`${url}: `) ? error.message.slice(url.length + 2) : error.message;
  if (cause instanceof HttpStatusError) reason = `HTTP error ${cause.status}`;
  return new OperationError(error.code, `unable to download '${url}': ${reason}`, { cause: error });
}
