/** Parsing and evaluating files and texts: what `import` does. */

import { byteStringOfText } from "../../base/byte-string.ts";
import { resolve } from "../resolve/resolve.ts";
import { Kind, type ParsedFile } from "../syntax/ast.ts";
import { parse, type ParseOptions } from "../syntax/parse.ts";
import type { ParseError } from "../syntax/parse-error.ts";
import { Source } from "../syntax/source.ts";
import type { Attrs } from "./attrs.ts";
import { canonicalPath, parentOfPath } from "./canonical-path.ts";
import { asking } from "./coerce.ts";
import { unitOf } from "./compile.ts";
import { EvalError, invalidError, withFrame } from "./eval-error.ts";
import type { EvalState } from "./state.ts";
import { FileFunction, type Sharing } from "./sharing.ts";
import { NativeCode, type Run, Thunk } from "./thunk.ts";
import { type Env, Lambda, type Value } from "./value.ts";

const LINKS_MAX = 1024;

/** Files that come with the evaluator, by where they appear to be. */
export interface InternalFile {
  /** The name places in the file are shown with. */
  readonly shownAs: string;
  readonly text: string;
}

/** A file's code, for as long as the file has this text. */
interface CompiledFile {
  readonly text: string;
  readonly shownAs: string;
  readonly run: Run;
  readonly warnings: ParsedFile["warnings"];
}

export class Program {
  readonly state: EvalState;
  readonly #internalFiles: ReadonlyMap<string, InternalFile>;
  /** One thunk per file, so that a file is evaluated once however often it is imported. */
  readonly #files = new Map<string, Thunk>();
  readonly #resolved = new Map<string, string>();
  /** What files were compiled to, for evaluations that share this. */
  readonly #compiled = new Map<string, CompiledFile>();

  constructor(state: EvalState, internalFiles: ReadonlyMap<string, InternalFile>) {
    this.state = state;
    this.#internalFiles = internalFiles;
  }

  /** The value of a file, or of the `default.nix` of a directory. */
  importFile(path: string): Value {
    let resolved = this.#resolved.get(path);
    if (resolved === undefined) {
      resolved = this.#resolveFile(path);
      this.#resolved.set(path, resolved);
    }
    let thunk = this.#files.get(resolved);
    if (thunk === undefined) {
      const file = resolved;
      thunk = new Thunk(new NativeCode(() => this.#evaluateFile(file)), []);
      this.#files.set(file, thunk);
    }
    return thunk.force();
  }

  /** Forgets what files evaluated to, and keeps what they were compiled to. */
  forgetValues(): void {
    this.#files.clear();
    this.#resolved.clear();
  }

  /** The value of the file that a command names; errors in it are not said to come from an import. */
  evaluateRootFile(path: string): Value {
    const file = this.#resolveFile(path);
    if (this.state.sharing !== undefined) return this.#compiledFile(file).run([]);
    return this.#run(this.#parseFile(file, undefined), []);
  }

  /** The set that a file must be, with nothing of it evaluated: what is literal in it can be read at once. */
  readLiteralFile(path: string): Attrs {
    const resolved = this.#resolveFile(path);
    const known = this.#files.get(resolved);
    try {
      const file = this.#parseFile(resolved, undefined);
      if (file.root.kind !== Kind.Attrs) throw invalidError(`file '${file.source.path}' must be an attribute set`);
      const value = known === undefined ? this.#run(file, []) : known.force();
      this.#files.set(resolved, known ?? new Thunk(new NativeCode(() => value), []));
      return value as Attrs;
    } catch (error) {
      throw withFrame(error, `while evaluating the file '${resolved}':`, undefined);
    }
  }

  /** The value of a file in whose scope the attributes of a set come before the builtin scope. */
  importScoped(path: string, scope: Attrs): Value {
    const file = this.#parseFile(this.#resolveFile(path), scope.keys);
    return this.#run(file, [undefined, ...scope.values]);
  }

  /** The value of an expression given as text (a byte string). */
  evaluateText(text: string, options: { readonly baseDir: string; readonly name?: string }): Value {
    const source = new Source(options.name ?? byteStringOfText("«string»"), text, { isFile: false });
    return this.#run(this.parseSource(source, options.baseDir, undefined), []);
  }

  parseOptions(baseDir: string): ParseOptions {
    const { homeDir, pure, features, lints } = this.state.settings;
    return {
      baseDir,
      lints,
      pipeOperators: features.has("pipe-operators"),
      ...(homeDir === undefined || pure ? {} : { homeDir }),
    };
  }

  /** Parses a text and binds its variables; throws the first fault. */
  parseSource(source: Source, baseDir: string, frame: readonly string[] | undefined): ParsedFile {
    const parsed = parse(source, this.parseOptions(baseDir));
    if (!parsed.ok) throw errorOf(parsed.error);
    for (const warning of parsed.value.warnings) this.state.host.warn(warning, false);
    const frames = frame === undefined ? {} : { frames: [frame] };
    const unbound = resolve(parsed.value, { globals: this.state.globals, ...frames });
    if (unbound !== undefined) throw errorOf(unbound);
    return parsed.value;
  }

  /** Forgets the files that were read, so that they are read anew. */
  forgetFiles(): void {
    this.#files.clear();
    this.#resolved.clear();
  }

  #run(file: ParsedFile, env: Env): Value {
    return unitOf(this.state, file.source).compile(file.root)(env);
  }

  #evaluateFile(path: string): Value {
    const { sharing } = this.state;
    if (sharing !== undefined) return this.#evaluateSharing(path, sharing);
    const file = this.#parseFile(path, undefined);
    try {
      return this.#run(file, []);
    } catch (error) {
      throw withFrame(error, `while evaluating the file '${file.source.path}':`, undefined);
    }
  }

