/**
 * The text of a `.drv` file: `Derive([outputs],[inputDrvs],[inputSrcs],system,builder,[args],[env])`. One that depends on
 * an output of an output begins with `DrvWithVersion("xp-dyn-drv",` instead, and nests what it uses of its inputs.
 *
 * Encoding is byte exact, because store paths and hashes are made from it.
 */

import { byteStringOfBytes, bytesOfByteString } from "../base/byte-string.ts";
import { FormatError } from "../base/errors.ts";
import { contentAddressedPath, parseMethodAlgorithm, renderMethodAlgorithm } from "./content-address.ts";
import {
  type Derivation,
  type DerivationOutput,
  type InputDerivation,
  isDynamic,
  type UsedOutputs,
} from "./derivation.ts";
import { Hash } from "./hash.ts";
import { outputPathName, StorePath } from "./store-path.ts";

const HEAD = "Derive(";
const DYNAMIC_HEAD = 'DrvWithVersion("xp-dyn-drv",';

/** The bytes of the `.drv` file. */
export function encodeDerivation(drv: Derivation, storeDir: string): Uint8Array {
  return bytesOfByteString(renderDerivation(drv, storeDir));
}

/** Reads a `.drv` file; throws `FormatError`. `name` is the derivation's name without `.drv`. */
export function decodeDerivation(bytes: Uint8Array, name: string, storeDir: string): Derivation {
  return parseDerivation(byteStringOfBytes(bytes), name, storeDir);
}

/** The text as a byte string. */
export function renderDerivation(drv: Derivation, storeDir: string): string {
  return new DerivationText(drv, storeDir).render(drv);
}

/** What an input derivation is called, and which of its outputs are used, in order. */
export type RenderedInput = readonly [name: string, outputs: readonly string[], ofOutputs?: UsedOutputs["ofOutputs"]];

/**
 * A derivation's text in parts: what depends on output paths, and what inputs are called, may change, and the rest is
 * rendered once. A derivation is rendered up to three times: to find its output paths, as a file, and for what
 * depends on it.
 */
export class DerivationText {
  readonly #storeDir: string;
  readonly #head: string;
  readonly #outputNames: readonly string[];
  readonly #inputs: readonly RenderedInput[];
  /** Sources, system, builder and arguments. */
  readonly #middle: string;
  /** The variables, without the values of those that are named like outputs. */
  readonly #variables: readonly string[];
  /** The outputs whose values belong between the parts of `#variables`. */
  readonly #valued: readonly string[];

  constructor(drv: Derivation, storeDir: string) {
    this.#storeDir = storeDir;
    this.#head = isDynamic(drv) ? DYNAMIC_HEAD : HEAD;
    this.#outputNames = [...drv.outputs.keys()].sort();
    this.#inputs = inputsOf(drv, storeDir);
    const sources = drv.inputSources.map(({ baseName }) => baseName).sort();
    this.#middle =
      `[${sources.map((baseName) => `"${storeDir}/${baseName}"`).join(",")}],` +
      // Nix escapes nothing in the system and in the names of outputs.
      `"${drv.system}",${quote(drv.builder)},${renderList(drv.args)},[`;
    const valued: string[] = [];
    const variables: string[] = [];
    let parts: string[] = [];
    const keys = [...drv.env.keys()].sort();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      parts.push(i > 0 ? ",(" : "(", quote(key));
      if (drv.outputs.has(key)) {
        parts.push(",");
        variables.push(parts.join(""));
        valued.push(key);
        parts = [")"];
      } else parts.push(",", quote(drv.env.get(key)!), ")");
    }
    variables.push(parts.join(""));
    this.#variables = variables;
    this.#valued = valued;
  }

  /** The text with the outputs, and the variables named like them, of a derivation that differs in nothing else. */
  render(drv: Derivation, inputs: readonly RenderedInput[] = this.#inputs): string {
    return this.#join(
      inputs,
      (name) => renderOutput(drv, name, this.#storeDir),
      (name) => quote(drv.env.get(name)!),
    );
  }

  /** The text without output paths, which output paths are made from. */
  renderMasked(drv: Derivation, inputs: readonly RenderedInput[]): string {
    return this.#join(
      inputs,
      (name) => renderOutput(drv, name, this.#storeDir, true),
      () => '""',
    );
  }

  #join(
    inputs: readonly RenderedInput[],
    outputOf: (name: string) => string,
    valueOf: (name: string) => string,
  ): string {
    let text = `${this.#head}[`;
    for (let i = 0; i < this.#outputNames.length; i++) text += (i > 0 ? "," : "") + outputOf(this.#outputNames[i]!);
    text += "],[";
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i]!;
      text += `${i > 0 ? "," : ""}("${input[0]}",${renderUsed(input[1], input[2])})`;
    }
    text += `],${this.#middle}${this.#variables[0]!}`;
    for (let i = 0; i < this.#valued.length; i++) text += valueOf(this.#valued[i]!) + this.#variables[i + 1]!;
    return `${text}])`;
  }
}

