/**
 * Lock files: the graph of a flake's inputs, each with what was asked for and what it was locked to.
 *
 * Read in versions 5 to 7 and written in version 7, byte for byte as Nix writes it: names of nodes follow from the
 * order in which the inputs are visited, objects have sorted keys. Text is byte strings.
 */

import { byteStringOfText, textOfByteString } from "../../base/byte-string.ts";
import { type InputAttribute, type InputAttrs, InputError, integerAttribute, renderInputAttrs } from "./attributes.ts";
import {
  type FlakeReference,
  flakeReferenceAttributes,
  flakeReferenceOfAttributes,
  renderFlakeReference,
  sameFlakeReference,
} from "./flake-reference.ts";
import { isLockedInput, relativeInputPath } from "./input.ts";

/** Names of inputs from the root on. */
export type InputPath = readonly string[];

/** What an input is locked to, or the path of the input that it follows. */
export type LockEdge = LockNode | InputPath;

export interface LockNode {
  readonly inputs: Map<string, LockEdge>;
  /** Absent in the root. */
  readonly lock?: Lock;
}

export interface Lock {
  readonly original: FlakeReference;
  readonly locked: FlakeReference;
  readonly isFlake: boolean;
  /** The input that a relative path is relative to. */
  readonly parent?: InputPath;
}

export interface ParsedLockFile {
  readonly root: LockNode;
  readonly warnings: readonly string[];
}

const VERSION = 7;
const VERSION_MIN = 5;

export function emptyLockFile(): LockNode {
  return { inputs: new Map() };
}

export function isLockNode(edge: LockEdge): edge is LockNode {
  return !Array.isArray(edge);
}

export function renderInputPath(path: InputPath): string {
  return path.join("/");
}

/** Parses `a/b/c`. Throws `InputError`. */
export function parseInputPath(text: string): InputPath {
  const path = text.split("/").filter((element) => element !== "");
  for (const element of path) {
    if (!/^[a-zA-Z][a-zA-Z0-9_-]*$/.test(element)) {
      throw new InputError(`invalid flake input attribute path element '${element}'`);
    }
  }
  return path;
}

// Reading.

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the text of a lock file; `name` is for messages. Throws `InputError`. */
export function parseLockFile(text: string, name: string): ParsedLockFile {
  const json = parseJson(text, name);
  const version = isObject(json) ? (json["version"] ?? 0) : 0;
  if (!isObject(json) || typeof version !== "number" || version < VERSION_MIN || version > VERSION) {
    throw new InputError(`lock file '${name}' has unsupported version ${JSON.stringify(version)}`);
  }
  return new LockFileReader(json, name).read();
}

function parseJson(text: string, name: string): unknown {
  try {
    // Numbers that JavaScript would round are kept as they are written.
    return JSON.parse(textOfByteString(text), (_key, value: unknown, context?: { readonly source?: string }) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^[0-9]+$/.test(context?.source ?? "")
        ? BigInt(context!.source!)
        : value,
    );
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InputError(`Could not parse '${name}': ${byteStringOfText(error.message)}`);
  }
}

class LockFileReader {
  readonly #nodes: JsonObject;
  readonly #rootKey: string;
  readonly #name: string;
  readonly #read = new Map<string, LockNode>();
  readonly #warnings: string[] = [];

  constructor(json: JsonObject, name: string) {
    const nodes = json["nodes"];
    const rootKey = json["root"];
    this.#name = name;
    if (!isObject(nodes) || typeof rootKey !== "string") throw this.#fault("it has no nodes or no root");
    this.#nodes = nodes;
    this.#rootKey = rootKey;
  }

  read(): ParsedLockFile {
    const root = emptyLockFile();
    this.#readInputs(root, this.#nodes[this.#rootKey]);
    return { root, warnings: this.#warnings };
  }

  #fault(what: string): InputError {
    return new InputError(`lock file '${this.#name}' is damaged: ${what}`);
  }

  #readInputs(node: LockNode, json: unknown): void {
    const inputs = isObject(json) ? (json["inputs"] ?? {}) : undefined;
    if (!isObject(inputs)) throw this.#fault("a node or its inputs are not objects");
    for (const [name, edge] of entriesOf(inputs)) node.inputs.set(name, this.#edge(edge));
  }

