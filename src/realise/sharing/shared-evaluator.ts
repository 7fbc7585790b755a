/**
 * Evaluates one request after another, with package sets and compiled code shared between them.
 *
 * Each request sees the world anew; what it reads itself and what its package sets ever read is what it depends on. A
 * package set is dropped when anything it read has changed, when it said something, or when it depends on the time.
 * Whatever cannot be done in this way is done alone: errors above all, so that they are reported as they would be.
 */

import { dirname } from "node:path";
import { byteStringOfText, textOfByteString } from "../../base/byte-string.ts";
import { openScope } from "../../language/builtins/scope.ts";
import type { LookupElement } from "../../language/builtins/lookup-path.ts";
import { canonicalPath } from "../../language/eval/canonical-path.ts";
import { EvalError } from "../../language/eval/eval-error.ts";
import { NotShareableError, type Sharing } from "../../language/eval/sharing.ts";
import { EvalState } from "../../language/eval/state.ts";
import type { Slot, Value } from "../../language/eval/value.ts";
import type { Said } from "../cache/evaluation-cache.ts";
import { ReadCheck } from "../cache/read-check.ts";
import type { EvaluationReads } from "../cache/world-reads.ts";
import type { EvaluationHost } from "../evaluation-host.ts";
import type { EvaluationRequest, EvaluationResult, InstantiatedDerivation, SourcePath } from "../evaluation-request.ts";
import {
  diagnosticOf,
  type EvaluationBridge,
  openHost,
  renderWith,
  runEvaluation,
  searchPathOf,
  settingsOf,
} from "../run-evaluation.ts";
import { canSplit } from "../members/member-set.ts";
import { canShare } from "./can-share.ts";
import { PackageFiles, PackageSet, Uses } from "./package-set.ts";
import { joinParts, type RememberedPart, splitKey } from "./split-evaluation.ts";

/** Package sets kept at a time; the one not used for longest goes first. */
const SETS_MAX = 8;

/** What the names of a set's members are remembered as. */
const NAMES = "names";
const SPLIT_MEMBERS_MIN = 2;
/** Below this, it does not matter how a member is evaluated. */
const MEMBER_MS_CHEAP = 50;
/** How much longer all members may take than the whole does: that is what a later change of one member pays for. */
const SPLIT_COST_MAX = 2;
const SETS_JUDGED_MAX = 64;

/** What the evaluations of one project have in common. */
interface Project {
  readonly key: string;
  /** The request that came first: where the store is, and what relative paths are relative to. */
  readonly request: EvaluationRequest;
  readonly state: EvalState;
  readonly searchPath: readonly LookupElement[];
  readonly files: PackageFiles;
}

export class SharedEvaluator {
  #project: Project | undefined;
  readonly #sets = new Map<string, PackageSet>();
  /** How many members of sets were evaluated so far, apart from what was remembered. */
  membersEvaluated = 0;
  /** The parts of the set that was asked for last. */
  #split: { readonly key: string; readonly parts: ReadonlyMap<string, RememberedPart> } | undefined;
  /** A set whose members share little, and how long all of them would take: that is compared with the whole. */
  #doubted: { readonly key: string; readonly membersMs: number } | undefined;
  /** Whether such sets are evaluated member by member all the same. */
  readonly #isWorthSplitting = new Map<string, boolean>();
  readonly #nowMs: () => number;
  /** Calls that turned out to depend on more than their arguments. */
  readonly #refused = new Set<string>();
  /** Of the request that is being answered: package sets ask in its name. */
  #bridge: EvaluationBridge = {};
  readonly #env: Record<string, string> = {};

