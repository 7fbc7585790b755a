/** What the thread of an interactive session and its starter say to each other. */

import type { Question } from "../evaluate-messages.ts";
import type { EvaluationRequest, InstantiatedDerivation, SourcePath } from "../evaluation-request.ts";

export interface ReplOptions {
  /** How expressions are evaluated; what it says of expression and output is not used. */
  readonly request: Omit<EvaluationRequest, "output">;
  readonly canRealise: boolean;
  /** Values with the terminal's colours. */
  readonly colors: boolean;
  /** Exactly what `nix repl` does, also where it could do better. */
  readonly isCompatible: boolean;
  /** Loaded when the session starts, and again by `:r`. */
  readonly files: readonly string[];
  /** Flakes whose outputs are in scope from the start. */
  readonly flakes: readonly string[];
  /** Expressions whose attributes are in scope from the start, with what they are called. */
  readonly expressions: readonly { readonly text: string; readonly what: string; readonly attrPath?: string }[];
  /** Variables in scope from the start, by expressions that are evaluated when they are used. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface ReplStart extends ReplOptions {
  /** Set by the starter to interrupt what is being evaluated. */
  readonly interrupt: SharedArrayBuffer;
}

export type ReplCommand =
  | { readonly kind: "start" }
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "complete"; readonly text: string }
  | { readonly kind: "end" };

/** What the starter has to do before the next line. */
export type ReplAction =
  | {
      readonly kind: "build";
      readonly drvPath: string;
      /** Leave links to the outputs in the working directory. */
      readonly makesLinks: boolean;
      readonly derivations: ReadonlyMap<string, InstantiatedDerivation>;
      readonly sources: ReadonlyMap<string, SourcePath>;
    }
  | { readonly kind: "log"; readonly drvPath: string }
  | { readonly kind: "edit"; readonly file: string; readonly line: number }
  | { readonly kind: "documentation"; readonly markdown: string };

export type ReplReply =
  /** Understood and done, also when that ended in an error. */
  | { readonly kind: "done"; readonly action?: ReplAction }
  /** The expression goes on in the next line. */
  | { readonly kind: "incomplete" }
  | { readonly kind: "quit" }
  | { readonly kind: "completions"; readonly word: string; readonly candidates: readonly string[] };

export type ReplMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "out"; readonly text: string }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "notice"; readonly text: string }
  | { readonly kind: "question"; readonly question: Question; readonly gate: SharedArrayBuffer }
  | { readonly kind: "reply"; readonly reply: ReplReply };
