/**
 * Derivation hashes modulo fixed outputs, and the paths that follow from them.
 *
 * Two derivations that differ only in how a fixed output is fetched have the same hash here, so that a new mirror does
 * not rebuild the world.
 */

import { bytesOfByteString } from "../base/byte-string.ts";
import { InvariantError } from "../base/errors.ts";
import { contentAddressedPath, renderMethodAlgorithm, textPath } from "./content-address.ts";
import { type Derivation, derivationKind, type DerivationOutput, derivationReferences } from "./derivation.ts";
import { DerivationText, encodeDerivation, type RenderedInput } from "./derivation-aterm.ts";
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
  /** What `instantiate` made and nothing asked the hash of yet. */
  readonly #made = new Map<string, { readonly drv: Derivation; readonly text: DerivationText }>();

  constructor(storeDir: string, read: (path: StorePath) => Derivation) {
    this.storeDir = storeDir;
    this.#read = read;
  }

  /** The hash by which other derivations refer to the derivation at `path`. */
  hashOf(path: StorePath): ModuloHash {
    const key = path.baseName;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = this.#made.get(key);
    if (made === undefined) return this.remember(path, this.#read(path));
    this.#made.delete(key);
    const hash = this.#hash(made.drv, made.text);
    this.#known.set(key, hash);
    return hash;
  }

  /** Like `hashOf`, for a derivation the caller has at hand. */
  remember(path: StorePath, drv: Derivation): ModuloHash {
    const hash = this.#hash(drv, new DerivationText(drv, this.storeDir));
    this.#known.set(path.baseName, hash);
    return hash;
  }

  /**
   * Completes a derivation whose input-addressed outputs are still `deferred`: output paths go into `outputs` and into
   * the variables named like the outputs. Outputs stay deferred when an input's path is not known.
   */
  fillOutputs(drv: Derivation): Derivation {
    return this.#fill(drv, new DerivationText(drv, this.storeDir), new Map(drv.env));
  }

  /** Completes a derivation like `fillOutputs`, whose variables it takes over, and makes its file. */
  instantiate(incomplete: Derivation & { readonly env: Map<string, string> }): InstantiatedFile {
    const { storeDir } = this;
    const before = new DerivationText(incomplete, storeDir);
    const variables = incomplete.env.size;
    const drv = this.#fill(incomplete, before, incomplete.env);
    const text = drv.env.size === variables ? before : new DerivationText(drv, storeDir);
    const aterm = bytesOfByteString(text.render(drv));
    const references = derivationReferences(drv);
    const path = textPath(storeDir, `${drv.name}.drv`, aterm, references);
    if (!this.#known.has(path.baseName)) this.#made.set(path.baseName, { drv, text });
    return { drv, path, aterm, references };
  }

  #fill(drv: Derivation, text: DerivationText, env: Map<string, string>): Derivation {
    const kind = derivationKind(drv);
    if (kind === "floating" || kind === "impure") return drv;
    const outputs = new Map(drv.outputs);
    const modulo = kind === "fixed" ? undefined : this.#hashForOutputs(drv, text);
    drv.outputs.forEach((output, name) => {
      const path = this.#pathOf(drv, name, output, modulo);
      if (path === undefined) return;
      if (output.kind !== "fixed") outputs.set(name, { kind: "input-addressed", path });
      env.set(name, path.render(this.storeDir));
    });
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

  /** The hash that a derivation's own output paths are made from: its output paths count as empty. */
  #hashForOutputs(drv: Derivation, text: DerivationText): ModuloHash {
    const { inputs, deferred } = this.#inputsOf(drv);
    return { hash: hashByteString("sha256", text.renderMasked(drv, inputs)), deferred };
  }

  #hash(drv: Derivation, text: DerivationText): ModuloHash {
    const kind = derivationKind(drv);
    if (kind === "fixed") return { hash: this.#fixedHash(drv), deferred: false };
    const { inputs, deferred } = this.#inputsOf(drv);
    const isDeferred = deferred || kind !== "input-addressed";
    return { hash: hashByteString("sha256", text.render(drv, inputs)), deferred: isDeferred };
  }

  /** The inputs by their hashes, and whether the path of one of them is not known. */
  #inputsOf(drv: Derivation): { readonly inputs: readonly RenderedInput[]; readonly deferred: boolean } {
    let deferred = false;
    const outputsOf = new Map<string, readonly string[]>();
    for (let i = 0; i < drv.inputDerivations.length; i++) {
      const { path, outputs } = drv.inputDerivations[i]!;
      const input = this.hashOf(path);
      if (input.deferred) deferred = true;
      // An input of which nothing is used does not count.
      if (outputs.length === 0) continue;
      const key = input.hash.toBase16();
      const others = outputsOf.get(key);
      outputsOf.set(key, others === undefined ? outputs : [...new Set([...others, ...outputs])]);
    }
    const keys = [...outputsOf.keys()].sort();
    return { inputs: keys.map((key) => [key, outputsOf.get(key)!.toSorted()] as const), deferred };
  }

  #fixedHash(drv: Derivation): Hash {
    const output = drv.outputs.get("out");
    if (output?.kind !== "fixed") throw new InvariantError("a fixed derivation without a fixed output");
    const path = contentAddressedPath(this.storeDir, drv.name, output).render(this.storeDir);
    const algorithm = renderMethodAlgorithm(output.method, output.hash.algorithm);
    return hashByteString("sha256", `fixed:out:${algorithm}:${output.hash.toBase16()}:${path}`);
  }
}

/** A complete derivation, and its file. */
export interface InstantiatedFile {
  readonly drv: Derivation;
  readonly path: StorePath;
  readonly aterm: Uint8Array;
  readonly references: readonly StorePath[];
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
