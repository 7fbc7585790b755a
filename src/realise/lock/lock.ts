/**
 * `pristine lock`: resolves the packages a fleet names against a Debian suite and writes `pristine.lock`.
 *
 * Trust runs from the archive's key down: InRelease by signature, indexes by the hashes in it, packages by the hashes
 * in those. Downloads are kept by hash, so that a second run needs the network only for the small InRelease files, and
 * an offline run needs none.
 */

import { OperationError } from "../../base/errors.ts";
import { FormatError } from "../../base/errors.ts";
import { hashBytes } from "../../format/hash.ts";
import { cacheDirectory, type Environment } from "../../system/directories.ts";
import * as files from "../../system/files.ts";
import { fetchBytes } from "../../system/fetch-bytes.ts";
import { findProgram, run, succeeded } from "../../system/process.ts";
import {
  archiveSources,
  type AptFile,
  MIRROR_VARIABLE,
  parseAptSources,
  SECURITY_MIRROR_VARIABLE,
} from "./apt-sources.ts";
import { BOOTSTRAP_PACKAGE, bootstrapNarHash, extractBusybox, writeBootstrap } from "./bootstrap.ts";
import { decompressXz } from "./decompress.ts";
import {
  BOOTSTRAP_DIRECTORY_NAME,
  type Lock,
  LOCK_VERSION,
  type LockBootstrap,
  type LockChange,
  lockChanges,
  type LockPackage,
  parseLock,
  renderLock,
} from "./lock-file.ts";
import { PackageIndex, type PackageRecord } from "./suite-packages.ts";
import { openRelease, type Release } from "./release.ts";
import { resolvePackages, type Resolution } from "./resolve.ts";

export type DebianArchitecture = "amd64" | "arm64";

export const DEFAULT_SUITE = "trixie";
export const DEFAULT_ARCHITECTURES: readonly DebianArchitecture[] = ["amd64", "arm64"];
const KEYRING_VARIABLE = "PRISTINE_DEBIAN_KEYRING";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** What happened, for progress and the log. */
export type LockEvent =
  | {
      readonly kind: "release";
      readonly uri: string;
      readonly suite: string;
      readonly date: string;
      readonly fromCache: boolean;
    }
  | { readonly kind: "download"; readonly url: string; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly kind: "index"; readonly architecture: string; readonly packages: number }
  | { readonly kind: "resolved"; readonly architecture: string; readonly packages: number; readonly bytes: number }
  | { readonly kind: "warning"; readonly message: string };

