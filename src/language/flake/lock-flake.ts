/**
 * Locking a flake: from its inputs and its old lock file to the new one.
 *
 * What the old lock file says of an input stays while the input still asks for the same; only new and changed inputs
 * are fetched. The steps and their order are Nix's, since names of nodes and messages follow from them.
 */

import {
  canonicalFlakeReference,
  type FlakeReference,
  parseFlakeReference,
  renderFlakeReference,
  sameFlakeReference,
} from "../../format/input/flake-reference.ts";
import {
  checkFollows,
  emptyLockFile,
  type InputPath,
  isLockNode,
  type Lock,
  type LockNode,
  parseLockFile,
  renderInputPath,
  samePath,
} from "../../format/input/flake-lock.ts";
import { sameAttributes, withAttributes } from "../../format/input/attributes.ts";
import { isLockedInput, relativeInputPath } from "../../format/input/input.ts";
import { canonicalPath } from "../eval/canonical-path.ts";
import { asking } from "../eval/coerce.ts";
import { invalidError, withFrame } from "../eval/eval-error.ts";
import type { Program } from "../eval/program.ts";
import { type Flake, type FlakeInput, type FlakeInputs, readFlakeFile, refusing } from "./flake-file.ts";
import { FlakeTrees, withSelfAttributes } from "./flake-trees.ts";
import { GLOBAL_REGISTRY_DEFAULT, type RegistrySettings, type RegistryUse } from "./registry.ts";

export interface LockOptions {
  /** Lock every input anew. */
  readonly recreates?: boolean;
  /** Inputs to lock anew. */
  readonly updates?: readonly InputPath[];
  /** Inputs to take from elsewhere, as `--override-input` says. */
  readonly overrides?: readonly (readonly [InputPath, FlakeReference])[];
  readonly usesRegistries: boolean;
  /** False in pure evaluation: what is not locked cannot be fetched. */
  readonly allowsUnlocked: boolean;
  /** The lock file to start from, instead of the flake's own. */
  readonly referenceLockFile?: string;
}

export interface LockedFlake {
  readonly flake: Flake;
  readonly oldLocks: LockNode;
  readonly locks: LockNode;
  /** Where the trees are that had to be looked at, as directories below store paths. */
  readonly directories: ReadonlyMap<LockNode, string>;
  /** The tree is used with locks that it does not have: it must not pass for its revision. */
  readonly isDirty: boolean;
}

/** What locking works with. */
export interface FlakeContext {
  readonly program: Program;
  readonly trees: FlakeTrees;
}

const REGISTRIES_DEFAULT: RegistrySettings = { global: GLOBAL_REGISTRY_DEFAULT, overrides: [] };

const contexts = new WeakMap<Program, FlakeContext>();

/**
 * The context of an evaluation: what one of its flakes fetched, the others need not fetch again. The registries that
 * are first named count for all of it.
 */
export function flakeContextOf(program: Program, registries: RegistrySettings = REGISTRIES_DEFAULT): FlakeContext {
  let context = contexts.get(program);
  if (context === undefined) {
    context = { program, trees: new FlakeTrees(program.state, registries) };
    contexts.set(program, context);
  }
  return context;
}

export function readFlake(
  context: FlakeContext,
  reference: FlakeReference,
  use: RegistryUse,
  options: { readonly prefix?: InputPath; readonly isFinal?: boolean } = {},
): Flake {
  const { program, trees } = context;
  const prefix = options.prefix ?? [];
  const isFinal = options.isFinal ?? false;
  let tree = isFinal ? trees.fetchFinal(reference.input) : trees.fetch(reference.input, use);
  const subdir = tree.dir ?? reference.subdir;
  const resolved = { input: tree.resolved, subdir };
  const read = (): Flake => {
    const directory = inTree(tree.storePath, subdir);
    return readFlakeFile(
      program,
      { original: reference, resolved, locked: { input: tree.locked, subdir }, directory },
      prefix,
    );
  };
  const flake = read();
  const wanted = withSelfAttributes(tree.locked, flake.selfAttrs);
  if (sameAttributes(wanted, tree.locked)) return flake;
  tree = trees.fetch(withAttributes(wanted, { narHash: undefined }), "none");
  return read();
}

