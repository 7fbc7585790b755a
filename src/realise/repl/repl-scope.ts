/** The variables of an interactive session, in one growing frame: a name entered again hides what it meant before. */

import type { Attrs } from "../../language/eval/attrs.ts";
import { unitOf } from "../../language/eval/compile.ts";
import { errorOf, type Program } from "../../language/eval/program.ts";
import type { Env, Slot, Value } from "../../language/eval/value.ts";
import { resolve } from "../../language/resolve/resolve.ts";
import type { Expr, ParsedFile } from "../../language/syntax/ast.ts";
import { parse, parseBindings, type ParseOptions } from "../../language/syntax/parse.ts";
import type { ParseError } from "../../language/syntax/parse-error.ts";
import { Source } from "../../language/syntax/source.ts";
import { byteStringOfText } from "../../base/byte-string.ts";

const STRING_SOURCE = byteStringOfText("«string»");

/** Thrown for a text that is the beginning of an expression. */
export class IncompleteInput extends Error {
  override readonly name = "IncompleteInput";
}

export class ReplScope {
  readonly #program: Program;
  readonly #options: ParseOptions;
  #names: string[] = [];
  /** Slot 0 is where the enclosing environment would be. */
  #env: Env = [undefined];

  constructor(program: Program, options: ParseOptions) {
    this.#program = program;
    this.#options = options;
  }

  /** Forgets all variables; what was made with them keeps them. */
  clear(): void {
    this.#names = [];
    this.#env = [undefined];
  }

  add(name: string, value: Slot): void {
    this.#names.push(name);
    this.#env.push(value);
  }

  addAll(attrs: Attrs): void {
    attrs.keys.forEach((name, index) => this.add(name, attrs.values[index]!));
  }

  /** Every name that an expression may use. */
  names(): ReadonlySet<string> {
    return new Set([...this.#program.state.globals.keys(), ...this.#names]);
  }

  /** Parses an expression and binds its variables. */
  parse(text: string): ParsedFile {
    const source = new Source(STRING_SOURCE, text, { isFile: false });
    const parsed = parse(source, this.#options);
    if (!parsed.ok) throw faultOf(parsed.error);
    return this.#bound(parsed.value);
  }

  /** Parses `x = 1; y = 2`; `undefined` when the text is something else. */
  parseBindings(text: string, options: { readonly seesIncomplete: boolean }): ParsedFile | undefined {
    const attempt = (shown: string): ReturnType<typeof parseBindings> & { readonly source: Source } => {
      const source = new Source(STRING_SOURCE, shown, { isFile: false });
      return { ...parseBindings(source, this.#options), source };
    };
    const asIs = attempt(text);
    const parsed = asIs.ok ? asIs : attempt(`${text};`);
    if (parsed.ok) return this.#bound({ source: parsed.source, root: parsed.value, warnings: [] });
    if (isIncomplete(parsed.error)) throw new IncompleteInput();
    if (options.seesIncomplete && !asIs.ok && isIncomplete(asIs.error) && /^[^=]*[^=!<>]=([^=]|$)/.test(text)) {
      throw new IncompleteInput();
    }
    return undefined;
  }

  #bound(file: ParsedFile): ParsedFile {
    const { state } = this.#program;
    for (const warning of file.warnings) state.host.warn(warning, false);
    const unbound = resolve(file, { globals: state.globals, frames: [this.#names] });
    if (unbound !== undefined) throw errorOf(unbound);
    return file;
  }

  /** The value of an expression in weak head normal form. */
  evaluate(file: ParsedFile, node: Expr = file.root): Value {
    return unitOf(this.#program.state, file.source).compile(node)(this.#env);
  }
}

function isIncomplete({ message }: ParseError): boolean {
  return message.includes("unexpected end of file");
}

function faultOf(error: ParseError): Error {
  return isIncomplete(error) ? new IncompleteInput() : errorOf(error);
}
