/**
 * `flake.nix`: description, inputs, outputs and settings.
 *
 * All but the outputs must be literal, so that inputs are known before anything is evaluated. Only what is written
 * there is looked at; nothing is computed.
 */

import { FormatError } from "../../base/errors.ts";
import type { InputAttribute, InputAttrs } from "../../format/input/attributes.ts";
import { type InputPath, parseInputPath } from "../../format/input/flake-lock.ts";
import {
  type FlakeReference,
  flakeReferenceOfAttributes,
  parseFlakeReference,
  renderFlakeReference,
} from "../../format/input/flake-reference.ts";
import { Attrs } from "../eval/attrs.ts";
import { copyToStore } from "../eval/coerce.ts";
import { invalidError, typeError, withFrame } from "../eval/eval-error.ts";
import { renderPlace } from "../eval/place-text.ts";
import type { Program } from "../eval/program.ts";
import { namesInSymbolOrder } from "../eval/symbol-order.ts";
import { Thunk } from "../eval/thunk.ts";
import { describeType, isFunction, isInteger, isList, isString, textOf } from "../eval/type-name.ts";
import { Lambda, Path, type Place, type Slot, type Value } from "../eval/value.ts";
import { renderIdentifier } from "../print/identifier.ts";

export interface FlakeInput {
  readonly reference?: FlakeReference;
  readonly isFlake: boolean;
  /** The input it follows, from the root of the lock file on. */
  readonly follows?: InputPath;
  readonly overrides: ReadonlyMap<string, FlakeInput>;
}

export type FlakeInputs = ReadonlyMap<string, FlakeInput>;

export type FlakeSetting = string | number | bigint | boolean | readonly string[];

/** A flake as its `flake.nix` declares it, and where it came from. */
export interface Flake {
  readonly original: FlakeReference;
  readonly resolved: FlakeReference;
  readonly locked: FlakeReference;
  /** The directory of `flake.nix`, below a store path. */
  readonly directory: string;
  readonly description?: string;
  readonly inputs: FlakeInputs;
  /** What the flake wants of its own tree (`inputs.self`). */
  readonly selfAttrs: InputAttrs;
  readonly settings: ReadonlyMap<string, FlakeSetting>;
}

const NAMES = new Set(["description", "inputs", "outputs", "nixConfig"]);

/** What the format layer refuses, as an error of the evaluation. */
export function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof FormatError) throw invalidError(error.reason);
    throw error;
  }
}

/** Reads the `flake.nix` of a directory; `prefix` is what its `follows` are relative to. */
export function readFlakeFile(
  program: Program,
  source: Pick<Flake, "original" | "resolved" | "locked" | "directory">,
  prefix: InputPath,
): Flake {
  const shown = renderFlakeReference(source.resolved);
  const attrs = program.readLiteralFile(`${source.directory}/flake.nix`);
  const description = attrs.has("description") ? textAt(attrs, "description") : undefined;
  const reader = new InputReader(source.directory, prefix, program.state.settings.storeDir);
  const declared = attrs.has("inputs") ? reader.inputs(attrs, "inputs", true) : new Map<string, FlakeInput>();
  if (!attrs.has("outputs")) throw invalidError(`flake '${shown}' lacks attribute 'outputs'`);
  const inputs = withImplied(declared, outputsAt(attrs));
  const settings = attrs.has("nixConfig") ? settingsAt(program, attrs) : new Map<string, FlakeSetting>();
  const unsupported = namesInSymbolOrder(attrs).find((name) => !NAMES.has(name));
  if (unsupported !== undefined) {
    const name = renderIdentifier(unsupported);
    throw invalidError(`flake '${shown}' has an unsupported attribute '${name}', at ${shownPlace(attrs, unsupported)}`);
  }
  return {
    ...source,
    ...(description === undefined ? {} : { description }),
    inputs,
    selfAttrs: reader.selfAttrs,
    settings,
  };
}

/** The value of an attribute, forced only when that runs nothing of the program. */
function literalAt(attrs: Attrs, name: string): Slot {
  const slot = attrs.get(name)!;
  if (!(slot instanceof Thunk)) return slot;
  return slot.isLiteral ? slot.force() : slot;
}