export interface IndexOptions {
  readonly suite?: string | undefined;
  readonly architectures?: readonly DebianArchitecture[] | undefined;
  /** Use only what was fetched before. */
  readonly offline?: boolean | undefined;
  readonly mirror?: string | undefined;
  readonly securityMirror?: string | undefined;
  readonly keyring?: string | undefined;
  readonly env?: Environment | undefined;
  readonly onEvent?: ((event: LockEvent) => void) | undefined;
  readonly now?: Date | undefined;
  /** Whether an expired Release is an error; without it, as apt is configured. */
  readonly checkValidUntil?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** The verified indexes of a suite. */
export interface DebianIndexes {
  readonly suite: string;
  readonly releases: readonly Release[];
  readonly architectures: ReadonlyMap<string, PackageIndex>;
  /** Versions by name and architecture: what `lockNames` evaluates a fleet with. */
  versions(): Record<string, Record<string, string>>;
}

/** Fetches, verifies and reads the indexes. */
export async function openIndexes(options: IndexOptions): Promise<DebianIndexes> {
  const env = options.env ?? process.env;
  const suite = options.suite ?? DEFAULT_SUITE;
  const cacheDir = `${cacheDirectory(env)}/indexes`;
  await files.ensureDirectory(cacheDir);
  const sources = archiveSources(parseAptSources(await readAptSources()), suite, {
    mirror: options.mirror ?? nonEmpty(env[MIRROR_VARIABLE]),
    securityMirror: options.securityMirror ?? nonEmpty(env[SECURITY_MIRROR_VARIABLE]),
  });
  const releaseOptions = {
    cacheDir,
    keyring: options.keyring ?? nonEmpty(env[KEYRING_VARIABLE]) ?? KEYRING,
    offline: options.offline ?? false,
    checkValidUntil: options.checkValidUntil ?? (await aptChecksValidity(options.signal)),
    now: options.now ?? new Date(),
    signal: options.signal,
  };
  const releases = await Promise.all(sources.map((source) => openRelease(source, releaseOptions)));
  for (const { source, date, fromCache } of releases) {
    options.onEvent?.({ kind: "release", uri: source.uri, suite: source.suite, date, fromCache });
    if (fromCache && !releaseOptions.offline) {
      warn(options, `${source.uri} does not answer: using what was fetched of ${source.suite} before (${date})`);
    }
  }
  const wanted = options.architectures ?? DEFAULT_ARCHITECTURES;
  const texts = await Promise.all(
    wanted.map((architecture) =>
      Promise.all(releases.map((release) => openPackages(release, architecture, { ...options, cacheDir }))),
    ),
  );
  const architectures = new Map<string, PackageIndex>();
  wanted.forEach((architecture, i) => {
    const index = new PackageIndex();
    texts[i]?.forEach((text, source) => index.add(text, source));
    architectures.set(architecture, index);
    options.onEvent?.({ kind: "index", architecture, packages: index.size });
  });
  return {
    suite,
    releases,
    architectures,
    versions: () => Object.fromEntries([...architectures].map(([name, index]) => [name, index.versions()])),
  };
}

export interface LockOptions {
  /** Where to write the lock; the bootstrap directory goes beside it. */
  readonly lockPath: string;
  /** The names each architecture needs. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  readonly offline?: boolean | undefined;
  readonly env?: Environment | undefined;
  readonly onEvent?: ((event: LockEvent) => void) | undefined;
  readonly signal: AbortSignal;
}

export interface LockOutcome {
  readonly lock: Lock;
  /** Against the lock that was there before. */
  readonly changes: readonly LockChange[];
  readonly resolutions: ReadonlyMap<string, Resolution>;
}

/** Resolves the names and writes the lock and its bootstrap directory. Nothing is written when anything fails. */
export async function writeLock(indexes: DebianIndexes, options: LockOptions): Promise<LockOutcome> {
  const before = await readLock(options.lockPath);
  const directory = options.lockPath.replace(/[^/]*$/, "") || "./";
  const resolutions = new Map<string, Resolution>();
  const bootstrap: Record<string, LockBootstrap> = {};
  const binaries: { readonly path: string; readonly busybox: Uint8Array }[] = [];
  for (const architecture of Object.keys(options.names).sort()) {
    const index = indexes.architectures.get(architecture);
    if (index === undefined) {
      throw new OperationError("LOCK_NO_ARCHITECTURE", `no index was read for architecture '${architecture}'`, {
        hint: `known architectures: ${[...indexes.architectures.keys()].join(", ")}`,
      });
    }
    const resolution = resolvePackages(index, options.names[architecture] ?? []);
    resolutions.set(architecture, resolution);
    const bytes = [...resolution.packages.values()].reduce((sum, { record }) => sum + record.size, 0);
    options.onEvent?.({ kind: "resolved", architecture, packages: resolution.packages.size, bytes });
    for (const { name, other, field, relation } of resolution.conflicts) {
      warn(options, `${name} and ${other} do not go together on one host (${field}: ${relation})`);
    }
    const [record] = resolvePackages(index, [BOOTSTRAP_PACKAGE]).packages.values();
    const busybox = await extractBusybox(await fetchPackage(indexes, record!.record, options), options.signal);
    const path = `${BOOTSTRAP_DIRECTORY_NAME}/${architecture}`;
    binaries.push({ path: directory + path, busybox });
    bootstrap[architecture] = {
      package: BOOTSTRAP_PACKAGE,
      version: record!.record.version,
      path,
      narHash: bootstrapNarHash(busybox),
    };
  }
  const lock: Lock = {
    version: LOCK_VERSION,
    suite: indexes.suite,
    sources: indexes.releases.map(({ source, sha256, date }) => ({ ...source, inReleaseSha256: sha256, date })),
    bootstrap,
    architectures: Object.fromEntries([...resolutions].map(([name, resolution]) => [name, packagesOf(resolution)])),
  };
  warnOfOlder(before, lock, options);
  options.signal.throwIfAborted();
  await files.ensureDirectory(directory);
  for (const { path, busybox } of binaries) await writeBootstrap(path, busybox);
  await files.writeFileAtomic(options.lockPath, renderLock(lock));
  return { lock, changes: lockChanges(before, lock), resolutions };
}

/** Opens the indexes, asks which packages the fleet names given their versions, and writes the lock. */
export async function lockFleet(
  options: Omit<LockOptions, "names"> &
    IndexOptions & {
      readonly namesOf: (
        versions: Record<string, Record<string, string>>,
        signal: AbortSignal,
      ) => Promise<Readonly<Record<string, readonly string[]>>>;
    },
): Promise<LockOutcome> {
  const indexes = await openIndexes(options);
  const names = await options.namesOf(indexes.versions(), options.signal);
  return await writeLock(indexes, { ...options, names });
}

/** The lock at `path`, or `undefined` when there is none or it cannot be read (it is about to be replaced). */
async function readLock(path: string): Promise<Lock | undefined> {
  const text = await files.readTextIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return parseLock(text);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function packagesOf(resolution: Resolution): Record<string, LockPackage> {
  const packages: Record<string, LockPackage> = {};
  for (const [name, { record, depends }] of resolution.packages) {
    const { version, source, filename, sha256, size, installedSize } = record;
    packages[name] = { version, source, filename, sha256, size, installedSize, depends };
  }
  return packages;
}

async function openPackages(
  release: Release,
  architecture: string,
  options: IndexOptions & { readonly cacheDir: string },
): Promise<string> {
  const { source } = release;
  const path = `${source.component}/binary-${architecture}/Packages.xz`;
  const listed = release.files.get(path);
  if (listed === undefined) {
    throw new OperationError("LOCK_NO_ARCHITECTURE", `${source.uri} ${source.suite} has no ${path}`);
  }
  const below = release.byHash ? `${source.component}/binary-${architecture}/by-hash/SHA256/${listed.sha256}` : path;
  const compressed = await fetchVerified(`${source.uri}/dists/${source.suite}/${below}`, listed, {
    ...options,
    cachePath: `${options.cacheDir}/${listed.sha256}.xz`,
  });
  // The fields that are read are ASCII; one byte per character takes half the memory.
  return (await decompressXz(compressed, options.signal)).toString("latin1");
}

async function fetchPackage(indexes: DebianIndexes, record: PackageRecord, options: LockOptions): Promise<Buffer> {
  const { uri } = indexes.releases[record.source]!.source;
  const cacheDir = `${cacheDirectory(options.env ?? process.env)}/downloads`;
  await files.ensureDirectory(cacheDir);
  return await fetchVerified(`${uri}/${record.filename}`, record, {
    ...options,
    cachePath: `${cacheDir}/sha256-${record.sha256}`,
  });
}

/** A file by its hash: from the cache, else from the mirror and then kept. */
async function fetchVerified(
  url: string,
  expected: { readonly sha256: string; readonly size: number },
  options: {
    readonly cachePath: string;
    readonly offline?: boolean | undefined;
    readonly onEvent?: ((event: LockEvent) => void) | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Buffer> {
  const cached = await files.readBytesIfPresent(options.cachePath);
  if (cached !== undefined && hashBytes("sha256", cached).toBase16() === expected.sha256) return cached;
  if (options.offline === true) {
    throw new OperationError("LOCK_NOT_CACHED", `${url} was not fetched before, and this is an offline run`, {
      hint: "run 'pristine lock' once with the network",
    });
  }
  const bytes = await fetchBytes(url, {
    signal: options.signal,
    sizeMax: expected.size,
    onProgress: ({ bytesDone }) => options.onEvent?.({ kind: "download", url, bytesDone, bytesTotal: expected.size }),
  });
  const found = hashBytes("sha256", bytes).toBase16();
  if (found !== expected.sha256) {
    throw new OperationError(
      "LOCK_HASH_MISMATCH",
      `${url} is not what the archive signed\n  expected SHA256 ${expected.sha256}\n  found    SHA256 ${found}`,
      { hint: "the mirror may be in the middle of an update or damaged: try again, or use another", retryable: true },
    );
  }
  await files.writeFileAtomic(options.cachePath, bytes, { durable: false });
  return bytes;
}

/** A mirror that goes back in time takes security updates away. */
function warnOfOlder(before: Lock | undefined, after: Lock, options: LockOptions): void {
  for (const source of after.sources) {
    const old = before?.sources.find((one) => one.suite === source.suite);
    if (old !== undefined && Date.parse(old.date) > Date.parse(source.date)) {
      warn(
        options,
        `${source.uri} ${source.suite} is of ${source.date}, older than the lock it replaces (${old.date})`,
      );
    }
  }
}

function warn(options: { readonly onEvent?: ((event: LockEvent) => void) | undefined }, message: string): void {
  options.onEvent?.({ kind: "warning", message });
}

async function readAptSources(): Promise<AptFile[]> {
  const directory = "/etc/apt/sources.list.d";
  const names = (await files.namesIn(directory)).filter((name) => /\.(?:list|sources)$/.test(name));
  const paths = ["/etc/apt/sources.list", ...names.map((name) => `${directory}/${name}`)];
  const texts = await Promise.all(paths.map((path) => files.readTextIfPresent(path)));
  return paths.flatMap((path, i) => (texts[i] === undefined ? [] : [{ path, text: texts[i] }]));
}

/** A machine that is set to accept old Release files says so to us as well. */
async function aptChecksValidity(signal: AbortSignal): Promise<boolean> {
  if ((await findProgram("apt-config")) === undefined) return true;
  const argv = ["apt-config", "dump", "--format", "%v%n", "Acquire::Check-Valid-Until"];
  const outcome = await run(argv, { signal, deadlineMs: 10_000 });
  return !succeeded(outcome) || !/^(?:false|no|off|0)$/i.test(outcome.stdout.toString("utf8").trim());
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