function renderOutput(drv: Derivation, outputName: string, storeDir: string, mask = false): string {
  const [path, algorithm, hash] = outputFields(drv, outputName, storeDir);
  return `("${outputName}","${mask ? "" : path}","${algorithm}","${hash}")`;
}

function outputFields(drv: Derivation, outputName: string, storeDir: string): readonly [string, string, string] {
  const output = drv.outputs.get(outputName)!;
  switch (output.kind) {
    case "input-addressed":
      return [output.path.render(storeDir), "", ""];
    case "fixed": {
      const path = contentAddressedPath(storeDir, outputPathName(drv.name, outputName), output);
      const algorithm = renderMethodAlgorithm(output.method, output.hash.algorithm);
      return [path.render(storeDir), algorithm, output.hash.toBase16()];
    }
    case "floating":
      return ["", renderMethodAlgorithm(output.method, output.algorithm), ""];
    case "deferred":
      return ["", "", ""];
    case "impure":
      return ["", renderMethodAlgorithm(output.method, output.algorithm), "impure"];
  }
}

function inputsOf(drv: Derivation, storeDir: string): RenderedInput[] {
  return drv.inputDerivations
    .toSorted((a, b) => (a.path.baseName < b.path.baseName ? -1 : 1))
    .map(({ path, outputs, ofOutputs }) => [path.render(storeDir), outputs.toSorted(), ofOutputs] as const);
}

function renderUsed(outputs: readonly string[], ofOutputs: UsedOutputs["ofOutputs"]): string {
  const list = `[${outputs.map((name) => `"${name}"`).join(",")}]`;
  if (ofOutputs === undefined || ofOutputs.size === 0) return list;
  const inner = [...ofOutputs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, used]) => `("${name}",${renderUsed(used.outputs.toSorted(), used.ofOutputs)})`);
  return `(${list},[${inner.join(",")}])`;
}

function renderList(items: readonly string[]): string {
  let text = "[";
  for (let i = 0; i < items.length; i++) text += (i > 0 ? "," : "") + quote(items[i]!);
  return `${text}]`;
}

/** Characters that JSON escapes and this format does not. */
// oxlint-disable-next-line no-control-regex
const ESCAPED_IN_JSON = /[\0-\x08\x0b\x0c\x0e-\x1f]/;
const ESCAPES: Readonly<Record<string, string>> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function quote(text: string): string {
  // Ten times as quick as replacing, and the same for nearly every text.
  const quoted = JSON.stringify(text);
  if (quoted.length === text.length + 2 || !ESCAPED_IN_JSON.test(text)) return quoted;
  return `"${text.replace(/["\\\n\r\t]/g, (char) => ESCAPES[char]!)}"`;
}

/** Reads the text, given as a byte string; throws `FormatError`. */
export function parseDerivation(text: string, name: string, storeDir: string): Derivation {
  const reader = new TermReader(text);
  const isNested = text.startsWith("DrvWithVersion(");
  reader.expect(isNested ? DYNAMIC_HEAD : HEAD);
  const outputs = new Map<string, DerivationOutput>();
  reader.list(() => {
    reader.expect("(");
    const at = reader.offset;
    const outputName = reader.string();
    if (outputs.has(outputName)) throw new FormatError("derivation", `output '${outputName}' is given twice`, at);
    reader.expect(",");
    const path = reader.string();
    reader.expect(",");
    const algorithm = reader.string();
    reader.expect(",");
    const hash = reader.string();
    reader.expect(")");
    outputs.set(outputName, outputOf({ path, algorithm, hash }, storeDir, at));
  });
  reader.expect(",");
  const inputDerivations: InputDerivation[] = [];
  reader.list(() => {
    reader.expect("(");
    const path = StorePath.ofFull(reader.string(), storeDir);
    reader.expect(",");
    inputDerivations.push({ path, ...usedOutputs(reader, isNested) });
    reader.expect(")");
  });
  reader.expect(",");
  const inputSources = reader.strings().map((path) => StorePath.ofFull(path, storeDir));
  reader.expect(",");
  const system = reader.string();
  reader.expect(",");
  const builder = reader.string();
  reader.expect(",[");
  const args: string[] = [];
  reader.restOfList(() => args.push(reader.string()));
  reader.expect(",[");
  const env = new Map<string, string>();
  reader.restOfList(() => {
    reader.expect("(");
    const key = reader.string();
    reader.expect(",");
    env.set(key, reader.string());
    reader.expect(")");
  });
  reader.expect(")");
  reader.end();
  return { name, outputs, inputDerivations, inputSources, system, builder, args, env };
}

