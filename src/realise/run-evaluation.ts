/** One evaluation from request to text, in whatever thread it runs. */

import { byteStringOfText, textOfByteString } from "../base/byte-string.ts";
import { autoCall, selectPath } from "../language/eval/attr-path.ts";
import { DEFAULT_STORE_DIR } from "../format/store-path.ts";
import { forceDeep } from "../language/builtins/control.ts";
import {
  findFile,
  isRemoteElement,
  type LookupElement,
  parseLookupElement,
  parseNixPath,
} from "../language/builtins/lookup-path.ts";
import { openScope } from "../language/builtins/scope.ts";
import { Attrs, attrsOfEntries } from "../language/eval/attrs.ts";
import { canonicalPath } from "../language/eval/canonical-path.ts";
import { callOne } from "../language/eval/call.ts";
import { coerceToText, COPY } from "../language/eval/coerce.ts";
import { DerivationSearch } from "../language/eval/derivations-of.ts";
import { EvalError, outOfMemoryOf } from "../language/eval/eval-error.ts";
import { HostError } from "../language/host.ts";
import { renderExcerpt } from "../language/eval/place-text.ts";
import { printForced } from "../language/eval/print-forced.ts";
import { printValue } from "../language/eval/print-value.ts";
import type { Program } from "../language/eval/program.ts";
import { renderError } from "../language/eval/render-error.ts";
import { renderSuggestions } from "../language/eval/suggestions.ts";
import { CALL_DEPTH_MAX_DEFAULT, type EvalSettings, EvalState } from "../language/eval/state.ts";
import { NativeCode, Thunk } from "../language/eval/thunk.ts";
import { Path, type Place, type Slot, type Value } from "../language/eval/value.ts";
import { renderJson } from "../language/eval/value-json.ts";
import { renderXml } from "../language/eval/value-xml.ts";
import { renderExpression } from "../language/print/expression.ts";
import { Source } from "../language/syntax/source.ts";
import type { Ask } from "./evaluate-messages.ts";
import { joinReads } from "./cache/join-reads.ts";
import { currentSystem } from "./current-system.ts";
import { EvaluationHost, type EvaluationHostOptions } from "./evaluation-host.ts";
import { RestrictedHost } from "./restricted-host.ts";
import { canSplit, joinMembers, type MemberSet, memberSetOf, renderDerivations } from "./members/member-set.ts";
import { type RenderedMembers, renderMembers, threadCount } from "./members/member-threads.ts";
import { type Profile, profileOf, profilerFor } from "./profile.ts";
import type { TextTree } from "../system/text-tree.ts";
import { selectOutput } from "./flake/flake-outputs.ts";
import { openFlake } from "./flake/open-flake.ts";
import type { FlakeRequest } from "./flake/flake-request.ts";
import { rememberedOutput } from "./flake/remembered-output.ts";
import { runFlakeTask } from "./flake/run-flake.ts";
import { textTreeOf } from "./text-tree.ts";
import {
  type DiagnosticPlace,
  EvalDiagnostic,
  type EvalDiagnosticData,
  type EvaluationRequest,
  type EvaluationResult,
} from "./evaluation-request.ts";

/** How an evaluation reaches the thread that can wait. */
export interface EvaluationBridge {
  /** Asks the thread that can wait for what evaluation needs: the one way in which evaluation waits for anything. */
  readonly ask?: Ask;
  /** Whether outputs can be built when they are asked for. */
  readonly canRealise?: boolean;
  /** Whether further threads may be started for large sets. */
  readonly mayThread?: boolean;
  readonly onTrace?: (line: string) => void;
  readonly onProfile?: (profile: Profile) => void;
  readonly onWarning?: (text: string, isFromExpression: boolean) => void;
}

/** The experimental features of Nix that are no experiment here. */
const OWN_FEATURES: readonly string[] = [
  "ca-derivations",
  "dynamic-derivations",
  "fetch-closure",
  "fetch-tree",
  "flakes",
  "impure-derivations",
];

/** The evaluator of a request, before anything is evaluated. */
export interface OpenEvaluation {
  readonly state: EvalState;
  readonly host: EvaluationHost;
  readonly warnings: string[];
  readonly traces: string[];
}

