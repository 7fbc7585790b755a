/** Values of the worker protocol, in the forms that its versions write them. */

import { FormatError } from "../../base/errors.ts";
import { Hash } from "../../format/hash.ts";
import { type PathInfo, sortedReferences } from "../../format/path-info.ts";
import { compareStorePaths, StorePath } from "../../format/store-path.ts";
import { readBool, readList, readString, readStrings, readUint, type Wire, type WireWriter } from "../wire.ts";

export function* readStorePath(storeDir: string): Wire<StorePath> {
  return StorePath.ofFull(yield* readString("store path"), storeDir);
}

export function readStorePaths(storeDir: string): Wire<StorePath[]> {
  return readList("store paths", () => readStorePath(storeDir));
}

/** A set: in order, each once. */
export function writeStorePaths(writer: WireWriter, paths: readonly StorePath[], storeDir: string): void {
  const unique = new Map(paths.map((path) => [path.baseName, path]));
  writer.strings([...unique.values()].sort(compareStorePaths).map((path) => path.render(storeDir)));
}

/** Metadata without the path itself. */
export function* readPathInfo(path: StorePath, storeDir: string): Wire<PathInfo> {
  const deriver = yield* readString("deriver");
  const hash = Hash.parse(yield* readString("NAR hash"), "sha256");
  if (!hash.ok) throw new FormatError("worker protocol", "the NAR hash is not a hash");
  const references = yield* readStorePaths(storeDir);
  const registrationTime = yield* readUint("registration time");
  const narSize = yield* readUint("NAR size");
  const ultimate = yield* readBool("ultimate");
  const signatures = yield* readStrings("signatures");
  const contentAddress = yield* readString("content address");
  return {
    path,
    narHash: hash.value,
    narSize,
    references,
    ...(deriver === "" ? {} : { deriver: StorePath.ofFull(deriver, storeDir) }),
    signatures,
    ...(contentAddress === "" ? {} : { contentAddress }),
    ultimate,
    registrationTime,
  };
}

/** Metadata without the path itself. */
export function writePathInfo(writer: WireWriter, info: PathInfo, storeDir: string): void {
  writer
    .string(info.deriver?.render(storeDir) ?? "")
    .string(info.narHash.toBase16())
    .strings(sortedReferences(info).map((path) => path.render(storeDir)))
    .uint(info.registrationTime)
    .uint(info.narSize)
    .bool(info.ultimate)
    .strings([...info.signatures].sort())
    .string(info.contentAddress ?? "");
}

/** What is wanted: a path, or outputs of a derivation. */
export type BuildTarget =
  | { readonly kind: "path"; readonly path: StorePath }
  | { readonly kind: "outputs"; readonly drvPath: StorePath; readonly outputs: "all" | readonly string[] };

export function renderTarget(
  target: BuildTarget,
  options: { readonly minor: number; readonly storeDir: string },
): string {
  if (target.kind === "path") return target.path.render(options.storeDir);
  const drvPath = target.drvPath.render(options.storeDir);
  // Before 1.30 a derivation by itself meant all of its outputs.
  if (target.outputs === "all") return options.minor >= 30 ? `${drvPath}!*` : drvPath;
  return `${drvPath}!${[...target.outputs].sort().join(",")}`;
}

export const BUILD_STATUSES = [
  "built",
  "substituted",
  "already-valid",
  "permanent-failure",
  "input-rejected",
  "output-rejected",
  "transient-failure",
  "cached-failure",
  "timed-out",
  "misc-failure",
  "dependency-failed",
  "log-limit-exceeded",
  "not-deterministic",
  "resolves-to-already-valid",
  "no-substituters",
  "hash-mismatch",
  "cancelled",
] as const;

export type BuildStatus = (typeof BUILD_STATUSES)[number];

export interface BuildResult {
  /** As the daemon repeats it: `/nix/store/….drv!out`. */
  readonly target: string;
  readonly status: BuildStatus;
  readonly succeeded: boolean;
  readonly message: string;
  /** Seconds since 1970. */
  readonly startTime: number;
  readonly stopTime: number;
  readonly outputs: ReadonlyMap<string, StorePath>;
}

const SUCCESSES: ReadonlySet<BuildStatus> = new Set([
  "built",
  "substituted",
  "already-valid",
  "resolves-to-already-valid",
]);

export function* readKeyedBuildResult(minor: number): Wire<BuildResult> {
  return yield* readBuildResult(yield* readString("target"), minor);
}

export function* readBuildResult(target: string, minor: number): Wire<BuildResult> {
  const number = yield* readUint("build status");
  // A status of a later version is a failure we have no word for.
  const status = BUILD_STATUSES[number] ?? "misc-failure";
  const message = yield* readString("error message");
  let startTime = 0;
  let stopTime = 0;
  if (minor >= 29) {
    yield* readUint("times built");
    yield* readBool("not deterministic");
    startTime = yield* readUint("start time");
    stopTime = yield* readUint("stop time");
  }
  if (minor >= 37) {
    for (const field of ["user time", "system time"]) if (yield* readBool(field)) yield* readUint(field);
  }
  const outputs = new Map<string, StorePath>();
  if (minor >= 28) {
    const count = yield* readUint("count of outputs", 1_000_000);
    for (let i = 0; i < count; i++) {
      const id = yield* readString("output id");
      const path = realisedPath(yield* readString("realisation"));
      outputs.set(id.slice(id.indexOf("!") + 1), path);
    }
  }
  return { target, status, succeeded: SUCCESSES.has(status), message, startTime, stopTime, outputs };
}

function realisedPath(json: string): StorePath {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new FormatError("worker protocol", "a realisation is not JSON");
  }
  const outPath = (value as { readonly outPath?: unknown } | null)?.outPath;
  if (typeof outPath !== "string") throw new FormatError("worker protocol", "a realisation has no path");
  return StorePath.of(outPath.slice(outPath.lastIndexOf("/") + 1));
}

/** What realising targets would take. */
export interface Missing {
  readonly willBuild: readonly StorePath[];
  readonly willSubstitute: readonly StorePath[];
  readonly unknown: readonly StorePath[];
  readonly downloadSize: number;
  readonly narSize: number;
}

export function* readMissing(storeDir: string): Wire<Missing> {
  return {
    willBuild: yield* readStorePaths(storeDir),
    willSubstitute: yield* readStorePaths(storeDir),
    unknown: yield* readStorePaths(storeDir),
    downloadSize: yield* readUint("download size"),
    narSize: yield* readUint("NAR size"),
  };
}