function usedOutputs(reader: TermReader, isNested: boolean, depth = 0): UsedOutputs {
  if (!isNested || !reader.isAt("(")) return { outputs: reader.strings() };
  if (depth > NESTED_DEPTH_MAX) throw new FormatError("derivation", "outputs are nested too deeply", reader.offset);
  reader.expect("(");
  const outputs = reader.strings();
  reader.expect(",");
  const ofOutputs = new Map<string, UsedOutputs>();
  reader.list(() => {
    reader.expect("(");
    const name = reader.string();
    reader.expect(",");
    ofOutputs.set(name, usedOutputs(reader, isNested, depth + 1));
    reader.expect(")");
  });
  reader.expect(")");
  return { outputs, ofOutputs };
}

const NESTED_DEPTH_MAX = 100;

function outputOf(
  fields: { readonly path: string; readonly algorithm: string; readonly hash: string },
  storeDir: string,
  at: number,
): DerivationOutput {
  if (fields.algorithm === "") {
    if (fields.hash !== "") throw new FormatError("derivation", "an output has a hash but no algorithm", at);
    if (fields.path === "") return { kind: "deferred" };
    return { kind: "input-addressed", path: StorePath.ofFull(fields.path, storeDir) };
  }
  const parsed = parseMethodAlgorithm(fields.algorithm);
  if (parsed === undefined) throw new FormatError("derivation", `unknown hash algorithm '${fields.algorithm}'`, at);
  if (fields.hash !== "" && fields.hash !== "impure") {
    if (!fields.path.startsWith("/")) throw new FormatError("derivation", `bad path '${fields.path}'`, at);
    const hash = Hash.parse(fields.hash, parsed.algorithm);
    if (!hash.ok) throw new FormatError("derivation", `bad ${parsed.algorithm} hash '${fields.hash}'`, at);
    return { kind: "fixed", method: parsed.method, hash: hash.value };
  }
  if (fields.path !== "") throw new FormatError("derivation", "an output whose path is not known has a path", at);
  return { kind: fields.hash === "impure" ? "impure" : "floating", ...parsed };
}

/** Reads tokens of the text. */
class TermReader {
  readonly #text: string;
  offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  expect(token: string): void {
    if (!this.#text.startsWith(token, this.offset)) {
      throw new FormatError("derivation", `expected string '${token}'`, this.offset);
    }
    this.offset += token.length;
  }

  isAt(token: string): boolean {
    return this.#text.startsWith(token, this.offset);
  }

  end(): void {
    if (this.offset !== this.#text.length) throw new FormatError("derivation", "text after the end", this.offset);
  }

  string(): string {
    this.expect('"');
    const text = this.#text;
    const start = this.offset;
    // Most strings have no escape: find the quote and be done.
    let end = text.indexOf('"', start);
    if (end < 0) throw new FormatError("derivation", "unterminated string in derivation", start);
    const backslash = text.indexOf("\\", start);
    if (backslash < 0 || backslash > end) {
      this.offset = end + 1;
      return text.slice(start, end);
    }
    for (end = backslash; end < text.length; end++) {
      const char = text[end];
      if (char === "\\") end++;
      else if (char === '"') {
        this.offset = end + 1;
        return unescape(text.slice(start, end));
      }
    }
    throw new FormatError("derivation", "unterminated string in derivation", start);
  }

  strings(): string[] {
    const items: string[] = [];
    this.list(() => items.push(this.string()));
    return items;
  }

  list(item: () => void): void {
    this.expect("[");
    this.restOfList(item);
  }

  /** A list from behind its bracket on. */
  restOfList(item: () => void): void {
    if (this.#text[this.offset] === "]") {
      this.offset++;
      return;
    }
    for (;;) {
      item();
      if (this.#text[this.offset] === ",") this.offset++;
      else {
        this.expect("]");
        return;
      }
    }
  }
}

function unescape(text: string): string {
  return text.replace(/\\([\s\S])/g, (_, char: string) => {
    if (char === "n") return "\n";
    if (char === "r") return "\r";
    if (char === "t") return "\t";
    return char;
  });
}