/** Makes the evaluator that a request asks for. */
export function openEvaluation(request: EvaluationRequest, bridge: EvaluationBridge = {}): OpenEvaluation {
  const warnings: string[] = [];
  const traces: string[] = [];
  const host = openHost(request, {
    ...bridge,
    onTrace: (line) => {
      traces.push(line);
      bridge.onTrace?.(line);
    },
    onWarning: (text, isFromExpression) => {
      warnings.push(text);
      bridge.onWarning?.(text, isFromExpression);
    },
  });
  return { state: new EvalState(settingsOf(request, host), host), host, warnings, traces };
}

/** The world as a request is to see it. */
export function openHost(
  request: EvaluationRequest,
  bridge: EvaluationBridge & Pick<EvaluationHostOptions, "neighbours">,
): EvaluationHost {
  const options: EvaluationHostOptions = {
    storeDir: request.storeDir ?? DEFAULT_STORE_DIR,
    stateDir: request.storeStateDir,
    storeRoot: request.storeRoot ?? "",
    readsTargetStore: request.storeRoot !== undefined,
    baseDir: request.baseDir,
    env: request.env ?? process.env,
    ask: bridge.ask,
    canRealise: bridge.canRealise ?? false,
    ...(bridge.neighbours === undefined ? {} : { neighbours: bridge.neighbours }),
    onTrace: (line) => bridge.onTrace?.(line),
    onWarning: (text, isFromExpression) => bridge.onWarning?.(text, isFromExpression),
    beforeBuild: (output) => {
      if (request.importFromDerivation === false) {
        throw new HostError(
          `cannot build '${output}' during evaluation because the option 'allow-import-from-derivation' is disabled`,
        );
      }
      if (request.traceImportFromDerivation === true) {
        options.onWarning(`built '${output}' during evaluation due to an import from derivation`, false);
      }
    },
  };
  return openRestrictedHost(request, options);
}

/** How the evaluator of a request is set. */
export function settingsOf(request: EvaluationRequest, host: EvaluationHost): EvalSettings {
  return {
    callDepthMax: request.callDepthMax ?? CALL_DEPTH_MAX_DEFAULT,
    profiler: request.profile === undefined ? undefined : profilerFor(request.profile),
    showTrace: request.showTrace ?? false,
    pure: request.pure ?? false,
    restricted: request.restricted ?? false,
    storeDir: request.storeDir ?? DEFAULT_STORE_DIR,
    writesStore: request.readWrite ?? false,
    system: request.system ?? currentSystem(),
    homeDir: host.environment("HOME"),
    traceVerbose: request.traceVerbose ?? false,
    abortOnWarn: request.abortOnWarn ?? /^(1|yes|true)$/.test(host.environment("NIX_ABORT_ON_WARN") ?? ""),
    features: new Set(request.experimentalFeatures ?? OWN_FEATURES),
    allowedUris: request.restricted === true ? (request.allowedUris ?? []) : undefined,
    lints: request.lints ?? {},
  };
}

/** Evaluates; throws `EvalDiagnostic` for an error of the expression. */
export function runEvaluation(request: EvaluationRequest, bridge: EvaluationBridge = {}): EvaluationResult {
  const { state, host, warnings, traces } = openEvaluation(request, bridge);
  try {
    let isRecalled = false;
    let others: RenderedMembers | undefined;
    const shown = render(state, request, host, {
      ask: bridge.ask,
      canRealise: bridge.canRealise ?? false,
      onRecalled: () => (isRecalled = true),
      linesSaid: () => warnings.length + traces.length,
      renderSet: (set) => {
        if (request.keepGoing === true) return renderEach(set, request);
        const threads = bridge.mayThread === true ? threadCount(set.names.length, process.env) : 1;
        if (threads > 1) others = renderMembers(request, set, threads);
        return others?.text;
      },
    });
    const text = typeof shown === "string" ? textOfByteString(shown) : "";
    const { derivations, sources, reads } = others === undefined ? host : withOthers(host, others);
    return {
      text,
      derivations,
      sources,
      reads,
      warnings,
      traces,
      isRecalled,
      ...(typeof shown === "string" ? {} : { tree: shown }),
    };
  } catch (error) {
    throw diagnosticOf(error, request.showTrace ?? false);
  } finally {
    if (state.profiler !== undefined) bridge.onProfile?.(profileOf(state.profiler, request.profile!));
  }
}

