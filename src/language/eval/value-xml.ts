/** Values as XML, in the form Nix writes. */

import { Attrs } from "./attrs.ts";
import { isDerivation } from "./equality.ts";
import { renderFloatGeneral } from "./float-text.ts";
import type { EvalState } from "./state.ts";
import { force, Thunk } from "./thunk.ts";
import { isList, isString, textOf } from "./type-name.ts";
import { ContextString, Float, Lambda, Path, type Place, type Slot, type Value } from "./value.ts";

export interface XmlOptions {
  /** Evaluate everything; otherwise what is not evaluated is shown as such. */
  readonly strict: boolean;
  /** Say where attributes and functions were defined. */
  readonly places: boolean;
}

type XmlAttributes = Readonly<Record<string, string>>;

class XmlWriter {
  readonly #state: EvalState;
  readonly #options: XmlOptions;
  readonly #context: Set<string>;
  readonly #drvsSeen = new Set<string>();
  readonly #lines: string[] = ["<?xml version='1.0' encoding='utf-8'?>"];
  #depth = 0;

  constructor(state: EvalState, options: XmlOptions, context: Set<string>) {
    this.#state = state;
    this.#options = options;
    this.#context = context;
  }

  render(root: Slot): string {
    this.#element("expr", {}, () => this.#value(root, undefined));
    return `${this.#lines.join("\n")}\n`;
  }

  #line(text: string): void {
    this.#lines.push("  ".repeat(this.#depth) + text);
  }

  #element(name: string, attributes: XmlAttributes, body: () => void): void {
    this.#line(`<${name}${renderXmlAttributes(attributes)}>`);
    this.#depth++;
    body();
    this.#depth--;
    this.#line(`</${name}>`);
  }

  #empty(name: string, attributes: XmlAttributes = {}): void {
    this.#line(`<${name}${renderXmlAttributes(attributes)} />`);
  }

  #placeOf(place: Place | undefined): XmlAttributes {
    if (!this.#options.places || place === undefined) return {};
    const { line, column } = place.source.locate(place.offset);
    const path = place.source.isFile ? { path: place.source.path } : {};
    return { column: String(column), line: String(line), ...path };
  }

  #value(slot: Slot, at: Place | undefined): void {
    this.#state.enterCall(at);
    if (this.#options.strict || !(slot instanceof Thunk) || slot.isForced) this.#forced(force(slot, at));
    else this.#empty("unevaluated");
    this.#state.callDepth--;
  }

  #forced(value: Value): void {
    if (value === null) this.#empty("null");
    else if (typeof value === "boolean") this.#empty("bool", { value: String(value) });
    else if (typeof value === "number" || typeof value === "bigint") this.#empty("int", { value: value.toString() });
    else if (typeof value === "string") this.#empty("string", { value });
    else if (value instanceof ContextString) {
      for (const element of value.context) this.#context.add(element);
      this.#empty("string", { value: value.text });
    } else if (value instanceof Float) this.#empty("float", { value: renderFloatGeneral(value) });
    else if (value instanceof Path) this.#empty("path", { value: value.path });
    else if (isList(value)) {
      this.#element("list", {}, () => {
        for (const element of value) this.#value(element, undefined);
      });
    } else if (value instanceof Attrs) this.#attrs(value);
    else if (value instanceof Lambda) this.#lambda(value);
    else this.#empty("unevaluated");
  }

  #attrs(value: Attrs): void {
    if (!isDerivation(value)) return this.#element("attrs", {}, () => this.#members(value));
    const drvPath = this.#textAttr(value, "drvPath");
    const outPath = this.#textAttr(value, "outPath");
    const attributes = {
      ...(drvPath === undefined ? {} : { drvPath }),
      ...(outPath === undefined ? {} : { outPath }),
    };
    this.#element("derivation", attributes, () => {
      if (drvPath === undefined || this.#drvsSeen.has(drvPath)) return this.#empty("repeated");
      this.#drvsSeen.add(drvPath);
      this.#members(value);
    });
  }

  #textAttr(attrs: Attrs, name: string): string | undefined {
    const slot = attrs.get(name);
    if (slot === undefined) return undefined;
    if (!this.#options.strict && slot instanceof Thunk && !slot.isForced) return undefined;
    const value = force(slot, attrs.placeOf(name));
    return isString(value) ? textOf(value) : undefined;
  }

  #members(value: Attrs): void {
    value.keys.forEach((name, index) => {
      const place = value.places?.[index];
      this.#element("attr", { ...this.#placeOf(place), name }, () => this.#value(value.values[index]!, place));
    });
  }

  #lambda(value: Lambda): void {
    const { code } = value;
    this.#element("function", this.#placeOf(code.place), () => {
      const name = code.param;
      if (code.formals === undefined) return this.#empty("varpat", { name: name ?? "" });
      const attributes = { ...(code.isOpen ? { ellipsis: "1" } : {}), ...(name === undefined ? {} : { name }) };
      this.#element("attrspat", attributes, () => {
        for (const formal of code.formals!.map((one) => one.name).sort()) this.#empty("attr", { name: formal });
      });
    });
  }
}

const XML_ESCAPES: Readonly<Record<string, string>> = {
  '"': "&quot;",
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  "\n": "&#xA;",
};

function renderXmlAttributes(attributes: XmlAttributes): string {
  return Object.entries(attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ` ${name}="${value.replace(/["<>&\n]/g, (char) => XML_ESCAPES[char]!)}"`)
    .join("");
}

/** Renders a value; the store paths it refers to go into `context`. */
export function renderXml(state: EvalState, slot: Slot, context: Set<string>, options: XmlOptions): string {
  return new XmlWriter(state, options, context).render(slot);
}