function isThunk(slot: Slot): slot is Thunk {
  return slot instanceof Thunk;
}

function shownPlace(attrs: Attrs, name: string): string {
  return placeText(attrs.placeOf(name));
}

function placeText(place: Place | undefined): string {
  return place === undefined ? "\xc2\xabnone\xc2\xbb" : renderPlace(place);
}

function expectLiteral<T extends Value>(
  attrs: Attrs,
  name: string,
  wanted: string,
  is: (value: Value) => value is T,
): T {
  const slot = literalAt(attrs, name);
  if (!isThunk(slot) && is(slot)) return slot;
  throw invalidError(`expected ${wanted} but got ${describeKind(slot)} at ${shownPlace(attrs, name)}`);
}

/** The type alone: a built-in function is "a function" here. */
function describeKind(slot: Slot): string {
  if (!isThunk(slot) && isFunction(slot)) return "a function";
  if (!isThunk(slot) && isString(slot)) return "a string";
  return describeType(slot);
}

const isAttrs = (value: Value): value is Attrs => value instanceof Attrs;
const isBoolean = (value: Value): value is boolean => typeof value === "boolean";

function textAt(attrs: Attrs, name: string): string {
  return textOf(expectLiteral(attrs, name, "a string", isString));
}

function outputsAt(attrs: Attrs): Value {
  return expectLiteral(attrs, "outputs", "a function", isFunction);
}

/** What the outputs take and the inputs do not declare comes from the registries. */
function withImplied(declared: FlakeInputs, outputs: Value): FlakeInputs {
  const inputs = new Map(declared);
  const formals = outputs instanceof Lambda ? (outputs.code.formals ?? []) : [];
  for (const { name } of formals) {
    if (name === "self" || inputs.has(name)) continue;
    inputs.set(name, { reference: refusing(() => parseFlakeReference(name)), isFlake: true, overrides: new Map() });
  }
  return inputs;
}

class InputReader {
  readonly selfAttrs = new Map<string, InputAttribute>();
  readonly #directory: string;
  readonly #prefix: InputPath;
  readonly #storeDir: string;

  constructor(directory: string, prefix: InputPath, storeDir: string) {
    this.#directory = directory;
    this.#prefix = prefix;
    this.#storeDir = storeDir;
  }

