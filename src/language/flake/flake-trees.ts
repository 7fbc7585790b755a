/** The trees of flakes and their inputs: fetched once per evaluation, checked against what their locks say. */

import { requireInputFeatures } from "../builtins/features.ts";
import { sourcePath } from "../../format/content-address.ts";
import {
  type InputAttrs,
  inputNarHash,
  inputRevision,
  integerAttribute,
  renderInputAttrs,
  textAttribute,
  withAttributes,
} from "../../format/input/attributes.ts";
import { renderInput } from "../../format/input/input.ts";
import { asking } from "../eval/coerce.ts";
import { invalidError, withFrame } from "../eval/eval-error.ts";
import type { EvalState } from "../eval/state.ts";
import { refusing } from "./flake-file.ts";
import { Registries, type RegistrySettings, type RegistryUse } from "./registry.ts";

export interface FlakeTree {
  readonly storePath: string;
  /** The input after the registries. */
  readonly resolved: InputAttrs;
  /** The input with all that fetching it told. */
  readonly locked: InputAttrs;
  /** The directory that a registry adds. */
  readonly dir: string | undefined;
}

export class FlakeTrees {
  readonly #state: EvalState;
  readonly #registries: Registries;
  readonly #fetched = new Map<string, FlakeTree>();
  readonly #final = new Map<string, string>();

  constructor(state: EvalState, settings: RegistrySettings) {
    this.#state = state;
    this.#registries = new Registries(state.host, settings);
  }

  /** Fetches an input that may still be unlocked. */
  fetch(input: InputAttrs, use: RegistryUse): FlakeTree {
    const key = renderInputAttrs(input);
    const known = this.#fetched.get(key);
    if (known !== undefined) return known;
    const { input: resolved, dir } = refusing(() => this.#registries.resolve(input, use));
    const tree = { ...this.#fetchDirect(resolved), resolved, dir };
    this.#fetched.set(key, tree);
    return tree;
  }

  /** Fetches what a lock file holds: nothing is learnt from it that the lock does not say already. */
  fetchFinal(input: InputAttrs): FlakeTree {
    const key = renderInputAttrs(input);
    let storePath = this.#final.get(key);
    if (storePath === undefined) {
      storePath = this.#storedPath(input) ?? this.#fetchAgain(input);
      this.#final.set(key, storePath);
    }
    return { storePath, resolved: input, locked: input, dir: undefined };
  }

  /** Forgets an input whose tree this evaluation changed. */
  forget(input: InputAttrs): void {
    this.#fetched.delete(renderInputAttrs(input));
  }

  /** Where the tree is in the store already. */
  #storedPath(input: InputAttrs): string | undefined {
    const hash = refusing(() => inputNarHash(input));
    if (hash === undefined) return undefined;
    const { storeDir } = this.#state.settings;
    const path = sourcePath(storeDir, textAttribute(input, "name") ?? "source", hash).render(storeDir);
    const { host } = this.#state;
    if (!asking(() => host.isValidPath(path))) return undefined;
    host.allowTree(path);
    return path;
  }

  #fetchAgain(input: InputAttrs): string {
    return this.#describing(input, () => {
      requireInputFeatures(this.#state, input);
      const { storePath, attrs } = asking(() => this.#state.host.fetchTree(input));
      for (const name of [...input.keys()].sort()) {
        const found = attrs.get(name);
        if (found === undefined || found === input.get(name)) continue;
        // Old lock files lack the padding of the hash.
        if (name === "narHash" && inputNarHash(input)?.toSri() === found) continue;
        const [wanted, got] = [renderInputAttrs(input), renderInputAttrs(attrs)];
        throw invalidError(`mismatch in field '${name}' of input '${wanted}', got '${got}'`);
      }
      return storePath;
    });
  }

  #fetchDirect(input: InputAttrs): Pick<FlakeTree, "storePath" | "locked"> {
    return this.#describing(input, () => {
      requireInputFeatures(this.#state, input);
      const { storePath, attrs } = asking(() => this.#state.host.fetchTree(input));
      checkKept(input, attrs);
      return { storePath, locked: attrs };
    });
  }

  #describing<T>(input: InputAttrs, work: () => T): T {
    try {
      return refusing(work);
    } catch (error) {
      throw withFrame(error, `while fetching the input '${renderInput(input)}'`, undefined);
    }
  }
}

/** Refuses a tree that is not what was asked for. */
function checkKept(asked: InputAttrs, found: InputAttrs): void {
  const wanted = inputNarHash(asked)?.toSri();
  const got = inputNarHash(found)?.toSri();
  if (wanted !== undefined && got !== wanted) {
    const shown = got === undefined ? "none" : `'${got}'`;
    throw invalidError(`NAR hash mismatch in input '${renderInput(asked)}', expected '${wanted}' but got ${shown}`);
  }
  for (const name of ["lastModified", "revCount"]) {
    const count = integerAttribute(asked, name);
    if (count === undefined || integerAttribute(found, name) === count) continue;
    const comparison = name === "revCount" ? `${count}` : `${count}, got ${integerAttribute(found, name) ?? -1}`;
    throw invalidError(`'${name}' attribute mismatch in input '${renderInput(found)}', expected ${comparison}`);
  }
  const revision = inputRevision(asked);
  if (revision !== undefined && inputRevision(found) !== revision) {
    throw invalidError(`'rev' attribute mismatch in input '${renderInput(found)}', expected ${revision}`);
  }
}

/** The tree at a revision of its own, for settings that a flake makes for itself. */
export function withSelfAttributes(input: InputAttrs, self: InputAttrs): InputAttrs {
  for (const name of [...self.keys()].sort()) {
    if (name !== "submodules" && name !== "lfs") {
      throw invalidError(`flake 'self' attribute '${name}' is not supported`);
    }
  }
  return withAttributes(input, Object.fromEntries(self));
}
