/**
 * An interactive session: the variables entered so far, and what a line does.
 *
 * It knows no terminal. Text goes out as byte strings; what needs more than an evaluator (building, an editor, a log)
 * is asked of whoever runs the session.
 */

import { byteStringOfText, textOfByteString } from "../../base/byte-string.ts";
import { findFile, type LookupElement } from "../../language/builtins/lookup-path.ts";
import { openScope } from "../../language/builtins/scope.ts";
import { Attrs } from "../../language/eval/attrs.ts";
import { autoCall, selectPath } from "../../language/eval/attr-path.ts";
import { canonicalPath } from "../../language/eval/canonical-path.ts";
import { coerceToPath } from "../../language/eval/coerce.ts";
import { collectDerivations } from "../../language/eval/derivations-of.ts";
import { isDerivation } from "../../language/eval/equality.ts";
import { EvalError, invalidError } from "../../language/eval/eval-error.ts";
import { expectAttrs } from "../../language/eval/expect.ts";
import { renderPlace } from "../../language/eval/place-text.ts";
import { printForced } from "../../language/eval/print-forced.ts";
import { renderAttrName } from "../../language/eval/print-value.ts";
import type { Program } from "../../language/eval/program.ts";
import { NativeCode, Thunk } from "../../language/eval/thunk.ts";
import { describeType, isString, textOf } from "../../language/eval/type-name.ts";
import { Lambda, Path, type Value } from "../../language/eval/value.ts";
import { callFlake } from "../../language/flake/call-flake.ts";
import type { Ask } from "../evaluate-messages.ts";
import { selectOutput } from "../flake/flake-outputs.ts";
import type { FlakeTask } from "../flake/flake-request.ts";
import { type OpenFlake, openFlake } from "../flake/open-flake.ts";
import type { EvaluationBridge } from "../run-evaluation.ts";
import { autoArgsOf, type OpenEvaluation, openEvaluation, searchPathOf } from "../run-evaluation.ts";
import { type Completions, completionsOf } from "./repl-completion.ts";
import { documentationOf } from "./repl-documentation.ts";
import { REPL_HELP } from "./repl-help.ts";
import type { ReplAction, ReplOptions, ReplReply } from "./repl-messages.ts";
import { IncompleteInput, ReplScope } from "./repl-scope.ts";

/** Where a session's text goes. */
export interface ReplOutput {
  out(text: string): void;
  /** News of the session itself, such as what was loaded. */
  notice(text: string): void;
}

const ADDED_SHOWN_MAX = 20;
const WHITESPACE = /^[ \t\r\n]+|[ \t\r\n]+$/g;

/** Commands of Nix that start programs of Nix. */
const ELSEWHERE: Readonly<Record<string, string>> = { ":i": "nix-env", ":u": "nix-shell", ":sh": "nix-shell" };

export class ReplSession {
  readonly #options: ReplOptions;
  readonly #output: ReplOutput;
  readonly #evaluation: OpenEvaluation;
  readonly #searchPath: readonly LookupElement[];
  readonly #program: Program;
  readonly #scope: ReplScope;
  readonly #autoArgs: Attrs;
  readonly #baseDir: string;
  #files: string[];
  #flakes: string[] = [];
  readonly #ask: Ask | undefined;
  #lastLoaded: Attrs | undefined;
  /** Whether errors are shown with all their frames. */
  showsTrace: boolean;

  constructor(options: ReplOptions, output: ReplOutput, bridge: EvaluationBridge) {
    this.#options = options;
    this.#output = output;
    const request = { ...options.request, output: "printed" } as const;
    this.#evaluation = openEvaluation(request, bridge);
    const { state, host } = this.#evaluation;
    this.#searchPath = searchPathOf(request, (name) => host.environment(name));
    this.#program = openScope(state, this.#searchPath);
    this.#baseDir = byteStringOfText(request.baseDir);
    this.#scope = new ReplScope(this.#program, this.#program.parseOptions(this.#baseDir));
    this.#autoArgs = autoArgsOf(this.#program, request, this.#baseDir);
    this.#files = [...options.files];
    this.#ask = bridge.ask;
    this.showsTrace = request.showTrace ?? false;
  }

  get evaluation(): OpenEvaluation {
    return this.#evaluation;
  }