  inputs(parent: Attrs, name: string, allowsSelf: boolean): FlakeInputs {
    const attrs = expectLiteral(parent, name, "a set", isAttrs);
    const inputs = new Map<string, FlakeInput>();
    for (const id of namesInSymbolOrder(attrs)) {
      if (id !== "self") {
        inputs.set(id, this.#input(attrs, id));
        continue;
      }
      if (!allowsSelf) throw invalidError(`'self' input attribute not allowed at ${shownPlace(attrs, id)}`);
      const self = expectLiteral(attrs, id, "a set", isAttrs);
      for (const attribute of namesInSymbolOrder(self)) this.selfAttrs.set(attribute, inputAttribute(self, attribute));
    }
    return inByteOrder(inputs);
  }

  #input(parent: Attrs, id: string): FlakeInput {
    const attrs = expectLiteral(parent, id, "a set", isAttrs);
    const place = parent.placeOf(id);
    const plain = new Map<string, InputAttribute>();
    let url: string | undefined;
    let isFlake = true;
    let overrides: FlakeInputs = new Map();
    let follows: InputPath | undefined;
    for (const name of namesInSymbolOrder(attrs)) {
      try {
        if (name === "url") plain.set("url", (url = this.#url(attrs)));
        else if (name === "flake") isFlake = expectLiteral(attrs, name, "a Boolean", isBoolean);
        else if (name === "inputs") overrides = this.inputs(attrs, name, false);
        else if (name === "follows") {
          const target = textAt(attrs, name);
          follows = [...this.#prefix, ...refusing(() => parseInputPath(target))];
        } else plain.set(name, inputAttribute(attrs, name));
      } catch (error) {
        throw withFrame(error, `while evaluating flake attribute '${renderIdentifier(name)}'`, attrs.placeOf(name));
      }
    }
    const reference = this.#reference(plain, url, isFlake, place);
    if (reference !== undefined && follows !== undefined) {
      throw invalidError(`flake input has both a flake reference and a follows attribute, at ${placeText(place)}`);
    }
    return {
      ...(reference === undefined ? {} : { reference }),
      isFlake,
      ...(follows === undefined ? {} : { follows }),
      overrides,
    };
  }

  #reference(
    attrs: Map<string, InputAttribute>,
    url: string | undefined,
    isFlake: boolean,
    place: Place | undefined,
  ): FlakeReference | undefined {
    if (attrs.has("type")) {
      try {
        return refusing(() => flakeReferenceOfAttributes(attrs));
      } catch (error) {
        throw withFrame(error, "while evaluating flake input", place);
      }
    }
    attrs.delete("url");
    const [unexpected] = [...attrs.keys()].sort();
    if (unexpected !== undefined) {
      throw invalidError(`unexpected flake input attribute '${unexpected}', at ${placeText(place)}`);
    }
    if (url === undefined) return undefined;
    return refusing(() => parseFlakeReference(url, { keepsRelative: true, isFlake }));
  }

  #url(attrs: Attrs): string {
    const slot = literalAt(attrs, "url");
    if (!isThunk(slot) && isString(slot)) return textOf(slot);
    if (!isThunk(slot) && slot instanceof Path) return `path:${this.#relative(attrs, slot.path)}`;
    throw invalidError(`expected a string or a path but got ${describeKind(slot)} at ${shownPlace(attrs, "url")}`);
  }

  #relative(attrs: Attrs, path: string): string {
    if (!path.startsWith(`${this.#storeDir}/`)) {
      throw invalidError(
        `input attribute path '${path}' at ${shownPlace(attrs, "url")} must be in the same source tree as ${this.#directory}/`,
      );
    }
    const from = this.#directory.split("/");
    const to = path.split("/");
    let shared = 0;
    while (shared < from.length && shared < to.length && from[shared] === to[shared]) shared++;
    const relative = [...from.slice(shared).map(() => ".."), ...to.slice(shared)].join("/");
    return relative === "" ? "." : relative;
  }
}

function inputAttribute(attrs: Attrs, name: string): InputAttribute {
  const slot = attrs.get(name)!;
  if (!isThunk(slot)) {
    if (isString(slot)) return textOf(slot);
    if (typeof slot === "boolean") return slot;
    if (isInteger(slot)) {
      if (slot >= 0) return slot;
      throw invalidError(`negative value given for flake input attribute ${renderIdentifier(name)}: ${slot}`);
    }
  }
  throw typeError(
    `flake input attribute '${renderIdentifier(name)}' is ${describeType(slot)} while a string, Boolean, or integer is expected`,
  );
}

function settingsAt(program: Program, parent: Attrs): ReadonlyMap<string, FlakeSetting> {
  const attrs = expectLiteral(parent, "nixConfig", "a set", isAttrs);
  return inByteOrder(new Map(namesInSymbolOrder(attrs).map((name) => [name, setting(program, attrs, name)])));
}

function inByteOrder<T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...map].sort(([left], [right]) => (left < right ? -1 : 1)));
}

function setting(program: Program, attrs: Attrs, name: string): FlakeSetting {
  const slot = literalAt(attrs, name);
  if (!isThunk(slot)) {
    if (isString(slot)) return textOf(slot);
    if (slot instanceof Path) return copyToStore(program.state, slot.path);
    if (isInteger(slot) || typeof slot === "boolean") return slot;
    if (isList(slot)) return slot.map((element) => settingElement(name, element, slot));
  }
  throw typeError(`flake configuration setting '${renderIdentifier(name)}' is ${describeType(slot)}`);
}

function settingElement(name: string, element: Slot, list: Slot): string {
  if (!isThunk(element) && isString(element)) return textOf(element);
  throw typeError(
    `list element in flake configuration setting '${renderIdentifier(name)}' is ${describeType(list)} while a string is expected`,
  );
}
