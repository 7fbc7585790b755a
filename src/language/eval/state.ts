/** What one evaluation keeps track of, apart from the values themselves. */

import { byteStringOfBytes } from "../../base/byte-string.ts";
import { type Derivation, derivationReferences } from "../../format/derivation.ts";
import { parseDerivation } from "../../format/derivation-aterm.ts";
import { DerivationHasher } from "../../format/derivation-hash.ts";
import { StorePath } from "../../format/store-path.ts";
import { type Host, HostError } from "../host.ts";
import type { LintLevels } from "../syntax/lints.ts";
import type { CallProfiler } from "./call-profiler.ts";
import { EvalError } from "./eval-error.ts";
import type { Program } from "./program.ts";
import type { Sharing } from "./sharing.ts";
import type { Code } from "./thunk.ts";
import type { Place, Slot } from "./value.ts";

export const CALL_DEPTH_MAX_DEFAULT = 10_000;

/** Looking at how much memory is left takes as long as some hundred calls. */
const CALLS_UNWATCHED_MAX = 65_536;
/** So many slots of a list, as a power of two, are worth a call. */
const SLOTS_PER_CALL_LOG2 = 2;
export const SLOT_BYTES = 8;
/** A slot whose value is a suspended call. */
export const SUSPENDED_BYTES = 112;

export interface EvalSettings {
  readonly callDepthMax: number;
  /** Told of every call. */
  readonly profiler?: CallProfiler | undefined;
  /** Record "while calling …" for every function on the way out of an error. */
  readonly showTrace: boolean;
  /** Pure evaluation has no environment, no search path, no time and no current system. */
  readonly pure: boolean;
  /** Restricted evaluation sees nothing of the environment either. */
  readonly restricted: boolean;
  readonly storeDir: string;
  /** What is made is written to the store while evaluating, as far as a program can tell. */
  readonly writesStore: boolean;
  readonly system: string;
  readonly homeDir: string | undefined;
  readonly traceVerbose: boolean;
  /** Stop at the first `builtins.warn`, to see where it comes from. */
  readonly abortOnWarn: boolean;
  /** Nix's experimental features that are switched on. */
  readonly features: ReadonlySet<string>;
  /** What may be fetched from, as prefixes; everything when absent. */
  readonly allowedUris: readonly string[] | undefined;
  readonly lints: LintLevels;
}

export class EvalState {
  readonly settings: EvalSettings;
  /** Another one for each evaluation, when several share what is compiled. */
  host: Host;
  /** What imports files in this state's name; there once the builtin scope is open. */
  program: Program | undefined;
  /** Present when values can be shared with other evaluations. */
  sharing: Sharing | undefined;
  /** Nested calls right now; restored by whoever catches an error. */
  callDepth = 0;
  readonly callDepthMax: number;
  /** How many calls there are until memory is looked at again. */
  private callsUnwatched = CALLS_UNWATCHED_MAX;
  /** Whether calls go the long way, past whoever watches them. */
  showsTrace: boolean;
  /** Whether every call on the way of an error is recorded. */
  recordsCalls: boolean;
  readonly profiler: CallProfiler | undefined;
  /** Store paths of the sources copied so far, by canonical path. */
  readonly copiedSources: Map<string, string> = new Map();
  /** What elements of search paths that are addresses led to. */
  readonly lookupPathTrees: Map<string, string> = new Map();
  /** Elements of search paths that were found missing. */
  readonly missingLookupPaths: Set<string> = new Set();
  /** The code of calls with one and two arguments that builtins put off. */
  suspendedCallOne: Code | undefined;
  suspendedCallTwo: Code | undefined;
  /** The builtin scope: what a name means that no expression binds. */
  readonly globals: Map<string, Slot> = new Map();

  /** The derivations of this evaluation, and those it had to read, by full path. */
  readonly derivations: Map<string, KnownDerivation>;
  readonly hasher: DerivationHasher;
  /** Store paths that were taken apart, by full path. */
  readonly #storePaths = new Map<string, StorePath>();