/** A set member after member, with the errors of those that fail in their places. */
function renderEach({ names, render: renderMember }: MemberSet, request: EvaluationRequest): string {
  const texts = names.map((name): [string, string] => {
    try {
      return [name, renderMember(name)];
    } catch (error) {
      const diagnostic = diagnosticOf(error, request.showTrace ?? false);
      if (!(diagnostic instanceof EvalDiagnostic)) throw error;
      return [name, byteStringOfText(JSON.stringify({ failure: diagnostic.data }))];
    }
  });
  return joinMembers(request.output, new Map(texts));
}

/** What this thread and others have made and read. */
function withOthers(
  host: EvaluationHost,
  others: RenderedMembers,
): Pick<EvaluationResult, "derivations" | "sources" | "reads"> {
  const { reads, volatile } = host.reads;
  return {
    derivations: new Map([...others.derivations, ...host.derivations]),
    sources: new Map([...others.sources, ...host.sources]),
    reads: { reads: joinReads([reads, others.reads]), volatile },
  };
}

/** The world of a request: all of it, or what pure and restricted evaluation may see. */
function openRestrictedHost(request: EvaluationRequest, options: EvaluationHostOptions): EvaluationHost {
  if (request.pure !== true && request.restricted !== true) return new EvaluationHost(options);
  const local = searchPathOf(request, (name) => byteStringOfText(options.env[name] ?? ""))
    .map(({ path }) => path)
    .filter((path) => !isRemoteElement(path));
  const baseDir = byteStringOfText(request.baseDir);
  return new RestrictedHost({
    ...options,
    restriction: request.pure === true ? "pure" : "restricted",
    allowed: local.map((path) => canonicalPath(path.startsWith("/") ? path : `${baseDir}/${path}`)),
  });
}

export function searchPathOf(
  request: EvaluationRequest,
  environment: (name: string) => string | undefined,
): readonly LookupElement[] {
  if (request.pure === true) return [];
  const parse = (element: string): LookupElement => parseLookupElement(byteStringOfText(element));
  const { searchPath = [], nixPath } = request;
  return [...searchPath.map(parse), ...(nixPath?.map(parse) ?? parseNixPath(environment("NIX_PATH") ?? ""))];
}

interface RenderOptions {
  readonly ask: Ask | undefined;
  readonly canRealise?: boolean;
  /** Told when the result was remembered; without it, no result is. */
  readonly onRecalled?: () => void;
  /** How many warnings and traces there were so far. */
  readonly linesSaid?: () => number;
  /** Shows a set in another way than member after member; `undefined` when that is not worth while. */
  readonly renderSet?: (set: MemberSet) => string | undefined;
}

function render(
  state: EvalState,
  request: EvaluationRequest,
  host: EvaluationHost,
  options: RenderOptions,
): string | TextTree {
  const searchPath = searchPathOf(request, (name) => host.environment(name));
  return renderWith(openScope(state, searchPath), searchPath, request, host, options);
}

/** Evaluates what is asked for, in a scope that is open already. */
export function renderWith(
  program: Program,
  searchPath: readonly LookupElement[],
  request: EvaluationRequest,
  host: EvaluationHost,
  options: RenderOptions,
): string | TextTree {
  const { state } = program;
  if (request.findFile !== undefined) {
    return (findFile(state, searchPath, byteStringOfText(request.findFile)) as Path).path;
  }
  const baseDir = byteStringOfText(request.baseDir);
  if (request.output === "parse") return renderParsed(program, request, searchPath, baseDir, host);
  if (request.flake !== undefined) return renderFlake(program, request, request.flake, host, options);
  return renderRoot(program, request, rootValue(program, request, searchPath, baseDir), options.renderSet);
}