  /** Loads what the session starts with; also what `:r` does. */
  load(): void {
    this.#scope.clear();
    for (const [name, text] of Object.entries(this.#options.variables)) {
      const file = this.#scope.parse(byteStringOfText(text));
      this.#scope.add(byteStringOfText(name), new Thunk(new NativeCode(() => this.#scope.evaluate(file)), []));
    }
    const files = this.#files;
    this.#files = [];
    for (const file of files) {
      this.#output.notice(`Loading "${file}"...`);
      this.#loadFile(file);
    }
    for (const { text, what, attrPath } of this.#options.expressions) {
      this.#output.notice(`Loading installable '${what}'...`);
      const root = this.#program.evaluateText(byteStringOfText(text), { baseDir: this.#baseDir });
      const value = selectPath(this.#evaluation.state, root, byteStringOfText(attrPath ?? ""), this.#autoArgs);
      this.#addToScope(autoCall(this.#evaluation.state, value, this.#autoArgs));
    }
    for (const reference of this.#options.flakes) {
      this.#output.notice(`Loading installable '${reference}'...`);
      this.#addToScope(this.#selectOutputs(reference));
    }
    const flakes = this.#flakes;
    this.#flakes = [];
    for (const reference of flakes) {
      this.#output.notice(`Loading flake '${reference}'...`);
      this.#loadFlake(reference);
    }
  }

  /** Does what a line says; throws what went wrong. The text may be several lines of one expression. */
  run(text: string): ReplReply {
    const { state } = this.#evaluation;
    state.callDepth = 0;
    const line = text.replace(WHITESPACE, "");
    if (line === "") return { kind: "done" };
    try {
      if (!line.startsWith(":")) return this.#runExpression(line);
      const [, command = "", argument = ""] = /^(\S+)\s*([^]*)$/.exec(line)!;
      return this.#runCommand(command, argument);
    } catch (error) {
      if (error instanceof IncompleteInput) return { kind: "incomplete" };
      throw error;
    }
  }

  complete(text: string): Completions {
    const { state, host } = this.#evaluation;
    state.callDepth = 0;
    return completionsOf(text, this.#scope, { host, baseDir: this.#baseDir, homeDir: state.settings.homeDir });
  }

  #runExpression(line: string): ReplReply {
    const bindings = this.#scopeBindings(line);
    if (bindings !== undefined) this.#scope.addAll(bindings);
    else {
      this.#print(this.#evaluate(line), 1);
      this.#output.out("\n");
    }
    return { kind: "done" };
  }

  /** The definitions of a line that consists of such, each evaluated when it is used. */
  #scopeBindings(line: string): Attrs | undefined {
    let file;
    try {
      file = this.#scope.parseBindings(line, { seesIncomplete: !this.#options.isCompatible });
    } catch (error) {
      if (error instanceof EvalError && error.kind.kind === "syntax") return undefined;
      throw error;
    }
    return file === undefined ? undefined : (this.#scope.evaluate(file) as Attrs);
  }

  #evaluate(text: string): Value {
    return this.#scope.evaluate(this.#scope.parse(text));
  }

  #print(value: Value, depthMax: number): void {
    printForced(this.#evaluation.state, value, {
      depthMax,
      indent: 2,
      colors: this.#options.colors,
      throwsAtTop: true,
      write: (part) => this.#output.out(part),
    });
  }

  #runCommand(command: string, argument: string): ReplReply {
    switch (command) {
      case ":?":
      case ":help":
        this.#output.out(byteStringOfText(REPL_HELP));
        break;
      case ":a":
      case ":add":
        this.#addToScope(this.#evaluate(argument));
        break;
      case ":l":
      case ":load":
        this.#program.forgetFiles();
        this.#loadFile(argument);
        break;
      case ":lf":
      case ":load-flake":
        this.#loadFlake(argument);
        break;
      case ":ll":
      case ":last-loaded":
        if (this.#lastLoaded === undefined) throw invalidError("nothing has been loaded yet");
        for (const name of this.#lastLoaded.keys) this.#output.out(`${name}\n`);
        break;
      case ":r":
      case ":reload":
        this.#program.forgetFiles();
        this.load();
        break;
      case ":t":
        this.#output.out(`${describeType(this.#evaluate(argument))}\n`);
        break;
      case ":p":
      case ":print": {
        const value = this.#evaluate(argument);
        if (isString(value)) this.#output.out(textOf(value));
        else this.#print(value, Infinity);
        this.#output.out("\n");
        break;
      }
      case ":te":
      case ":trace-enable":
        this.#setTrace(command, argument);
        break;
      case ":q":
      case ":quit":
        return { kind: "quit" };
      default:
        return { kind: "done", action: this.#actionOf(command, argument) };
    }
    return { kind: "done" };
  }

  /** What a command needs done outside of the evaluator. */
  #actionOf(command: string, argument: string): ReplAction {
    switch (command) {
      case ":b":
      case ":bl": {
        const drvPath = this.#derivationOf(this.#evaluate(argument));
        const { derivations, sources } = this.#evaluation.host;
        return { kind: "build", drvPath, makesLinks: command === ":bl", derivations, sources };
      }
      case ":log":
        return { kind: "log", drvPath: this.#derivationOf(this.#evaluate(argument)) };
      case ":e":
      case ":edit":
        return this.#placeToEdit(this.#evaluate(argument), argument);
      case ":doc":
        return { kind: "documentation", markdown: this.#documentation(argument) };
    }
    const program = ELSEWHERE[command];
    if (program === undefined) throw invalidError(`unknown command '${command}'`);
    this.#derivationOf(this.#evaluate(argument));
    throw invalidError(`'${command}' starts ${program}, which is not part of Pristine`);
  }

  #setTrace(command: string, argument: string): void {
    if (argument !== "" && argument !== "true" && argument !== "false") {
      throw invalidError(`unexpected argument '${argument}' to ${command}`);
    }
    this.showsTrace = argument === "" ? !this.showsTrace : argument === "true";
    this.#evaluation.state.setRecordsCalls(this.showsTrace);
    this.#output.out(this.showsTrace ? "showing error traces\n" : "not showing error traces\n");
  }

  #loadFile(file: string): void {
    const { state } = this.#evaluation;
    this.#files = [...this.#files.filter((other) => other !== file), file];
    const isLookup = file.length > 2 && file.startsWith("<") && file.endsWith(">");
    const path = isLookup
      ? (findFile(state, this.#searchPath, file.slice(1, -1)) as Path).path
      : canonicalPath(file.startsWith("/") ? file : `${this.#baseDir}/${file}`);
    this.#addToScope(autoCall(state, this.#program.evaluateRootFile(path), this.#autoArgs));
  }

  #loadFlake(reference: string): void {
    if (reference === "") {
      throw invalidError(
        "cannot use ':load-flake' without a path specified. (Use '.' for the current working directory.)",
      );
    }
    this.#flakes = [...this.#flakes.filter((other) => other !== reference), reference];
    const { context, locked } = this.#openFlake(reference, { kind: "lock" });
    this.#addToScope(callFlake(context, locked));
  }

  /** What a flake, or the part of it that a fragment names, has to offer. */
  #selectOutputs(reference: string): Value {
    const task = { kind: "select", defaults: [""], prefixes: [] } as const;
    return selectOutput(this.#openFlake(reference, task), task);
  }

  #openFlake(reference: string, task: FlakeTask): OpenFlake {
    const request = { reference: textOfByteString(reference), task, lock: { writes: false } };
    const { host } = this.#evaluation;
    return openFlake(this.#program, request, { baseDir: textOfByteString(this.#baseDir), ask: this.#ask, host });
  }

  #addToScope(value: Value): void {
    const frame = "while evaluating an attribute set to be merged in the global scope";
    const attrs = expectAttrs(value, value instanceof Lambda ? value.code.place : undefined, frame);
    this.#scope.addAll(attrs);
    this.#lastLoaded = attrs;
    this.#output.notice(`Added ${attrs.size} variables.`);
    this.#output.notice(attrs.keys.slice(0, ADDED_SHOWN_MAX).map(renderAttrName).join(", "));
    if (attrs.size > ADDED_SHOWN_MAX) {
      this.#output.notice(`... and ${attrs.size - ADDED_SHOWN_MAX} more; view with :ll`);
    }
  }

  #derivationOf(value: Value): string {
    if (!isDerivation(value)) throw invalidError("expression does not evaluate to a derivation, so I can't build it");
    if (!value.has("drvPath")) {
      throw invalidError("expression did not evaluate to a valid derivation (no 'drvPath' attribute)");
    }
    return collectDerivations(this.#evaluation.state, value, this.#autoArgs)[0]!.drvPath;
  }

  #placeToEdit(value: Value, what: string): ReplAction {
    const { state } = this.#evaluation;
    if (isString(value) || value instanceof Path) {
      const file = coerceToPath(state, value, new Set(), undefined, "while evaluating the filename to edit");
      return { kind: "edit", file: textOfByteString(file), line: 0 };
    }
    if (value instanceof Lambda) {
      const { place } = value.code;
      if (!place.source.isFile) throw invalidError(`'${renderPlace(place)}' cannot be shown in an editor`);
      const { line } = place.source.locate(place.offset);
      return { kind: "edit", file: textOfByteString(place.source.path), line };
    }
    let position: Value;
    try {
      position = selectPath(state, value, "meta.position", this.#autoArgs);
    } catch (error) {
      if (!(error instanceof EvalError)) throw error;
      throw invalidError(`package '${what}' has no source location information`);
    }
    const frame = "while evaluating the 'meta.position' attribute of a derivation";
    const text = coerceToPath(state, position, new Set(), undefined, frame);
    const [, file = "", line = ""] = /^(.*):(\d+)$/.exec(text) ?? [];
    if (file === "") throw invalidError(`cannot parse 'meta.position' attribute '${text}'`);
    return { kind: "edit", file: textOfByteString(file), line: Number(line) };
  }

  #documentation(text: string): string {
    const file = this.#scope.parse(text);
    return textOfByteString(documentationOf(this.#evaluation.state, file, (node) => this.#scope.evaluate(file, node)));
  }
}