  #edge(json: unknown): LockEdge {
    if (Array.isArray(json)) return json.map((element) => this.#text(element));
    const key = this.#text(json);
    if (key === byteStringOfText(this.#rootKey)) throw new InputError("lock file contains cycle to root node");
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const members = this.#nodes[textOfByteString(key)];
    if (members === undefined) throw new InputError(`lock file references missing node '${key}'`);
    if (!isObject(members)) throw this.#fault(`node '${key}' is not an object`);
    const node: LockNode = { inputs: new Map(), lock: this.#lock(members) };
    this.#read.set(key, node);
    this.#readInputs(node, members);
    return node;
  }

  #text(value: unknown): string {
    if (typeof value !== "string") throw this.#fault("the name of an input is not a string");
    return byteStringOfText(value);
  }

  #lock(json: JsonObject): Lock {
    const locked = this.#reference(json, "locked", json["info"]);
    const original = this.#reference(json, "original", undefined);
    if (!isLockedInput(locked.input) && relativeInputPath(locked.input) === undefined) this.#checkUnlocked(locked);
    const flake = json["flake"];
    if (flake !== undefined && typeof flake !== "boolean") throw this.#fault("'flake' is neither true nor false");
    const parent = json["parent"];
    if (parent !== undefined && !Array.isArray(parent)) throw this.#fault("a parent is not a list");
    return {
      locked,
      original,
      isFlake: flake ?? true,
      ...(parent === undefined ? {} : { parent: parent.map((element) => this.#text(element)) }),
    };
  }

  #checkUnlocked(locked: FlakeReference): void {
    if (!locked.input.has("narHash")) {
      const shown = renderInputAttrs(locked.input);
      throw new InputError(
        `Lock file contains unlocked input '${shown}'. Use '--allow-dirty-locks' to accept this lock file.`,
      );
    }
    this.#warnings.push(
      `Lock file entry '${renderFlakeReference(locked)}' is unlocked (e.g. lacks a Git revision) but is checked by NAR hash. This is not reproducible and will break after garbage collection or when shared.`,
    );
  }

  #reference(json: JsonObject, name: string, more: unknown): FlakeReference {
    if (json[name] === undefined) throw new InputError(`attribute '${name}' missing in lock file`);
    const attrs = new Map([...this.#attributes(json[name]), ...(more === undefined ? [] : this.#attributes(more))]);
    return flakeReferenceOfAttributes(attrs);
  }

  #attributes(json: unknown): InputAttrs {
    if (!isObject(json)) throw this.#fault("what describes an input is not an object");
    const attrs = new Map<string, InputAttribute>();
    for (const [name, value] of entriesOf(json)) {
      if (typeof value === "string") attrs.set(name, byteStringOfText(value));
      else if (typeof value === "number" && Number.isInteger(value) && value < 0) {
        const unsigned = BigInt.asUintN(64, BigInt(value));
        throw new InputError(`unsigned json number ${unsigned} outside of Nix integer range`);
      } else if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
        attrs.set(name, value);
      } else throw new InputError("unsupported input attribute type in lock file");
    }
    return attrs;
  }
}

/** The members of an object, names as byte strings and in byte order. */
function entriesOf(json: JsonObject): [string, unknown][] {
  const entries = Object.entries(json).map(([name, value]): [string, unknown] => [byteStringOfText(name), value]);
  return entries.sort(([left], [right]) => (left < right ? -1 : 1));
}

// Writing.

type Json = string | number | bigint | boolean | readonly Json[] | ReadonlyMap<string, Json>;

export interface RenderedLockFile {
  /** The text, without a newline at its end. */
  readonly text: string;
  /** The same on one line. */
  readonly compact: string;
  /** What each node is called in it. */
  readonly keys: ReadonlyMap<LockNode, string>;
}

export function renderLockFile(root: LockNode): RenderedLockFile {
  const keys = new Map<LockNode, string>();
  const nodes = new Map<string, Json>();
  const taken = new Set<string>();
  const visit = (wanted: string, node: LockNode): string => {
    const known = keys.get(node);
    if (known !== undefined) return known;
    let key = wanted;
    for (let number = 2; taken.has(key); number++) key = `${wanted}_${number}`;
    taken.add(key);
    keys.set(node, key);
    const json = new Map<string, Json>();
    const inputs = new Map<string, Json>();
    for (const [name, edge] of sortedInputs(node)) inputs.set(name, isLockNode(edge) ? visit(name, edge) : edge);
    if (inputs.size > 0) json.set("inputs", inputs);
    if (node.lock !== undefined) addLock(json, node.lock);
    nodes.set(key, json);
    return key;
  };
  const rootKey = visit("root", root);
  const json = new Map<string, Json>([
    ["version", VERSION],
    ["root", rootKey],
    ["nodes", nodes],
  ]);
  return { text: renderJson(json, "\n"), compact: renderJson(json, ""), keys };
}

function addLock(json: Map<string, Json>, lock: Lock): void {
  json.set("original", flakeReferenceAttributes(lock.original));
  json.set("locked", flakeReferenceAttributes(lock.locked));
  if (!lock.isFlake) json.set("flake", false);
  if (lock.parent !== undefined) json.set("parent", lock.parent);
}

function sortedInputs(node: LockNode): [string, LockEdge][] {
  return [...node.inputs].sort(([left], [right]) => (left < right ? -1 : 1));
}

/** JSON with sorted keys; on lines of their own, indented by two, when `newline` is one. */
function renderJson(json: Json, newline: string): string {
  if (typeof json === "string") return byteStringOfText(JSON.stringify(textOfByteString(json)));
  if (typeof json !== "object") return String(json);
  const inner = newline === "" ? "" : `${newline}  `;
  const isList = Array.isArray(json);
  const members = isList
    ? (json as readonly Json[]).map((element) => renderJson(element, inner))
    : [...(json as ReadonlyMap<string, Json>)]
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([name, value]) => `${renderJson(name, "")}:${newline === "" ? "" : " "}${renderJson(value, inner)}`);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  return members.length === 0 ? open + close : `${open}${inner}${members.join(`,${inner}`)}${newline}${close}`;
}

