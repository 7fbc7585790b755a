/**
 * Store derivations as values.
 *
 * Text that Nix treats as bytes (arguments, environment, builder) is kept as byte strings (`base/byte-string.ts`), so
 * that order and hashes are Nix's. The text form is in `derivation-aterm.ts`, hashing in `derivation-hash.ts`.
 */

import { FormatError } from "../base/errors.ts";
import { type ContentAddressMethod, contentAddressedPath } from "./content-address.ts";
import { encodeBase32 } from "./base32.ts";
import { compressHash, type Hash, type HashAlgorithm, hashByteString } from "./hash.ts";
import { compareStorePaths, outputPathName, type StorePath } from "./store-path.ts";

export type DerivationOutput =
  /** The path follows from the derivation. */
  | { readonly kind: "input-addressed"; readonly path: StorePath }
  /** The contents are known before building. */
  | { readonly kind: "fixed"; readonly method: ContentAddressMethod; readonly hash: Hash }
  /** The path follows from the contents, after building. */
  | { readonly kind: "floating"; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm }
  /** Input-addressed, but an input's path is not known yet. */
  | { readonly kind: "deferred" }
  /** Built every time, not deterministic. */
  | { readonly kind: "impure"; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm };

export interface UsedOutputs {
  /** Names of the outputs that are used. */
  readonly outputs: readonly string[];
  /** By the name of an output that is a derivation: what is used of that one. Absent when there is none. */
  readonly ofOutputs?: ReadonlyMap<string, UsedOutputs>;
}

export interface InputDerivation extends UsedOutputs {
  readonly path: StorePath;
}

export interface Derivation {
  /** The name without `.drv`. */
  readonly name: string;
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  readonly inputDerivations: readonly InputDerivation[];
  readonly inputSources: readonly StorePath[];
  readonly system: string;
  readonly builder: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
}

export type DerivationKind = "input-addressed" | "fixed" | "floating" | "impure";

/** What kind of outputs a derivation has; throws `FormatError` for a mixture. */
export function derivationKind(drv: Derivation): DerivationKind {
  let kind: DerivationKind | undefined;
  for (const output of drv.outputs.values()) {
    const own = output.kind === "deferred" ? "input-addressed" : output.kind;
    if (kind !== undefined && own !== kind) throw new FormatError("derivation", "outputs of different kinds are mixed");
    kind = own;
  }
  if (kind === undefined) throw new FormatError("derivation", "there must be at least one output");
  if (kind === "fixed" && (drv.outputs.size > 1 || !drv.outputs.has("out"))) {
    throw new FormatError("derivation", "a fixed output must be the only output and be named 'out'");
  }
  return kind;
}

/** Whether a derivation depends on outputs of derivations that are outputs themselves. */
export function isDynamic(drv: Derivation): boolean {
  for (let i = 0; i < drv.inputDerivations.length; i++) {
    if ((drv.inputDerivations[i]!.ofOutputs?.size ?? 0) > 0) return true;
  }
  return false;
}

/** The path of an output, or `undefined` while it is not known. */
export function outputPathOf(drv: Derivation, outputName: string, storeDir: string): StorePath | undefined {
  const output = drv.outputs.get(outputName);
  if (output === undefined) throw new FormatError("derivation", `'${drv.name}' has no output '${outputName}'`);
  switch (output.kind) {
    case "input-addressed":
      return output.path;
    case "fixed":
      return contentAddressedPath(storeDir, outputPathName(drv.name, outputName), output);
    case "floating":
    case "deferred":
    case "impure":
      return undefined;
  }
}

/** All store paths a `.drv` file refers to, in order. */
export function derivationReferences(drv: Derivation): StorePath[] {
  const paths = [...drv.inputSources];
  for (let i = 0; i < drv.inputDerivations.length; i++) paths.push(drv.inputDerivations[i]!.path);
  paths.sort(compareStorePaths);
  return paths.filter((path, i) => i === 0 || path.baseName !== paths[i - 1]!.baseName);
}

/** What stands for an output's path inside its own derivation while the path is not known (`builtins.placeholder`). */
export function outputPlaceholder(outputName: string): string {
  return `/${hashByteString("sha256", `nix-output:${outputName}`).toNix32()}`;
}

/**
 * What stands for the path of another derivation's output while that path is not known; `inner` are outputs of the
 * derivation that the output is, and so on.
 */
export function downstreamPlaceholder(drvPath: StorePath, outputName: string, ...inner: readonly string[]): string {
  const name = outputPathName(drvPath.name.slice(0, -".drv".length), outputName);
  let hash = hashByteString("sha256", `nix-upstream-output:${drvPath.digest}:${name}`);
  for (const output of inner) {
    const digest = encodeBase32(compressHash(hash.bytes, COMPUTED_DIGEST_SIZE));
    hash = hashByteString("sha256", `nix-computed-output:${digest}:${output}`);
  }
  return `/${hash.toNix32()}`;
}

const COMPUTED_DIGEST_SIZE = 20;
