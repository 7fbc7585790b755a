/** What is asked of an evaluation, and what comes of it. Everything here crosses a thread boundary by copying. */

import type { FlakeRequest } from "./flake/flake-request.ts";
import type { TextTree } from "../system/text-tree.ts";
import type { EvaluationReads } from "./cache/world-reads.ts";
import type { LintLevels } from "../language/syntax/lints.ts";

import type { FetchSettings } from "../fetch/fetch-settings.ts";

/** An argument of a function at the top of an expression: Nix code, or a string as it is. */
export type EvaluationArgument = { readonly expr: string } | { readonly string: string };

/** `printed` evaluates what it prints, as `nix eval` does; `value` shows what has been evaluated. */
export type EvaluationOutput = "json" | "value" | "printed" | "xml" | "raw" | "drv" | "parse" | "tree";

export interface EvaluationRequest {
  /** The expression; ordinary text. Exactly one of `expression`, `file` and `findFile` is given. */
  readonly expression?: string;
  /** What places in the expression are shown with; `«string»` when absent. */
  readonly expressionName?: string;
  /** A file to evaluate, or a directory with a `default.nix`; also `<name>`. */
  readonly file?: string;
  /** A flake instead of an expression: one of its outputs is the value, or something else is asked of it. */
  readonly flake?: FlakeRequest;
  /** A name to look up in the search path; the result is its path. */
  readonly findFile?: string;
  /** What relative paths are relative to: an absolute path. */
  readonly baseDir: string;
  readonly args?: Readonly<Record<string, EvaluationArgument>>;
  /** The attribute to take, `a.b."c.d".0`; of several, the results follow each other. */
  readonly attrPath?: string | readonly string[];
  readonly output: EvaluationOutput;
  /** For `json`: the value is a set whose members are worth evaluating each by itself, where results are kept. */
  readonly perMember?: boolean;
  /** With `perMember`: a member that fails does not end it all, and is shown as `{ failure }`, its error as data. */
  readonly keepGoing?: boolean;
  /** Of the set that is the value, only this: the names of its members as JSON, `null` for what is no such set. */
  readonly part?: "names" | { readonly member: string };
  /** A function, as an expression, that is called with what was selected; its result is shown. */
  readonly apply?: string;
  /** Leave a function at the end of the path as it is, also when there are arguments for it. */
  readonly keepFunction?: boolean;
  /** What an error of `raw` says it happened in; `nix-instantiate`'s words when absent. */
  readonly rawFrame?: string;
  /** Evaluate the result deeply before showing it (`value`, `printed`, `xml`). */
  readonly strict?: boolean;
  /** Elements as `-I` takes them; `nixPath` comes after them. */
  readonly searchPath?: readonly string[];
  /** The rest of the search path in the same form; what `NIX_PATH` of `env` says when absent. */
  readonly nixPath?: readonly string[];
  /** The environment that evaluation sees; this process's own when absent. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Where the store's files really are: `/nix/store/x` is read at `<storeRoot>/nix/store/x`. Given only when this is
   * the store that the result will be written to, because what it holds already is then left out of the result.
   */
  readonly storeRoot?: string;
  readonly storeDir?: string;
  /** Where the store keeps its database, when not where Nix does. */
  readonly storeStateDir?: string;
  /** The store can be written to, which takes no derivations that cannot be read back, and built in while evaluating. */
  readonly readWrite?: boolean;
  /** What is not in the store, or has no hash, is out of reach. */
  readonly pure?: boolean;
  /** Only what the search path names can be read. */
  readonly restricted?: boolean;
  /** Prefixes of URLs that a restricted evaluation may fetch from. */
  readonly allowedUris?: readonly string[];
  /** Whether outputs may be built that evaluation needs to go on; they may when absent. */
  readonly importFromDerivation?: boolean;
  /** Warn of each such build. */
  readonly traceImportFromDerivation?: boolean;
  /** `x86_64-linux` and the like; this machine's when absent. */
  readonly system?: string;
  /** Record the frames of every call on the way of an error. */
  readonly showTrace?: boolean;
  readonly traceVerbose?: boolean;
  /** Stop at the first warning of the expression; `NIX_ABORT_ON_WARN` of `env` when absent. */
  readonly abortOnWarn?: boolean;
  readonly callDepthMax?: number;
  /** Nix's experimental features that are switched on; without it those that concern fetching and flakes. */
  readonly experimentalFeatures?: readonly string[];
  /** How things are fetched; what is absent is as Nix has it. */
  readonly fetchSettings?: Partial<FetchSettings>;
  readonly lints?: LintLevels;
  /** Measure which functions take the time; what comes of it goes to the service `onProfile`. */
  readonly profile?: ProfileRequest;
  /** Leave source positions out of XML. */
  readonly hidePlaces?: boolean;
}

