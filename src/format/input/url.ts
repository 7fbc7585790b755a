/**
 * URLs as Nix reads and writes them: RFC 3986 with queries as sorted maps, path segments decoded, and some leniency
 * that flake references have always had. Text is byte strings.
 */

import { FormatError } from "../../base/errors.ts";

/** A URL that cannot be read, or that does not say what its scheme needs. */
export class UrlError extends FormatError {
  constructor(reason: string) {
    super("URL", reason);
  }
}

export interface Url {
  readonly scheme: string;
  /** As it is printed; absent when there is no `//`. */
  readonly authority?: { readonly text: string; readonly host: string };
  /** Decoded segments; the first one is empty in an absolute path. */
  readonly path: readonly string[];
  readonly query: ReadonlyMap<string, string>;
  readonly fragment: string;
}

const UNRESERVED = "A-Za-z0-9\\-._~";
const SUB_DELIMITERS = "!$&'()*+,;=";
const PERCENT_ENCODED = "%[0-9A-Fa-f]{2}";
const PATH_TEXT = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIMITERS}:@/]|${PERCENT_ENCODED})*$`);
const QUERY_TEXT = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIMITERS}:@/?[\\]]|${PERCENT_ENCODED})*$`);
const FRAGMENT_TEXT = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIMITERS}:@/?]|${PERCENT_ENCODED})*$`);
const USER_TEXT = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIMITERS}:]|${PERCENT_ENCODED})*$`);
const HOST_TEXT = new RegExp(`^(?:[${UNRESERVED}${SUB_DELIMITERS}]|${PERCENT_ENCODED})*$`);
const PARTS = /^([^:/?#]+):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([\s\S]*))?$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const PORT_MAX = 65_535;

export function percentDecode(text: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) throw new UrlError(`invalid URI parameter '${text}': bad percent encoding`);
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** Encodes what is neither unreserved nor among `kept`. */
export function percentEncode(text: string, kept = ""): string {
  return text.replace(/[^A-Za-z0-9\-._~]/g, (char) =>
    kept.includes(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

function encodeThese(text: string, chars: RegExp): string {
  return text.replace(chars, (char) => percentEncode(char));
}

/** Reads a query; with `isLenient` spaces and quotes may stand for themselves. A key without `=` does not count. */
export function decodeQuery(text: string, options: { readonly isLenient: boolean }): ReadonlyMap<string, string> {
  const fixed = options.isLenient ? encodeThese(text, /[ "]/g) : text;
  if (!QUERY_TEXT.test(fixed)) throw new UrlError(`invalid URI query '${text}'`);
  const query = new Map<string, string>();
  for (const part of fixed.split("&")) {
    const equals = part.indexOf("=");
    if (equals < 0) continue;
    const key = percentDecode(part.slice(0, equals));
    if (!query.has(key)) query.set(key, percentDecode(part.slice(equals + 1)));
  }
  return query;
}

/** `git` and `https` of `git+https`. */
export function splitScheme(scheme: string): { readonly application: string | undefined; readonly transport: string } {
  const plus = scheme.indexOf("+");
  return plus < 0
    ? { application: undefined, transport: scheme }
    : { application: scheme.slice(0, plus), transport: scheme.slice(plus + 1) };
}

/** What the parser that Nix uses says of a text that is no URL. */
function invalidUrl(text: string, reason: "leftover" | "mismatch"): UrlError {
  return new UrlError(`'${text}' is not a valid URL: ${reason}`);
}

/** Refuses a part of a URL that has characters it must encode. */
function checkPart(url: string, part: string, allowed: RegExp): void {
  if (allowed.test(part)) return;
  throw invalidUrl(url, /%(?![0-9A-Fa-f]{2})/.test(part) ? "mismatch" : "leftover");
}

function parseAuthority(url: string, text: string): { readonly text: string; readonly host: string } {
  const at = text.lastIndexOf("@");
  const user = at < 0 ? undefined : text.slice(0, at);
  const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/.exec(text.slice(at + 1));
  const host = match?.[1] ?? "";
  const port = match?.[2] ?? "";
  const isBracketed = host.startsWith("[");
  if (user !== undefined) checkPart(url, user, USER_TEXT);
  const isLiteral = host.startsWith("[") || text.slice(at + 1).startsWith("[");
  if (match === null) throw invalidUrl(url, isLiteral ? "mismatch" : "leftover");
  if (isBracketed && !/^\[[0-9A-Fa-f:.%A-Za-z]+\]$/.test(host)) throw invalidUrl(url, "mismatch");
  if (!isBracketed) checkPart(url, host, HOST_TEXT);
  if (port !== "" && (Number(port) === 0 || Number(port) > PORT_MAX)) throw new UrlError(`port '${port}' is invalid`);
  const [name, ...password] = user?.split(":") ?? [];
  let shown = "";
  if (name !== undefined) {
    shown = percentEncode(percentDecode(name));
    if (password.length > 0) shown += `:${percentEncode(percentDecode(password.join(":")))}`;
    shown += "@";
  }
  const address = isBracketed ? host : percentDecode(host);
  shown += isBracketed ? host : percentEncode(address);
  if (port !== "") shown += `:${Number(port)}`;
  return { text: shown, host: address };
}

/** Throws `UrlError`. With `isLenient` spaces, quotes and (in the fragment) `^` may stand for themselves. */
export function parseUrl(text: string, options: { readonly isLenient: boolean } = { isLenient: false }): Url {
  const match = PARTS.exec(text);
  if (match === null) {
    const isRelative = !text.startsWith(":") && QUERY_TEXT.test(text.replace("#", ""));
    throw isRelative ? new UrlError(`'${text}' doesn't have a scheme`) : invalidUrl(text, "leftover");
  }
  const scheme = match[1]!;
  if (!SCHEME.test(scheme)) throw invalidUrl(text, "mismatch");
  const { isLenient } = options;
  const query = match[4] === undefined || !isLenient ? (match[4] ?? "") : encodeThese(match[4], /[ "]/g);
  const fragment = match[5] === undefined || !isLenient ? (match[5] ?? "") : encodeThese(match[5], /[ "^]/g);
  const path = match[3]!;
  checkPart(text, path, PATH_TEXT);
  checkPart(text, query, QUERY_TEXT);
  checkPart(text, fragment, FRAGMENT_TEXT);
  const authority = match[2] === undefined ? undefined : parseAuthority(text, match[2]);
  const isFile = splitScheme(scheme).transport === "file";
  if (isFile && authority !== undefined && authority.host !== "") {
    throw new UrlError(`file:// URL '${text}' has unexpected authority '${authority.text}'`);
  }
  return {
    scheme,
    ...(authority === undefined ? {} : { authority }),
    path: (isFile && path === "" ? "/" : path).split("/").map(percentDecode),
    query: decodeQuery(query, { isLenient }),
    fragment: percentDecode(fragment),
  };
}

/** Throws nothing: what was parsed can be written. Keys of the query come in byte order. */
export function renderUrl(url: Url): string {
  let text = `${url.scheme}:${url.authority === undefined ? "" : `//${url.authority.text}`}`;
  text += url.path.map((segment) => percentEncode(segment, ":@")).join("/");
  const keys = [...url.query.keys()].sort();
  const pairs = keys.map((key) => `${percentEncode(key, ":@/?")}=${percentEncode(url.query.get(key)!, ":@/?")}`);
  if (pairs.length > 0) text += `?${pairs.join("&")}`;
  if (url.fragment !== "") text += `#${percentEncode(url.fragment)}`;
  return text;
}

/** The file name that path segments spell. */
export function pathOfSegments(segments: readonly string[]): string {
  for (const segment of segments) {
    if (segment.includes("/")) {
      throw new UrlError(`URL path component '${segment}' contains '/', which is not allowed in file names`);
    }
    if (segment.includes("\0")) {
      const shown = segment.replaceAll("\0", "\xe2\x90\x80");
      throw new UrlError(`URL path component '${shown}' contains NUL byte which is not allowed`);
    }
  }
  const isAbsolute = segments[0] === "";
  let path = isAbsolute ? "/" : "";
  for (const segment of isAbsolute ? segments.slice(1) : segments) {
    if (path !== "" && !path.endsWith("/")) path += "/";
    path += segment;
  }
  return path;
}

/** The segments of a file name. */
export function segmentsOfPath(path: string): readonly string[] {
  const names = path.split("/").filter((name) => name !== "");
  return [...(path.startsWith("/") ? [""] : []), ...names, ...(path === "" || path.endsWith("/") ? [""] : [])];
}