export function sameLockFile(left: LockNode, right: LockNode): boolean {
  return renderLockFile(left).compact === renderLockFile(right).compact;
}

// Questions.

/** The node an input path leads to through all `follows`; throws `InputError` for a circle of them. */
export function findLockedInput(root: LockNode, path: InputPath): LockNode | undefined {
  const visited: InputPath[] = [];
  const find = (wanted: InputPath): LockNode | undefined => {
    const shown = renderInputPath(wanted);
    const start = visited.findIndex((seen) => samePath(seen, wanted));
    if (start >= 0) {
      const cycle = [...visited.slice(start).map(renderInputPath), shown];
      throw new InputError(`follow cycle detected: [${cycle.join(" -> ")}]`);
    }
    visited.push(wanted);
    let node: LockNode | undefined = root;
    for (const name of wanted) {
      const edge: LockEdge | undefined = node?.inputs.get(name);
      if (edge === undefined) return undefined;
      node = isLockNode(edge) ? edge : find(edge);
    }
    return node;
  };
  return find(path);
}

export function samePath(left: InputPath, right: InputPath): boolean {
  return left.length === right.length && left.every((element, index) => element === right[index]);
}

function comparePaths(left: InputPath, right: InputPath): number {
  for (let i = 0; i < left.length && i < right.length; i++) {
    if (left[i] !== right[i]) return left[i]! < right[i]! ? -1 : 1;
  }
  return left.length - right.length;
}

/** Every input by its path, in order of the paths; a node that several inputs share is entered once. */
export function allInputs(root: LockNode): readonly (readonly [InputPath, LockEdge])[] {
  const done = new Set<LockNode>();
  const found: (readonly [InputPath, LockEdge])[] = [];
  const visit = (prefix: InputPath, node: LockNode): void => {
    if (done.has(node)) return;
    done.add(node);
    for (const [name, edge] of sortedInputs(node)) {
      const path = [...prefix, name];
      found.push([path, edge]);
      if (isLockNode(edge)) visit(path, edge);
    }
  };
  visit([], root);
  return found.sort(([left], [right]) => comparePaths(left, right));
}

/** Refuses an input that follows one which is not there. Throws `InputError`. */
export function checkFollows(root: LockNode): void {
  for (const [path, edge] of allInputs(root)) {
    if (isLockNode(edge) || edge.length === 0 || findLockedInput(root, edge) !== undefined) continue;
    throw new InputError(`input '${renderInputPath(path)}' follows a non-existent input '${renderInputPath(edge)}'`);
  }
}

/** An input that a lock file must not hold, because nothing says what it will be tomorrow. */
export function findUnlockedInput(
  root: LockNode,
  options: { readonly allowsDirtyLocks: boolean },
): FlakeReference | undefined {
  for (const [, edge] of allInputs(root)) {
    if (!isLockNode(edge)) continue;
    const { locked } = edge.lock!;
    const isLocked = isLockedInput(locked.input) || (options.allowsDirtyLocks && locked.input.has("narHash"));
    if (!isLocked && relativeInputPath(locked.input) === undefined) return locked;
  }
  return undefined;
}

/** What changed between two lock files, for people; one entry of several lines for each input. */
export function describeLockChanges(from: LockNode, to: LockNode): string {
  const before = allInputs(from);
  const after = allInputs(to);
  let text = "";
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const order = i >= before.length ? 1 : j >= after.length ? -1 : comparePaths(before[i]![0], after[j]![0]);
    if (order > 0) {
      const [path, edge] = after[j++]!;
      text += `${BULLET} Added input '${renderInputPath(path)}':\n    ${describeEdge(edge)}\n`;
    } else if (order < 0) {
      text += `${BULLET} Removed input '${renderInputPath(before[i++]![0])}'\n`;
    } else {
      const [path, old] = before[i++]!;
      const now = after[j++]![1];
      if (sameEdge(old, now)) continue;
      text += `${BULLET} Updated input '${renderInputPath(path)}':\n    ${describeEdge(old)}\n  ${ARROW} ${describeEdge(now)}\n`;
    }
  }
  return text;
}

const BULLET = byteStringOfText("•");
const ARROW = byteStringOfText("→");

function sameEdge(left: LockEdge, right: LockEdge): boolean {
  if (isLockNode(left)) return isLockNode(right) && sameFlakeReference(left.lock!.locked, right.lock!.locked);
  return !isLockNode(right) && samePath(left, right);
}

function describeEdge(edge: LockEdge): string {
  if (!isLockNode(edge)) return `follows '${renderInputPath(edge)}'`;
  const { locked } = edge.lock!;
  const modified = integerAttribute(locked.input, "lastModified");
  const date = modified === undefined ? "" : ` (${new Date(Number(modified) * 1000).toISOString().slice(0, 10)})`;
  return `'${renderFlakeReference(locked)}'${date}`;
}
