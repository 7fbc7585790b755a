/** What the caller of an evaluation does for it. */

import type { FetchSettings } from "../fetch/fetch-settings.ts";
import type { FetchClosureRequest, FetchedClosure } from "../format/input/request.ts";
import type { Remembering } from "./cache/remembered-evaluation.ts";
import type { RealiseRequest } from "./evaluate-messages.ts";
import type { FetchService } from "./fetch-for-evaluation.ts";
import type { Profile } from "./profile.ts";

export interface EvaluationServices {
  /** Makes what evaluation needs exist. Without it, import from derivation is an error of the expression. */
  readonly realise?: (request: RealiseRequest, signal: AbortSignal) => Promise<void>;
  /** Makes a closure of a binary cache valid; without it, `fetchClosure` is an error of the expression. */
  readonly fetchClosure?: (
    request: FetchClosureRequest,
    settings: FetchSettings,
    signal: AbortSignal,
  ) => Promise<FetchedClosure>;
  /** Fetches what evaluation asks for; without it, a fetcher with this user's cache and the default settings does. */
  readonly fetch?: FetchService;
  /** Told of each line of `builtins.trace` as it comes. */
  readonly onTrace?: (line: string) => void;
  readonly onWarning?: (text: string, isFromExpression: boolean) => void;
  /** Told where the time went, also when evaluation failed; for a request with `profile`. */
  readonly onProfile?: (profile: Profile) => void;
  /** How results are kept; this user's cache when absent. */
  readonly remembering?: Remembering | "off";
  /**
   * Whether evaluation may hold this thread: nothing else is under way, nothing is written that an interruption would
   * leave half done, and a signal may end the process. Saves the start of a thread where the stack is deep enough.
   */
  readonly mayBlock?: boolean;
}