function inTree(storePath: string, subdir: string): string {
  return subdir === "" ? storePath : canonicalPath(`${storePath}/${subdir}`);
}

/** The lock file beside a flake. */
function readLocks(context: FlakeContext, directory: string): LockNode {
  const { host } = context.program.state;
  const path = `${directory}/flake.lock`;
  const contents = asking(() => (host.stat(path) === undefined ? undefined : host.readFile(path)));
  return parseLocks(context, contents, path);
}

function parseLocks(context: FlakeContext, contents: string | undefined, path: string): LockNode {
  if (contents === undefined) return emptyLockFile();
  const { host } = context.program.state;
  const { root, warnings } = refusing(() => parseLockFile(contents, path));
  for (const warning of warnings) host.warn(warning, false);
  return root;
}

/** Computes the lock file of a flake. Nothing is written. */
export function lockFlake(context: FlakeContext, reference: FlakeReference, options: LockOptions): LockedFlake {
  const flake = readFlake(context, reference, options.usesRegistries ? "all" : "none");
  try {
    const { referenceLockFile } = options;
    const oldLocks =
      referenceLockFile === undefined
        ? readLocks(context, flake.directory)
        : parseLocks(
            context,
            asking(() => context.program.state.host.readConfiguration(referenceLockFile)),
            referenceLockFile,
          );
    const locker = new Locker(context, flake, options);
    locker.lockRoot(options.recreates === true ? undefined : oldLocks);
    refusing(() => checkFollows(locker.root));
    return { flake, oldLocks, locks: locker.root, directories: locker.directories, isDirty: false };
  } catch (error) {
    throw whileLocking(error, flake);
  }
}

export function whileLocking(error: unknown, flake: Flake): unknown {
  return withFrame(error, `while updating the lock file of flake '${renderFlakeReference(flake.locked)}'`, undefined);
}

interface Override {
  readonly input: FlakeInput;
  /** The directory of the flake that overrides. */
  readonly directory: string;
  readonly parent: InputPath | undefined;
  readonly isExplicit: boolean;
}

/** One flake whose inputs are to be locked. */
interface Job {
  readonly inputs: FlakeInputs;
  readonly node: LockNode;
  readonly path: InputPath;
  /** Where locks are copied from while the inputs still ask for the same. */
  readonly old: LockNode | undefined;
  /** What `follows` of the old locks are relative to. */
  readonly followsPrefix: InputPath;
  readonly directory: string;
  /** Whether `follows` of the old locks need not be confirmed by the flake itself. */
  readonly trustsLocks: boolean;
}

const NO_OVERRIDES: FlakeInputs = new Map();

function keyOf(path: InputPath): string {
  return path.join("\0");
}

function startsWithPath(path: InputPath, prefix: InputPath): boolean {
  return path.length > prefix.length && samePath(path.slice(0, prefix.length), prefix);
}

class Locker {
  readonly root: LockNode = emptyLockFile();
  readonly directories = new Map<LockNode, string>();
  readonly #context: FlakeContext;
  readonly #flake: Flake;
  readonly #options: LockOptions;
  readonly #overrides = new Map<string, { readonly path: InputPath; readonly override: Override }>();
  readonly #overridesUsed = new Set<string>();
  readonly #seen = new Set<string>();
  /** The flakes on the way from the root, to notice one that needs itself. */
  readonly #parents: FlakeReference[] = [];

  constructor(context: FlakeContext, flake: Flake, options: LockOptions) {
    this.#context = context;
    this.#flake = flake;
    this.#options = options;
    for (const [path, reference] of options.overrides ?? []) {
      const input: FlakeInput = { reference, isFlake: true, overrides: NO_OVERRIDES };
      const { directory } = flake;
      this.#overrides.set(keyOf(path), { path, override: { input, directory, parent: undefined, isExplicit: true } });
    }
  }

