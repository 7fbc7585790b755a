/** The outputs of a flake as a tree: what each one is, as far as its name says what it must be. */

import { Attrs } from "../../language/eval/attrs.ts";
import { isDerivation } from "../../language/eval/equality.ts";
import { EvalError, invalidError, typeError } from "../../language/eval/eval-error.ts";
import type { EvalState } from "../../language/eval/state.ts";
import { force } from "../../language/eval/thunk.ts";
import { describeType, isString, textOf } from "../../language/eval/type-name.ts";
import type { Slot, Value } from "../../language/eval/value.ts";
import { renderJsonString } from "../../language/eval/value-json.ts";
import { TREE_BLANK, TREE_BRANCH, TREE_LAST, TREE_LINE } from "./flake-metadata.ts";

export interface ShowOptions {
  readonly allSystems: boolean;
  readonly legacy: boolean;
  readonly onWarning: (text: string) => void;
}

/** What is shown of an output: its members, or what it is. */
export interface ShownOutput {
  readonly members?: ReadonlyMap<string, ShownOutput>;
  /** The line for people, after the name. */
  readonly line?: string;
  /** The record for programs. */
  readonly record?: Readonly<Record<string, string>>;
}

const PER_SYSTEM = new Set(["apps", "checks", "devShells", "legacyPackages", "packages"]);
const NAMED = new Set(["formatter", "nixosConfigurations", "nixosModules", "overlays"]);
const TOP_SETS = new Set([
  "defaultPackage",
  "devShell",
  "formatter",
  "nixosConfigurations",
  "nixosModules",
  "defaultApp",
  "templates",
  "overlays",
]);
const SYSTEM_SETS = new Set(["checks", "packages", "devShells", "apps"]);

export function showOutputs(state: EvalState, outputs: Attrs, options: ShowOptions): ShownOutput {
  return new FlakeShow(state, options).show(outputs, []);
}

function attrOf(value: Value, name: string): Value | undefined {
  if (!(value instanceof Attrs)) return undefined;
  const slot = value.get(name);
  return slot === undefined ? undefined : force(slot, value.placeOf(name));
}

function textAt(value: Value, name: string, path: readonly string[]): string {
  const found = attrOf(value, name);
  if (found === undefined) throw invalidError(`attribute '${[...path, name].join(".")}' does not exist`);
  if (!isString(found)) {
    throw typeError(`'${[...path, name].join(".")}' is not a string but ${describeType(found)}`);
  }
  return textOf(found);
}

function descriptionOf(value: Value, path: readonly string[]): string | undefined {
  const meta = attrOf(value, "meta");
  if (meta === undefined || attrOf(meta, "description") === undefined) return undefined;
  return textAt(meta, "description", [...path, "meta"]);
}

/** Whether an error is the refusal to build while evaluating. */
function isBuildRefused(error: unknown): boolean {
  return error instanceof EvalError && error.message.includes("import from derivation");
}

class FlakeShow {
  readonly #state: EvalState;
  readonly #options: ShowOptions;