  /** The value of a file whose code outlives this evaluation; a package set's function is marked as such. */
  #evaluateSharing(path: string, sharing: Sharing): Value {
    const file = this.#compiledFile(path);
    let value: Value;
    try {
      value = file.run([]);
    } catch (error) {
      throw withFrame(error, `while evaluating the file '${file.shownAs}':`, undefined);
    }
    if (!(value instanceof Lambda) || value.code.owner !== this.state || !sharing.isShared(path)) return value;
    return new Lambda({ ...value.code, owner: new FileFunction(path, value.code) }, value.env);
  }

  /** The file's code: made once for each text that the file has. */
  #compiledFile(path: string): CompiledFile {
    const internal = this.#internalFiles.get(path);
    const text = internal?.text ?? asking(() => this.state.host.readFile(path));
    const known = this.#compiled.get(path);
    if (known?.text === text) {
      for (const warning of known.warnings) this.state.host.warn(warning, false);
      return known;
    }
    const shownAs = internal === undefined ? path : byteStringOfText(internal.shownAs);
    const parsed = this.parseSource(new Source(shownAs, text, { isFile: true }), parentOfPath(path), undefined);
    const run = unitOf(this.state, parsed.source).compile(parsed.root);
    const made = { text, shownAs, run, warnings: parsed.warnings };
    this.#compiled.set(path, made);
    return made;
  }

  #parseFile(path: string, frame: readonly string[] | undefined): ParsedFile {
    const internal = this.#internalFiles.get(path);
    const source =
      internal === undefined
        ? new Source(
            path,
            asking(() => this.state.host.readFile(path)),
            { isFile: true },
          )
        : new Source(byteStringOfText(internal.shownAs), internal.text, { isFile: true });
    return this.parseSource(source, parentOfPath(path), frame);
  }

  /** Follows the links of the last component, so that relative paths in the file are relative to where it really is. */
  #resolveFile(path: string): string {
    if (this.#internalFiles.has(path)) return path;
    const { host } = this.state;
    let current = path;
    for (let links = 0; ; links++) {
      if (links >= LINKS_MAX) {
        const message = `too many symbolic links encountered while traversing the path '${path}'`;
        throw new EvalError({ kind: "world", message }, undefined);
      }
      const at = current;
      // Few files are links, and to ask what a file is costs less than to be refused.
      if (asking(() => host.lstat(at)) !== "symlink") break;
      const target = asking(() => host.readLink(at));
      if (target === undefined) break;
      current = canonicalPath(target.startsWith("/") ? target : `${parentOfPath(current)}/${target}`);
    }
    const kind = asking(() => host.stat(current));
    if (kind === undefined) {
      asking(() => host.checkAccess(current));
      const message = `path '${asking(() => host.realPath(current))}' does not exist`;
      throw new EvalError({ kind: "world", message }, undefined);
    }
    return kind === "directory" ? canonicalPath(`${current}/default.nix`) : current;
  }
}

/** A fault of parsing as an error of evaluation. */
export function errorOf({ message, span, variable, isUnplaced }: ParseError): EvalError {
  const place = isUnplaced === true ? undefined : { source: span.source, offset: span.start };
  return new EvalError(
    variable === undefined ? { kind: "syntax", message } : { kind: "variable-undefined", name: variable },
    place,
  );
}