  lockRoot(old: LockNode | undefined): void {
    const { inputs, directory } = this.#flake;
    this.directories.set(this.root, directory);
    this.#lockInputs({ inputs, node: this.root, path: [], old, followsPrefix: [], directory, trustsLocks: false });
    for (const [path, reference] of this.#options.overrides ?? []) {
      if (this.#overridesUsed.has(keyOf(path))) continue;
      const shown = renderFlakeReference(reference);
      this.#warn(`the flag '--override-input ${renderInputPath(path)} ${shown}' does not match any input`);
    }
    for (const path of this.#options.updates ?? []) {
      if (!this.#seen.has(keyOf(path))) this.#warn(`'${renderInputPath(path)}' does not match any input of this flake`);
    }
  }

  #warn(text: string): void {
    this.#context.program.state.host.warn(text, false);
  }

  #lockInputs(job: Job): void {
    const sorted = [...job.inputs].sort(([left], [right]) => (left < right ? -1 : 1));
    for (const [id, input] of sorted) this.#noteOverrides(job, input, [...job.path, id]);
    for (const { path } of this.#overrides.values()) {
      const name = path.at(-1)!;
      if (samePath(path.slice(0, -1), job.path) && !job.inputs.has(name)) {
        this.#warn(`input '${renderInputPath(job.path)}' has an override for a non-existent input '${name}'`);
      }
    }
    for (const [id, input] of sorted) {
      const path = [...job.path, id];
      try {
        this.#lockInput(job, id, input, path);
      } catch (error) {
        throw withFrame(error, `while updating the flake input '${renderInputPath(path)}'`, undefined);
      }
    }
  }

