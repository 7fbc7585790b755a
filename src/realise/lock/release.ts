/** An archive's `InRelease`: fetched, its signature checked, its list of index files read. */

import { OperationError } from "../../base/errors.ts";
import { parseControl } from "../../format/debian/control.ts";
import { hashBytes, hashByteString } from "../../format/hash.ts";
import { findProgram, run } from "../../system/process.ts";
import * as files from "../../system/files.ts";
import { temporaryDirectory } from "../../system/directories.ts";
import { fetchBytes } from "../../system/fetch-bytes.ts";
import type { ArchiveSource } from "./apt-sources.ts";

export interface Release {
  readonly source: ArchiveSource;
  /** Of the whole InRelease file, in base 16. */
  readonly sha256: string;
  /** As the archive wrote it. */
  readonly date: string;
  readonly validUntil: string | undefined;
  readonly byHash: boolean;
  /** SHA-256 and size by path below the suite's directory. */
  readonly files: ReadonlyMap<string, { readonly sha256: string; readonly size: number }>;
  /** Whether the mirror did not answer and an earlier download was used. */
  readonly fromCache: boolean;
}

export interface ReleaseOptions {
  readonly cacheDir: string;
  readonly keyring: string;
  readonly offline: boolean;
  /** Whether a Release past its end of validity is an error, as apt treats it. */
  readonly checkValidUntil: boolean;
  readonly now: Date;
  readonly signal: AbortSignal;
}

const RELEASE_BYTES_MAX = 16 * 1024 * 1024;

/** Fetches and verifies; falls back to the verified cached copy when the mirror cannot be reached. */
export async function openRelease(source: ArchiveSource, options: ReleaseOptions): Promise<Release> {
  const url = `${source.uri}/dists/${source.suite}/InRelease`;
  const cached = `${options.cacheDir}/InRelease-${hashByteString("sha256", url).toBase16().slice(0, 32)}`;
  let bytes: Buffer | undefined;
  let fromCache = false;
  if (!options.offline) {
    try {
      bytes = await fetchBytes(url, { signal: options.signal, sizeMax: RELEASE_BYTES_MAX });
    } catch (error) {
      const unreachable = error instanceof OperationError && /^DOWNLOAD_(FAILED|STALLED)$/.test(error.code);
      if (!unreachable || !(await files.exists(cached))) throw mirrorError(source, error);
    }
  }
  if (bytes === undefined) {
    bytes = await files.readBytesIfPresent(cached);
    fromCache = true;
    if (bytes === undefined) {
      throw new OperationError("LOCK_NOT_CACHED", `${url} was never fetched, and this is an offline run`, {
        hint: "run 'pristine lock' once with the network",
      });
    }
  }
  const text = await verifyInRelease(bytes, { url, keyring: options.keyring, signal: options.signal });
  const release = parseRelease(text, source, { sha256: hashBytes("sha256", bytes).toBase16(), fromCache });
  checkAge(release, options);
  if (!fromCache) await files.writeFileAtomic(cached, bytes, { durable: false });
  return release;
}

/** Checks the signature with `gpgv` and returns the signed text, and nothing around it. */
export async function verifyInRelease(
  bytes: Uint8Array,
  options: { readonly url: string; readonly keyring: string; readonly signal: AbortSignal },
): Promise<string> {
  if (!(await files.exists(options.keyring))) {
    throw new OperationError("LOCK_NO_KEYRING", `the Debian archive keyring ${options.keyring} is missing`, {
      hint: "install it: apt-get install debian-archive-keyring",
    });
  }
  if ((await findProgram("gpgv")) === undefined) {
    throw new OperationError("PROGRAM_MISSING", "the program 'gpgv' was not found", {
      hint: "install it: apt-get install gpgv",
    });
  }
  const directory = await files.makeTemporaryDirectory(`${temporaryDirectory()}/pristine-release-`);
  try {
    await files.writeFileAtomic(`${directory}/InRelease`, bytes, { durable: false });
    const argv = ["gpgv", "--status-fd", "1", "--keyring", options.keyring];
    const outcome = await run([...argv, "--output", `${directory}/Release`, `${directory}/InRelease`], {
      signal: options.signal,
      deadlineMs: 60_000,
      extraEnv: { LC_ALL: "C" },
    });
    const status = outcome.stdout.toString("latin1").split("\n");
    const has = (word: string): boolean => status.some((line) => line.startsWith(`[GNUPG:] ${word} `));
    // A key of several may be unknown to an older keyring; one good signature is what counts, a bad one never passes.
    if (has("GOODSIG") && has("VALIDSIG") && !has("BADSIG")) return await files.readText(`${directory}/Release`);
    throw signatureError(options, { unknownKey: has("NO_PUBKEY"), expired: has("EXPKEYSIG"), bad: has("BADSIG") });
  } finally {
    await files.removeTree(directory);
  }
}