  /** `kin` is a state whose derivations are known to this one, too: a path says what its derivation is. */
  constructor(settings: EvalSettings, host: Host, kin?: EvalState) {
    this.settings = settings;
    this.host = host;
    this.callDepthMax = settings.callDepthMax;
    this.recordsCalls = settings.showTrace;
    this.profiler = settings.profiler;
    this.showsTrace = settings.showTrace || settings.profiler !== undefined;
    this.derivations = kin?.derivations ?? new Map<string, KnownDerivation>();
    if (kin !== undefined) {
      this.hasher = kin.hasher;
      return;
    }
    this.hasher = new DerivationHasher(settings.storeDir, (path) => this.derivationAt(path.render(settings.storeDir)));
  }

  /** Begins another evaluation, which shares compiled code with the former one but no values. */
  startAnew(host: Host): void {
    this.host = host;
    this.callDepth = 0;
    this.copiedSources.clear();
    this.program?.forgetValues();
  }

  /** A full path, taken apart. */
  storePathOf(path: string): StorePath {
    let known = this.#storePaths.get(path);
    if (known === undefined) this.#storePaths.set(path, (known = StorePath.ofFull(path, this.settings.storeDir)));
    return known;
  }

  /** The derivation at a full path: one this evaluation made, or one from the store. */
  derivationAt(path: string): Derivation {
    let known = this.derivations.get(path);
    if (known === undefined) {
      const { storeDir } = this.settings;
      const name = StorePath.ofFull(path, storeDir).name.slice(0, -".drv".length);
      const drv = parseDerivation(byteStringOfBytes(readDerivation(this.host, path)), name, storeDir);
      known = { drv, references: derivationReferences(drv).map((reference) => reference.render(storeDir)) };
      this.derivations.set(path, known);
    }
    return known.drv;
  }

  /** A derivation's path and every store path it needs, through all its inputs. */
  closureOf(drvPath: string): ReadonlySet<string> {
    const found = new Set<string>([drvPath]);
    for (const path of found) {
      if (path.endsWith(".drv")) this.derivationAt(path);
      const references = this.derivations.get(path)?.references ?? this.host.referencesOf(path);
      for (const reference of references) found.add(reference);
    }
    return found;
  }

  /** Records calls on the way of errors from now on, or no longer. */
  setRecordsCalls(recordsCalls: boolean): void {
    this.recordsCalls = recordsCalls;
    this.showsTrace = recordsCalls || this.profiler !== undefined;
  }

  enterCall(at: Place | undefined): void {
    if (this.callDepth++ > this.callDepthMax) throw tooDeep(at);
    if (--this.callsUnwatched < 0) this.#watchMemory(0, at);
  }

  /** Refuses to make as many slots when they do not fit: to be asked by whoever fills many without a call between. */
  reserve(slots: number, bytes: number = slots * SLOT_BYTES): void {
    this.callsUnwatched -= slots >> SLOTS_PER_CALL_LOG2;
    if (this.callsUnwatched < 0) this.#watchMemory(bytes, undefined);
  }

  /** The same for what is made of a text. */
  reserveText(text: string): void {
    this.reserve(text.length >> 3, text.length);
  }

  #watchMemory(bytes: number, at: Place | undefined): void {
    this.callsUnwatched = CALLS_UNWATCHED_MAX;
    try {
      this.host.reserveMemory(bytes);
    } catch (error) {
      if (error instanceof HostError) throw new EvalError({ kind: "out-of-memory", message: error.message }, at);
      throw error;
    }
  }
}

function tooDeep(at: Place | undefined): EvalError {
  return new EvalError({ kind: "stack-overflow", by: "calls" }, at);
}

interface KnownDerivation {
  readonly drv: Derivation;
  readonly references: readonly string[];
}

function readDerivation(host: Host, path: string): Uint8Array {
  try {
    return host.readDerivation(path);
  } catch (error) {
    if (error instanceof HostError) throw new EvalError({ kind: "world", message: error.message }, undefined);
    throw error;
  }
}