  /** Takes up `inputs.x.inputs.y`; what a flake further up said before counts more. */
  #noteOverrides(job: Job, input: FlakeInput, prefix: InputPath): void {
    for (const [id, override] of input.overrides) {
      const path = [...prefix, id];
      const key = keyOf(path);
      const says = override.reference !== undefined || override.follows !== undefined;
      if (says && !this.#overrides.has(key)) {
        const { directory, path: parent } = job;
        this.#overrides.set(key, { path, override: { input: override, directory, parent, isExplicit: false } });
      }
      this.#noteOverrides(job, override, path);
    }
  }

  #lockInput(job: Job, id: string, declared: FlakeInput, path: InputPath): void {
    const key = keyOf(path);
    const override = this.#overrides.get(key)?.override;
    if (override !== undefined) this.#overridesUsed.add(key);
    const input = override?.input ?? declared;
    if (input.follows !== undefined) {
      job.node.inputs.set(id, input.follows);
      return;
    }
    const reference = input.reference ?? refusing(() => parseFlakeReference(id));
    const relative = relativeInputPath(reference.input);
    const parent = relative === undefined ? undefined : override === undefined ? job.path : override.parent;
    const target: Target = {
      reference,
      // Whether it is a flake is for those to say who declared it.
      isFlake: declared.isFlake,
      parent,
      relativeTo: relative === undefined ? undefined : (override?.directory ?? job.directory),
      original: override?.isExplicit === true ? (declared.reference ?? reference) : reference,
      use: override?.isExplicit === true ? "all" : this.#options.usesRegistries ? "limited" : "none",
    };
    this.#seen.add(key);
    const old = this.#oldNode(job, id, path);
    if (old !== undefined && override?.isExplicit !== true && isSameRequest(old.lock!, target)) {
      this.#keep(job, id, old, path, target);
    } else this.#create(job, id, path, target);
  }

  #oldNode(job: Job, id: string, path: InputPath): (LockNode & { readonly lock?: Lock }) | undefined {
    if (this.#options.updates?.some((update) => samePath(update, path)) === true) return undefined;
    const edge = job.old?.inputs.get(id);
    return edge !== undefined && isLockNode(edge) ? edge : undefined;
  }

  #keep(job: Job, id: string, old: LockNode, path: InputPath, target: Target): void {
    const node: LockNode = { inputs: new Map(), lock: old.lock! };
    job.node.inputs.set(id, node);
    const isAskedFor = this.#options.updates?.some((update) => startsWithPath(update, path)) === true;
    const kept = isAskedFor ? undefined : this.#keptInputs(job, old, path);
    const common = { node, path, old, followsPrefix: job.followsPrefix };
    if (kept !== undefined) {
      this.#lockInputs({ ...common, inputs: kept, directory: job.directory, trustsLocks: true });
      return;
    }
    const flake = this.#inputFlake(old.lock!.locked, path, target, true);
    this.directories.set(node, flake.directory);
    this.#lockInputs({ ...common, inputs: flake.inputs, directory: flake.directory, trustsLocks: false });
  }

  /** The inputs of a locked input as its lock has them; `undefined` when only the flake itself can tell them. */
  #keptInputs(job: Job, old: LockNode, path: InputPath): FlakeInputs | undefined {
    const inputs = new Map<string, FlakeInput>();
    for (const [name, edge] of old.inputs) {
      if (isLockNode(edge)) {
        const { original, isFlake } = edge.lock!;
        inputs.set(name, { reference: original, isFlake, overrides: NO_OVERRIDES });
        continue;
      }
      // An override that has gone may have hidden what the flake itself says.
      if (!job.trustsLocks && !this.#overrides.has(keyOf([...path, name]))) return undefined;
      inputs.set(name, { isFlake: true, follows: [...job.followsPrefix, ...edge], overrides: NO_OVERRIDES });
    }
    return inputs;
  }

  #create(job: Job, id: string, path: InputPath, target: Target): void {
    const { reference, parent, original } = target;
    const isRelative = target.relativeTo !== undefined;
    if (!this.#options.allowsUnlocked && !isRelative && !refusing(() => isLockedInput(reference.input))) {
      throw invalidError(`cannot update unlocked flake input '${renderInputPath(path)}' in pure mode`);
    }
    const lock = (locked: FlakeReference, isFlake: boolean): Lock => ({
      original,
      locked,
      isFlake,
      ...(parent === undefined ? {} : { parent }),
    });
    if (!target.isFlake) {
      const { locked, directory } = this.#plainTree(target);
      const node: LockNode = { inputs: new Map(), lock: lock(locked, false) };
      this.directories.set(node, directory);
      job.node.inputs.set(id, node);
      return;
    }
    const flake = this.#inputFlake(reference, path, target, false);
    const node: LockNode = { inputs: new Map(), lock: lock(flake.locked, true) };
    job.node.inputs.set(id, node);
    const circular = this.#parents.find((other) => sameFlakeReference(other, reference));
    if (circular !== undefined) {
      throw invalidError(`found circular import of flake '${renderFlakeReference(circular)}'`);
    }
    this.#parents.push(reference);
    try {
      this.directories.set(node, flake.directory);
      const old = readLocks(this.#context, flake.directory);
      const { inputs, directory } = flake;
      this.#lockInputs({ inputs, node, path, old, followsPrefix: path, directory, trustsLocks: false });
    } finally {
      this.#parents.pop();
    }
  }

  #inputFlake(reference: FlakeReference, prefix: InputPath, target: Target, isFinal: boolean): Flake {
    if (target.relativeTo === undefined) return readFlake(this.#context, reference, target.use, { prefix, isFinal });
    const directory = resolveRelative(target);
    const source = { original: reference, resolved: reference, locked: reference, directory };
    return readFlakeFile(this.#context.program, source, prefix);
  }

  #plainTree(target: Target): { readonly locked: FlakeReference; readonly directory: string } {
    const { reference } = target;
    if (target.relativeTo !== undefined) return { locked: reference, directory: resolveRelative(target) };
    const use = this.#options.usesRegistries ? "limited" : "none";
    const tree = this.#context.trees.fetch(reference.input, use);
    return { locked: { input: tree.locked, subdir: reference.subdir }, directory: tree.storePath };
  }
}

/** An input that is to be locked. */
interface Target {
  readonly reference: FlakeReference;
  readonly isFlake: boolean;
  readonly parent: InputPath | undefined;
  /** The directory that a relative path is relative to. */
  readonly relativeTo: string | undefined;
  /** What goes into the lock file as asked for: an explicit override does not change that. */
  readonly original: FlakeReference;
  readonly use: RegistryUse;
}

function isSameRequest(lock: Lock, target: Target): boolean {
  if (!sameFlakeReference(canonicalFlakeReference(lock.original), canonicalFlakeReference(target.reference))) {
    return false;
  }
  const { parent } = lock;
  if (parent === undefined || target.parent === undefined) return parent === target.parent;
  return samePath(parent, target.parent);
}

function resolveRelative(target: Target): string {
  return canonicalPath(`${target.relativeTo!}/${relativeInputPath(target.reference.input)!}`);
}