function signatureError(
  options: { readonly url: string; readonly keyring: string },
  seen: { readonly unknownKey: boolean; readonly expired: boolean; readonly bad: boolean },
): OperationError {
  if (seen.bad) {
    return new OperationError("LOCK_BAD_SIGNATURE", `${options.url} has a bad signature: it was changed on its way`, {
      hint: "try again, or use another mirror",
    });
  }
  if (seen.unknownKey || seen.expired) {
    const what = seen.expired ? "expired in" : "not in";
    return new OperationError(
      "LOCK_UNKNOWN_KEY",
      `${options.url} is signed by a key that is ${what} ${options.keyring}`,
      {
        hint: "install a newer debian-archive-keyring package",
      },
    );
  }
  return new OperationError("LOCK_BAD_SIGNATURE", `${options.url} has no signature that can be read`, {
    hint: "check that the address is a Debian mirror and that no login page answers in its place",
  });
}

/** Reads the verified text. Throws `LOCK_BAD_RELEASE`. */
export function parseRelease(
  text: string,
  source: ArchiveSource,
  origin: { readonly sha256: string; readonly fromCache: boolean },
): Release {
  const bad = (reason: string): OperationError =>
    new OperationError("LOCK_BAD_RELEASE", `the Release of ${source.uri} ${source.suite} ${reason}`);
  const [stanza] = parseControl(text);
  const date = stanza?.get("date");
  if (stanza === undefined || date === undefined) throw bad("has no date");
  if (stanza.get("codename") !== source.suite && stanza.get("suite") !== source.suite) {
    throw bad(`is of suite '${stanza.get("codename") ?? "?"}'`);
  }
  const listed = new Map<string, { readonly sha256: string; readonly size: number }>();
  for (const line of (stanza.get("sha256") ?? "").split("\n")) {
    const [sha256, size, path, ...more] = line.trim().split(/\s+/);
    if (sha256 === undefined || sha256 === "") continue;
    if (!/^[0-9a-f]{64}$/.test(sha256) || !/^[0-9]+$/.test(size ?? "") || path === undefined || more.length > 0) {
      throw bad(`has a broken line '${line}'`);
    }
    listed.set(path, { sha256, size: Number(size) });
  }
  return {
    source,
    ...origin,
    date,
    validUntil: stanza.get("valid-until"),
    byHash: stanza.get("acquire-by-hash") === "yes",
    files: listed,
  };
}

/** An old but well signed Release could hide security updates. */
function checkAge(release: Release, options: ReleaseOptions): void {
  if (!options.checkValidUntil || options.offline || release.validUntil === undefined) return;
  if (Date.parse(release.validUntil) >= options.now.getTime()) return;
  const { uri, suite } = release.source;
  throw new OperationError("LOCK_RELEASE_EXPIRED", `${uri} ${suite} was valid until ${release.validUntil} only`, {
    hint: 'use a mirror that is up to date; for a frozen one, set Acquire::Check-Valid-Until "false" in apt\'s configuration',
  });
}

function mirrorError(source: ArchiveSource, error: unknown): unknown {
  if (!(error instanceof OperationError)) return error;
  if (error.code === "DOWNLOAD_NOT_FOUND") {
    return new OperationError("LOCK_NO_SUITE", `${source.uri} has no suite '${source.suite}'`, {
      hint: source.suite.endsWith("-security")
        ? "set PRISTINE_DEBIAN_SECURITY_MIRROR to a mirror of the security archive"
        : "set PRISTINE_DEBIAN_MIRROR to a mirror that carries it",
      cause: error,
    });
  }
  return new OperationError("LOCK_MIRROR_UNREACHABLE", `the Debian mirror cannot be reached: ${error.message}`, {
    hint: "check the network; the mirror is the one apt is configured with, or PRISTINE_DEBIAN_MIRROR",
    retryable: true,
    cause: error,
  });
}