/** An output of a flake, or what else was asked of it. */
function renderFlake(
  program: Program,
  request: EvaluationRequest,
  asked: FlakeRequest,
  host: EvaluationHost,
  { ask, canRealise = false, onRecalled, linesSaid = () => 0 }: RenderOptions,
): string | TextTree {
  const flake = openFlake(program, asked, { baseDir: request.baseDir, ask, host });
  const { task } = asked;
  const evaluate = (): string | TextTree =>
    task.kind === "select" ? renderRoot(program, request, selectOutput(flake, task)) : runFlakeTask(flake, task);
  const remembered =
    onRecalled === undefined ? undefined : rememberedOutput(request, asked, flake, { canRealise, onFound: onRecalled });
  if (remembered === undefined) return evaluate();
  const linesBefore = linesSaid();
  return remembered.answer(
    () => evaluate() as string,
    () => linesSaid() === linesBefore,
  );
}

function renderRoot(
  program: Program,
  request: EvaluationRequest,
  root: Value,
  renderSet?: RenderOptions["renderSet"],
): string | TextTree {
  const { state } = program;
  const baseDir = byteStringOfText(request.baseDir);
  const autoArgs = autoArgsOf(program, request, baseDir);
  const paths = typeof request.attrPath === "object" ? request.attrPath : [request.attrPath ?? ""];
  const applied = (value: Value): Value => {
    if (request.apply === undefined) return value;
    const fn = program.evaluateText(byteStringOfText(request.apply), { baseDir });
    const isKept = autoArgs.size === 0 || request.keepFunction === true;
    return callOne(state, fn, isKept ? value : autoCall(state, value, autoArgs), undefined);
  };
  if (request.output === "tree") {
    return textTreeOf(state, applied(selectPath(state, root, byteStringOfText(paths[0] ?? ""), autoArgs)));
  }
  return paths
    .map((path) => {
      const value = applied(selectPath(state, root, byteStringOfText(path), autoArgs));
      return renderSelected(state, value, autoArgs, request, renderSet);
    })
    .join(request.output === "raw" ? "" : "\n");
}

/** The set that a request comes to, when its members can be shown each by itself, as if it were the only one. */
export function openMembers(state: EvalState, request: EvaluationRequest, host: EvaluationHost): MemberSet | undefined {
  const searchPath = searchPathOf(request, (name) => host.environment(name));
  const program = openScope(state, searchPath);
  const baseDir = byteStringOfText(request.baseDir);
  const autoArgs = autoArgsOf(program, request, baseDir);
  const value = calledValue(state, rootValue(program, request, searchPath, baseDir), autoArgs, request);
  return memberSetOf(state, value, autoArgs, { output: request.output, separate: true });
}

/** One member of a set, or the names of all; `null` for what is no set of members that the whole follows from. */
function renderPart(
  state: EvalState,
  value: Value,
  autoArgs: Attrs,
  request: EvaluationRequest & Required<Pick<EvaluationRequest, "part">>,
): string {
  const { part, output } = request;
  const set = memberSetOf(state, value, autoArgs, { output, separate: true });
  if (part === "names") return JSON.stringify(set?.names ?? null);
  return set!.render(part.member);
}

/** What is shown: what a function returns, where there is anything to call it with. */
function calledValue(state: EvalState, value: Value, autoArgs: Attrs, request: EvaluationRequest): Value {
  // Derivations are looked for in what a function returns, also when there are no arguments for it.
  const isKept = request.output !== "drv" && (autoArgs.size === 0 || request.keepFunction === true);
  return isKept ? value : autoCall(state, value, autoArgs);
}

function renderSelected(
  state: EvalState,
  selected: Value,
  autoArgs: Attrs,
  request: EvaluationRequest,
  renderSet: RenderOptions["renderSet"],
): string {
  const { output } = request;
  const value = calledValue(state, selected, autoArgs, request);
  if (request.part !== undefined) return renderPart(state, value, autoArgs, { ...request, part: request.part });
  if (renderSet !== undefined && canSplit(request)) {
    const set = memberSetOf(state, value, autoArgs, { output, separate: false });
    const text = set === undefined ? undefined : renderSet(set);
    if (text !== undefined) return text;
  }
  if (output === "drv") return renderDerivations(new DerivationSearch(state, autoArgs).called(value));
  return renderValue(state, value, request);
}