  constructor(state: EvalState, options: ShowOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** Shows an output; it is only evaluated when that is needed to say what it is. */
  show(slot: Slot, path: readonly string[]): ShownOutput {
    try {
      return this.#shown(slot, path);
    } catch (error) {
      // Package sets hold attributes that do not evaluate; the rest is worth showing.
      if (error instanceof EvalError && path[0] === "legacyPackages") return { members: new Map() };
      throw error;
    }
  }

  #shown(slot: Slot, path: readonly string[]): ShownOutput {
    const [kind = "", system = ""] = path;
    const depth = path.length;
    if (depth === 0 || (depth === 1 && TOP_SETS.has(kind)) || (depth <= 2 && SYSTEM_SETS.has(kind))) {
      return this.#members(force(slot), path);
    }
    const isSingle = kind === "defaultPackage" || kind === "devShell" || kind === "formatter";
    const isOneOfMany = kind === "checks" || kind === "packages" || kind === "devShells";
    if ((depth === 2 && isSingle) || (depth === 3 && isOneOfMany)) {
      return this.#isOmitted(system) ? this.#omitted(path, "(use '--all-systems' to show)") : this.#package(slot, path);
    }
    if (kind === "hydraJobs") {
      return this.#unlessBuilt(path, () => {
        const value = force(slot);
        return isDerivation(value) ? this.#derivation(value, path) : this.#members(value, path);
      });
    }
    if (kind === "legacyPackages") return this.#legacy(slot, path);
    if ((depth === 2 && kind === "defaultApp") || (depth === 3 && kind === "apps")) return this.#app(force(slot), path);
    if ((depth === 1 && kind === "defaultTemplate") || (depth === 2 && kind === "templates")) {
      const description = textAt(force(slot), "description", path);
      return { line: `: template: ${description}`, record: { description, type: "template" } };
    }
    return nameOfKind(kind, depth);
  }

  #isOmitted(system: string): boolean {
    return !this.#options.allSystems && system !== this.#state.settings.system;
  }

  #omitted(path: readonly string[], why: string): ShownOutput {
    return { members: new Map(), line: ` omitted ${why}`, record: { "": `${path.join(".")} omitted ${why}` } };
  }

  #unlessBuilt(path: readonly string[], work: () => ShownOutput): ShownOutput {
    try {
      return work();
    } catch (error) {
      if (isBuildRefused(error)) return this.#omitted(path, "due to use of import from derivation");
      throw error;
    }
  }

  #package(slot: Slot, path: readonly string[]): ShownOutput {
    return this.#unlessBuilt(path, () => {
      const value = force(slot);
      if (isDerivation(value)) return this.#derivation(value, path);
      this.#options.onWarning(`${[...path, "name"].join(".")} is not a derivation`);
      return {};
    });
  }

  #derivation(value: Value, path: readonly string[]): ShownOutput {
    const name = textAt(value, "name", path);
    const [kind] = path;
    const isShell = (path.length === 2 && kind === "devShell") || kind === "devShells";
    const isPlain = (path.length === 3 && kind === "checks") || kind === "hydraJobs";
    const what = isShell ? "development environment" : isPlain ? "derivation" : "package";
    const description = descriptionOf(value, path) ?? "";
    return { line: `: ${what} '${name}'`, record: { description, name, type: "derivation" } };
  }

  #legacy(slot: Slot, path: readonly string[]): ShownOutput {
    if (path.length === 1) return this.#members(force(slot), path);
    if (!this.#options.legacy) return this.#omitted(path, "(use '--legacy' to show)");
    if (this.#isOmitted(path[1]!)) return this.#omitted(path, "(use '--all-systems' to show)");
    return this.#unlessBuilt(path, () => {
      const value = force(slot);
      if (isDerivation(value)) return this.#derivation(value, path);
      return path.length <= 2 ? this.#members(value, path) : {};
    });
  }

  #app(value: Value, path: readonly string[]): ShownOutput {
    const description = descriptionOf(value, path);
    if (attrOf(value, "type") === undefined || textAt(value, "type", path) !== "app") {
      throw invalidError("not an app definition");
    }
    const record = { ...(description === undefined ? {} : { description }), type: "app" };
    return { line: `: app: ${description ?? "no description"}`, record };
  }

  #members(value: Value, path: readonly string[]): ShownOutput {
    if (!(value instanceof Attrs)) throw typeError(`'${path.join(".")}' is not an attribute set`);
    const members = new Map<string, ShownOutput>();
    for (const name of value.keys) {
      if (!this.#hasContent(value, path, name)) continue;
      members.set(name, this.show(value.get(name)!, [...path, name]));
    }
    return { members };
  }

  /** Frameworks make more sets than they fill; empty ones are not worth a line. */
  #hasContent(parent: Attrs, path: readonly string[], name: string): boolean {
    const own = [...path, name];
    const kind = own[0]!;
    const isSet = (PER_SYSTEM.has(kind) && own.length <= 2) || (NAMED.has(kind) && own.length === 1);
    if (!isSet) return true;
    try {
      const value = force(parent.get(name)!, parent.placeOf(name));
      if (!(value instanceof Attrs)) throw typeError(`'${own.join(".")}' is not an attribute set`);
      return value.keys.some((key) => this.#hasContent(value, own, key));
    } catch (error) {
      if (error instanceof EvalError) return true;
      throw error;
    }
  }
}

function nameOfKind(kind: string, depth: number): ShownOutput {
  const isOne = depth === 1;
  const isNamed = depth === 2;
  if ((isOne && kind === "overlay") || (isNamed && kind === "overlays"))
    return named("Nixpkgs overlay", "nixpkgs-overlay");
  if (isNamed && kind === "nixosConfigurations") return named("NixOS configuration", "nixos-configuration");
  if ((isOne && kind === "nixosModule") || (isNamed && kind === "nixosModules")) {
    return named("NixOS module", "nixos-module");
  }
  return named("unknown", "unknown");
}

function named(line: string, type: string): ShownOutput {
  return { line: `: ${line}`, record: { type } };
}

/** The tree for people, below a title. */
export function renderShownTree(title: string, root: ShownOutput): string {
  const lines: string[] = [];
  const visit = (output: ShownOutput, header: string, prefix: string): void => {
    if (output.line !== undefined) lines.push(header + output.line);
    else if (output.members !== undefined) lines.push(header);
    const members = [...(output.members ?? [])];
    members.forEach(([name, member], index) => {
      const isLast = index + 1 === members.length;
      visit(member, prefix + (isLast ? TREE_LAST : TREE_BRANCH) + name, prefix + (isLast ? TREE_BLANK : TREE_LINE));
    });
  };
  visit(root, title, "");
  return lines.join("\n");
}

/** The tree as JSON on one line; what was left out is told as a warning. */
export function renderShownJson(output: ShownOutput, onWarning: (text: string) => void): string {
  const omission = output.record?.[""];
  if (omission !== undefined) {
    onWarning(omission);
    return "{}";
  }
  const members: (readonly [string, string])[] = [
    ...Object.entries(output.record ?? {}).map(([name, text]) => [name, renderJsonString(text)] as const),
    ...[...(output.members ?? [])].map(([name, member]) => [name, renderShownJson(member, onWarning)] as const),
  ];
  members.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, json]) => `${renderJsonString(name)}:${json}`).join(",")}}`;
}