export interface ProfileRequest {
  /** Between samples; 0 for a sample at every call. */
  readonly periodMs: number;
  /** By the places of calls, sampled where they begin only, as Nix's own profiler does. */
  readonly byCallSite: boolean;
}

/** Something that evaluation adds to the store. */
export type SourcePath =
  | {
      readonly kind: "path";
      /** An ordinary path of the local file system. */
      readonly localPath: string;
      /** False for one file whose bytes are the object (`recursive = false`). */
      readonly recursive: boolean;
      /** Relative byte-string paths that a filter let through; absent when everything belongs to it. */
      readonly included?: readonly string[];
      /** A file in it, as a relative byte string, that was replaced since, and what it held if it was there. */
      readonly former?: { readonly path: string; readonly contents?: Uint8Array };
    }
  | { readonly kind: "text"; readonly contents: Uint8Array; readonly references: readonly string[] };

export interface InstantiatedDerivation {
  readonly name: string;
  readonly aterm: Uint8Array;
  readonly references: readonly string[];
}

export interface EvaluationResult {
  /** The value as text; for `drv` one path a line. */
  readonly text: string;
  /** Every derivation that was instantiated, by full path. */
  readonly derivations: ReadonlyMap<string, InstantiatedDerivation>;
  /** Everything else evaluation adds to the store, by full path. */
  readonly sources: ReadonlyMap<string, SourcePath>;
  /** What it learnt from the world. */
  readonly reads: EvaluationReads;
  readonly warnings: readonly string[];
  readonly traces: readonly string[];
  /** Whether evaluating was not necessary: then there are neither derivations nor all of the sources. */
  readonly isRecalled?: boolean;
  /** For `tree`: the value as files and directories. */
  readonly tree?: TextTree;
  /**
   * Present when this result was remembered, and then without derivations and sources that were made before, which are
   * in the store as a rule. Where they are not, this evaluates again.
   */
  readonly evaluateAgain?: (signal: AbortSignal) => Promise<EvaluationResult>;
}

/** Where in a file, with the lines around it and a caret. */
export interface DiagnosticPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly excerpt: string;
}

/** An evaluation error as it crosses threads and layers. */
export interface EvalDiagnosticData {
  readonly code: string;
  readonly message: string;
  /** The whole error as Nix shows it, trace shortened unless the request asked for all of it. */
  readonly rendered: string;
  readonly place?: DiagnosticPlace;
  /** `Did you mean …?`, when there is something close. */
  readonly suggestion?: string;
  /** What was being evaluated, innermost first. */
  readonly trace: readonly { readonly text: string; readonly place?: DiagnosticPlace }[];
}

/** An error of the user's Nix code. */
export class EvalDiagnostic extends Error {
  override readonly name = "EvalDiagnostic";
  readonly data: EvalDiagnosticData;

  constructor(data: EvalDiagnosticData) {
    super(data.message);
    this.data = data;
  }

  get code(): string {
    return this.data.code;
  }

  /** The whole error as Nix shows it. */
  get rendered(): string {
    return this.data.rendered;
  }
}
