/**
 * Derivation hashes modulo fixed outputs, and the paths that follow from them.
 *
 * Two derivations that differ only in how a fixed output is fetched have the same hash here, so that a new mirror does
 * not rebuild the world.
 */

import { InvariantError } from "../base/errors.ts";
import { contentAddressedPath, renderMethodAlgorithm, textPath } from "./content-address.ts";
import { type Derivation, derivationKind, type DerivationOutput, derivationReferences } from "./derivation.ts";
import { encodeDerivation, renderDerivation } from "./derivation-aterm.ts";
import { type Hash, hashByteString } from "./hash.ts";
import { outputPath, outputPathName, type StorePath } from "./store-path.ts";

export interface ModuloHash {
  /** The same for all outputs, except that a fixed output has its own. */
  readonly hash: Hash;
  /** Whether paths cannot follow from it, because an input's path is known only after building. */
  readonly deferred: boolean;
}

/**
 * Hashes derivations, remembering those that were hashed.
 *
 * `read` gives a derivation that was not `remember`ed; it is asked once per derivation.
 */
export class DerivationHasher {
  readonly storeDir: string;
  readonly #read: (path: StorePath) => Derivation;
  readonly #known = new Map<string, ModuloHash>();

  constructor(storeDir: string, read: (path: StorePath) => Derivation) {
    this.storeDir = storeDir;
    this.#read = read;
  }

  /** The hash by which other derivations refer to the derivation at `path`. */
  hashOf(path: StorePath): ModuloHash {
    const known = this.#known.get(path.baseName);
    if (known !== undefined) return known;
    return this.remember(path, this.#read(path));
  }

  /** Like `hashOf`, for a derivation the caller has at hand. */
  remember(path: StorePath, drv: Derivation): ModuloHash {
    const hash = this.#hash(drv, false);
    this.#known.set(path.baseName, hash);
    return hash;
  }

  /** The hash that a derivation's own output paths are made from: its output paths count as empty. */
  hashForOutputs(drv: Derivation): ModuloHash {
    return this.#hash(drv, true);
  }

  /**
   * Completes a derivation whose input-addressed outputs are still `deferred`: output paths go into `outputs` and into
   * the variables named like the outputs. Outputs stay deferred when an input's path is not known.
   */
  fillOutputs(drv: Derivation): Derivation {
    const kind = derivationKind(drv);
    if (kind === "floating" || kind === "impure") return drv;
    const outputs = new Map(drv.outputs);
    const env = new Map(drv.env);
    const modulo = kind === "fixed" ? undefined : this.hashForOutputs(drv);
    for (const [name, output] of drv.outputs) {
      const path = this.#pathOf(drv, name, output, modulo);
      if (path === undefined) continue;
      if (output.kind !== "fixed") outputs.set(name, { kind: "input-addressed", path });
      env.set(name, path.render(this.storeDir));
    }
    return { ...drv, outputs, env };
  }

  #pathOf(
    drv: Derivation,
    outputName: string,
    output: DerivationOutput,
    modulo: ModuloHash | undefined,
  ): StorePath | undefined {
    if (output.kind === "fixed") {
      return contentAddressedPath(this.storeDir, outputPathName(drv.name, outputName), output);
    }
    if (modulo === undefined || modulo.deferred) return undefined;
    return outputPath(this.storeDir, outputName, modulo.hash, drv.name);
  }

  #hash(drv: Derivation, maskOutputs: boolean): ModuloHash {
    const kind = derivationKind(drv);
    if (kind === "fixed") return { hash: this.#fixedHash(drv), deferred: false };
    let deferred = kind !== "input-addressed";
    const inputs = new Map<string, Set<string>>();
    for (const { path, outputs } of drv.inputDerivations) {
      const input = this.hashOf(path);
      if (input.deferred) deferred = true;
      const key = input.hash.toBase16();
      const names = inputs.get(key) ?? new Set();
      for (const name of outputs) names.add(name);
      // An input of which nothing is used does not count.
      if (names.size > 0) inputs.set(key, names);
    }
    const sorted = [...inputs.keys()].sort().map((key) => [key, [...inputs.get(key)!].sort()] as const);
    const text = renderDerivation(drv, this.storeDir, { maskOutputs, inputs: sorted });
    return { hash: hashByteString("sha256", text), deferred };
  }

  #fixedHash(drv: Derivation): Hash {
    const output = drv.outputs.get("out");
    if (output?.kind !== "fixed") throw new InvariantError("a fixed derivation without a fixed output");
    const path = contentAddressedPath(this.storeDir, drv.name, output).render(this.storeDir);
    const algorithm = renderMethodAlgorithm(output.method, output.hash.algorithm);
    return hashByteString("sha256", `fixed:out:${algorithm}:${output.hash.toBase16()}:${path}`);
  }
}

/** The store path of a `.drv` file, and its bytes. */
export function derivationPath(
  drv: Derivation,
  storeDir: string,
): { readonly path: StorePath; readonly aterm: Uint8Array; readonly references: readonly StorePath[] } {
  const aterm = encodeDerivation(drv, storeDir);
  const references = derivationReferences(drv);
  return { path: textPath(storeDir, `${drv.name}.drv`, aterm, references), aterm, references };
}