  constructor(options: { readonly nowMs?: () => number } = {}) {
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /**
   * Evaluates as `runEvaluation` does. `check` may serve several requests of one command. A result that `isPartial` lacks
   * what was made before: by package sets, and for members of a set that nothing has changed for, which are remembered.
   */
  evaluate(
    request: EvaluationRequest,
    bridge: EvaluationBridge,
    check: ReadCheck,
    { isPartial = false }: { readonly isPartial?: boolean } = {},
  ): EvaluationResult {
    if (!canShare(request)) return runEvaluation(request, bridge);
    this.#drop((set) => !check.check(set.host.reads.reads).isCurrent);
    const said: Said[] = [];
    let result: EvaluationResult;
    try {
      const split = isPartial && canSplit(request) ? this.#evaluateParts(request, bridge, check) : undefined;
      result = split ?? this.#evaluateWhole(request, bridge, said, isPartial);
    } catch (error) {
      if (!(error instanceof EvalError) && !(error instanceof NotShareableError) && !(error instanceof RangeError)) {
        throw error;
      }
      this.#giveUp(error);
      if (error instanceof EvalError && !error.isLasting) throw diagnosticOf(error, request.showTrace ?? false);
      return runEvaluation(request, bridge);
    }
    for (const one of said) {
      if (one.kind === "trace") bridge.onTrace?.(one.line);
      else bridge.onWarning?.(one.text, one.isFromExpression);
    }
    this.#drop((set) => set.isSpent);
    return result;
  }

  /** Evaluates at once; of a set that could be evaluated member by member, finds out whether that would be as good. */
  #evaluateWhole(
    request: EvaluationRequest,
    bridge: EvaluationBridge,
    said: Said[],
    isPartial: boolean,
  ): EvaluationResult {
    const key = splitKey(request);
    const doubted = this.#doubted;
    this.#doubted = undefined;
    const startedMs = this.#nowMs();
    const result = this.#evaluateSharing(request, bridge, said, isPartial);
    if (doubted?.key === key) {
      if (this.#isWorthSplitting.size >= SETS_JUDGED_MAX) this.#isWorthSplitting.clear();
      this.#isWorthSplitting.set(key, doubted.membersMs <= SPLIT_COST_MAX * (this.#nowMs() - startedMs));
    }
    return result;
  }

  /** Evaluates what has changed of a set; `undefined` when it has to be evaluated as a whole. */
  #evaluateParts(request: EvaluationRequest, bridge: EvaluationBridge, check: ReadCheck): EvaluationResult | undefined {
    const key = splitKey(request);
    const isWorth = this.#isWorthSplitting.get(key);
    if (isWorth === false) return undefined;
    if (this.#split?.key !== key) this.#split = { key, parts: new Map() };
    const before = this.#split.parts;
    const parts = new Map<string, RememberedPart>();
    const made = { derivations: new Map<string, InstantiatedDerivation>(), sources: new Map<string, SourcePath>() };
    const partOf = (id: string, part: NonNullable<EvaluationRequest["part"]>): RememberedPart | undefined => {
      const known = before.get(id);
      if (known !== undefined && check.check(known.reads).isCurrent) {
        parts.set(id, known);
        return known;
      }
      if (part !== "names") this.membersEvaluated++;
      const said: Said[] = [];
      const result = this.#evaluateSharing({ ...request, part }, bridge, said, true);
      const { text, reads } = result;
      for (const [path, drv] of result.derivations) made.derivations.set(path, drv);
      for (const [path, source] of result.sources) made.sources.set(path, source);
      // What is said once for the whole would be said for each member.
      if (said.length > 0 || reads.volatile !== undefined) return undefined;
      const remembered = { text, reads: reads.reads };
      parts.set(id, remembered);
      return remembered;
    };
    const names = partOf(NAMES, "names");
    const members = names === undefined ? null : (JSON.parse(names.text) as readonly string[] | null);
    if (names === undefined || members === null || members.length < SPLIT_MEMBERS_MIN) return undefined;
    const found = new Map<string, RememberedPart>();
    const evaluatedBefore = this.membersEvaluated;
    let firstMs = 0;
    for (const member of members) {
      const startedMs = this.#nowMs();
      const part = partOf(`${NAMES}.${member}`, { member });
      if (part === undefined) return undefined;
      found.set(member, part);
      const tookMs = this.#nowMs() - startedMs;
      if (found.size === 1) firstMs = tookMs;
      const areBothNew = found.size === 2 && this.membersEvaluated === evaluatedBefore + 2;
      // The second one finds at hand what they share; when that is little, the whole may take much less than the sum.
      if (isWorth === undefined && areBothNew && tookMs > Math.max(MEMBER_MS_CHEAP, firstMs / 2)) {
        this.#doubted = { key, membersMs: tookMs * members.length };
        return undefined;
      }
    }
    this.#split = { key, parts };
    return joinParts(request, found, names, made);
  }

  /** After a request that could not be answered by sharing. */
  #giveUp(error: Error): void {
    if (error instanceof RangeError || (error instanceof EvalError && !error.isLasting)) {
      // The stack ended anywhere, also where a value was being put in order; or all memory is needed.
      this.#project = undefined;
      this.#sets.clear();
    }
    if (error instanceof NotShareableError) {
      for (const key of this.#sets.keys()) this.#refused.add(key);
      this.#sets.clear();
    }
    this.#drop((set) => set.isSpent);
  }

  #evaluateSharing(
    request: EvaluationRequest,
    bridge: EvaluationBridge,
    said: Said[],
    isPartial: boolean,
  ): EvaluationResult {
    const uses = new Uses();
    const before: MadeBefore = new Map(
      (isPartial ? [...this.#sets.values()] : []).map(({ host: { derivations, sources }, host: made }) => [
        made,
        { derivations: derivations.size, sources: sources.size },
      ]),
    );
    this.#bridge = {
      ...bridge,
      onTrace: (line) => {
        // A trace can show which parts of a value others have evaluated already.
        if (uses.sets.size > 0) throw new NotShareableError("a trace came while values were shared");
        said.push({ kind: "trace", line });
      },
      onWarning: (text, isFromExpression) => said.push({ kind: "warning", text, isFromExpression }),
    };
    for (const name of Object.keys(this.#env)) delete this.#env[name];
    Object.assign(this.#env, request.env ?? process.env);
    const host = openHost(request, { ...this.#bridge, neighbours: () => uses.hosts() });
    const project = this.#open(request, host);
    const { state, searchPath } = project;
    state.startAnew(host);
    for (const set of this.#sets.values()) set.state.callDepth = 0;
    state.sharing = this.#sharingOf(project, uses);
    const text = textOfByteString(renderWith(state.program!, searchPath, request, host, { ask: bridge.ask }) as string);
    // The time of one evaluation is not the time of the next.
    if (host.volatile !== undefined) this.#project = undefined;
    return { text, ...made(host, uses, before), warnings: textsOf(said, "warning"), traces: textsOf(said, "trace") };
  }

  /** The evaluator for the request's own files: the former one, when it was for the same project. */
  #open(request: EvaluationRequest, host: EvaluationHost): Project {
    const settings = settingsOf(request, host);
    const searchPath = searchPathOf(request, (name) => host.environment(name));
    const file = request.file === undefined ? [] : [dirname(canonicalPath(`${request.baseDir}/${request.file}`))];
    const directories = [request.baseDir, ...(request.file?.startsWith("/") === true ? [dirname(request.file)] : file)];
    const key = JSON.stringify([
      { ...settings, features: [...settings.features] },
      searchPath,
      directories,
      [request.storeRoot, request.storeStateDir, request.fetchSettings],
      [request.importFromDerivation, request.traceImportFromDerivation],
    ]);
    if (this.#project?.key === key) return this.#project;
    this.#sets.clear();
    this.#refused.clear();
    const state = new EvalState(settings, host);
    const files = new PackageFiles(directories.map(byteStringOfText));
    this.#project = { key, request, state, searchPath, files };
    state.sharing = NO_SHARING;
    openScope(state, searchPath);
    return this.#project;
  }

  #sharingOf(project: Project, uses: Uses): Sharing {
    return {
      isShared: (path) => project.files.includes(path),
      call: (file, arg) => this.#call(project, uses, file, arg),
      unwound: () => {
        for (const set of uses.all()) set.state.callDepth = 0;
      },
    };
  }

  #call(project: Project, uses: Uses, file: string, arg: Slot): Value | undefined {
    const argument = project.files.argument(arg);
    if (argument === undefined) return undefined;
    const key = `${file}\0${argument.key}`;
    if (this.#refused.has(key)) return undefined;
    let set = this.#sets.get(key);
    if (set?.isRunning === true) return undefined;
    if (set === undefined) {
      set = this.#makeSet(project, { file, arg: argument.value });
      for (const oldest of this.#sets.keys()) {
        if (this.#sets.size < SETS_MAX) break;
        this.#sets.delete(oldest);
      }
    }
    // The newest comes last.
    this.#sets.delete(key);
    this.#sets.set(key, set);
    uses.sets.add(set);
    return set.force();
  }

  #makeSet(project: Project, call: { readonly file: string; readonly arg: Value }): PackageSet {
    const uses = new Uses();
    const { settings } = project.state;
    const spoken = (): void => {
      set.hasSpoken = true;
    };
    // One object, which always holds the variables of the request that is being answered.
    const request = { ...project.request, env: this.#env };
    const host = openHost(request, {
      ask: (question) => {
        const { ask } = this.#bridge;
        if (ask === undefined) throw new NotShareableError("there is nobody to ask");
        return ask(question);
      },
      canRealise: this.#bridge.canRealise ?? false,
      neighbours: () => uses.hosts(),
      onTrace: (line) => {
        spoken();
        this.#bridge.onTrace?.(line);
      },
      onWarning: (text, isFromExpression) => {
        spoken();
        this.#bridge.onWarning?.(text, isFromExpression);
      },
    });
    const state = new EvalState(settings, host, project.state);
    state.sharing = this.#sharingOf(project, uses);
    openScope(state, project.searchPath);
    const set: PackageSet = new PackageSet(state, host, uses, call);
    return set;
  }

  /** Removes package sets, and those that use them. */
  #drop(isGone: (set: PackageSet) => boolean): void {
    const gone = new Set([...this.#sets.values()].filter(isGone));
    for (const [key, set] of this.#sets) {
      if (gone.has(set) || [...set.uses.all()].some((inner) => gone.has(inner) || isGone(inner)))
        this.#sets.delete(key);
    }
  }
}

const NO_SHARING: Sharing = { isShared: () => false, call: () => undefined, unwound: () => undefined };

/** How much each host of a package set had made. */
type MadeBefore = ReadonlyMap<EvaluationHost, { readonly derivations: number; readonly sources: number }>;

/** What a request and the package sets it used have read and made; of the sets, only what they had not made `before`. */
function made(
  host: EvaluationHost,
  uses: Uses,
  before: MadeBefore,
): Pick<EvaluationResult, "derivations" | "sources" | "reads"> {
  const hosts = [host, ...uses.hosts()];
  const derivations = new Map<string, InstantiatedDerivation>();
  const sources = new Map<string, SourcePath>();
  const reads: EvaluationReads["reads"][number][] = [];
  let volatile: string | undefined;
  for (const one of hosts) {
    const known = before.get(one) ?? { derivations: 0, sources: 0 };
    addFrom(one.derivations, known.derivations, derivations);
    addFrom(one.sources, known.sources, sources);
    const read = one.reads;
    reads.push(...read.reads);
    volatile ??= read.volatile;
  }
  return { derivations, sources, reads: { reads, volatile } };
}

/** Maps have their entries in the order in which they came. */
function addFrom<T>(entries: ReadonlyMap<string, T>, start: number, into: Map<string, T>): void {
  if (entries.size === start) return;
  let index = 0;
  for (const [key, value] of entries) if (index++ >= start) into.set(key, value);
}

function textsOf(said: readonly Said[], kind: Said["kind"]): string[] {
  return said.filter((one) => one.kind === kind).map((one) => (one.kind === "trace" ? one.line : one.text));
}