function renderValue(state: EvalState, value: Value, request: EvaluationRequest): string {
  const context = new Set<string>();
  switch (request.output) {
    case "json":
      return renderJson(state, value, context, { copyPaths: true });
    case "xml":
      return renderXml(state, value, context, {
        strict: request.strict ?? false,
        places: request.hidePlaces !== true,
      });
    case "raw":
      return coerceToText(state, value, context, undefined, request.rawFrame ?? RAW_FRAME, COPY);
    case "printed": {
      if (request.strict === true) forceDeep(state, value);
      const parts: string[] = [];
      printForced(state, value, { write: (part) => parts.push(part) });
      return parts.join("");
    }
    default:
      if (request.strict === true) forceDeep(state, value);
      return printValue(value);
  }
}

const RAW_FRAME = "while generating the nix-instantiate output";

function rootValue(
  program: Program,
  request: EvaluationRequest,
  searchPath: readonly LookupElement[],
  baseDir: string,
): Value {
  if (request.file !== undefined) {
    return program.evaluateRootFile(fileArgument(program, request.file, searchPath, baseDir));
  }
  return program.evaluateText(byteStringOfText(request.expression ?? ""), { baseDir, name: expressionName(request) });
}

function expressionName(request: EvaluationRequest): string {
  return byteStringOfText(request.expressionName ?? "«string»");
}

/** A file named on the command line: a path, or `<name>`. */
export function fileArgument(
  program: Program,
  file: string,
  searchPath: readonly LookupElement[],
  baseDir: string,
): string {
  const text = byteStringOfText(file);
  if (text.startsWith("<") && text.endsWith(">")) {
    return (findFile(program.state, searchPath, text.slice(1, -1)) as Path).path;
  }
  return canonicalPath(text.startsWith("/") ? text : `${baseDir}/${text}`);
}

function renderParsed(
  program: Program,
  request: EvaluationRequest,
  searchPath: readonly LookupElement[],
  baseDir: string,
  host: EvaluationHost,
): string {
  if (request.file === undefined) {
    const source = new Source(expressionName(request), byteStringOfText(request.expression ?? ""), {
      isFile: false,
    });
    return renderExpression(program.parseSource(source, baseDir, undefined).root);
  }
  let path = fileArgument(program, request.file, searchPath, baseDir);
  if (host.stat(path) === "directory") path = canonicalPath(`${path}/default.nix`);
  const source = new Source(path, host.readFile(path), { isFile: true });
  return renderExpression(program.parseSource(source, path.slice(0, path.lastIndexOf("/")) || "/", undefined).root);
}

export function autoArgsOf(program: Program, request: EvaluationRequest, baseDir: string): Attrs {
  return attrsOfEntries(
    Object.entries(request.args ?? {}).map(([name, argument]): [string, Slot] => {
      if ("string" in argument) return [byteStringOfText(name), byteStringOfText(argument.string)];
      const text = byteStringOfText(argument.expr);
      return [byteStringOfText(name), new Thunk(new NativeCode(() => program.evaluateText(text, { baseDir })), [])];
    }),
  );
}

/** What is thrown to the caller for any error of an evaluation; our own mistakes stay as they are. */
export function diagnosticOf(error: unknown, showTrace: boolean): unknown {
  let shown = error;
  if (error instanceof RangeError && /call stack/.test(error.message)) {
    shown = new EvalError({ kind: "stack-overflow", by: "stack" }, undefined);
  } else shown = outOfMemoryOf(error, undefined);
  if (!(shown instanceof EvalError)) return error;
  const { place } = shown;
  const suggestion = textOfByteString(renderSuggestions(shown.suggestions));
  const data: EvalDiagnosticData = {
    code: shown.code,
    message: textOfByteString(shown.message),
    rendered: textOfByteString(renderError(shown, { showTrace })),
    ...(place === undefined ? {} : { place: diagnosticPlace(place) }),
    ...(suggestion === "" ? {} : { suggestion }),
    trace: shown.trace.slice(-TRACE_FRAMES_SENT_MAX).map(({ text, place: at }) => ({
      text: textOfByteString(text),
      ...(at === undefined ? {} : { place: diagnosticPlace(at) }),
    })),
  };
  return new EvalDiagnostic(data);
}

function diagnosticPlace(place: Place): DiagnosticPlace {
  return {
    file: textOfByteString(place.source.path),
    ...place.source.locate(place.offset),
    excerpt: textOfByteString(renderExcerpt(place)),
  };
}

/** The outermost frames are what a program that reads the trace can use. */
const TRACE_FRAMES_SENT_MAX = 100;
