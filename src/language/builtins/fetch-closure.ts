/** `fetchClosure`: a store object with all it refers to, from a binary cache. */

import { FormatError } from "../../base/errors.ts";
import { parseUrl } from "../../format/input/url.ts";
import { StorePath } from "../../format/store-path.ts";
import { renderIdentifier } from "../print/identifier.ts";
import { asking, coerceToText, NO_COPY } from "../eval/coerce.ts";
import { invalidError, withFrame } from "../eval/eval-error.ts";
import { expectAttrs, expectBoolean, expectPlainText } from "../eval/expect.ts";
import type { EvalState } from "../eval/state.ts";
import { inSymbolOrder } from "../eval/symbol-order.ts";
import { force } from "../eval/thunk.ts";
import { ContextString, type Place, type Slot } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";

interface ClosureArguments {
  fromStore?: string;
  fromPath?: string;
  /** Empty when the path that comes of rewriting is to be told. */
  toPath?: string;
  inputAddressed?: boolean;
}

const fetchClosure: BuiltinBody = (state, [argument]) => {
  const { fromPath, toPath, inputAddressed = false, fromStore } = closureArguments(state, argument!);
  if (fromPath === undefined) throw missing("fromPath");
  if (inputAddressed && toPath !== undefined) {
    throw invalidError(
      "attribute 'inputAddressed' is set to true, but 'toPath' is also set. Please remove one of them",
    );
  }
  if (fromStore === undefined) throw missing("fromStore");
  checkStore(state, fromStore);
  const path =
    toPath === undefined
      ? asItIs(state, { fromStore, fromPath, inputAddressed })
      : rewritten(state, { fromStore, fromPath, toPath });
  return new ContextString(path, new Set([path]));
};

function missing(name: string): Error {
  return invalidError(`attribute '${name}' is missing in call to 'fetchClosure'`);
}

function closureArguments(state: EvalState, argument: Slot): ClosureArguments {
  const attrs = expectAttrs(argument, undefined, "while evaluating the argument passed to builtins.fetchClosure");
  const found: ClosureArguments = {};
  for (const index of inSymbolOrder(attrs)) {
    const name = attrs.keys[index]!;
    const slot = attrs.values[index]!;
    const at = attrs.places?.[index];
    const frame = `while evaluating the attribute '${renderIdentifier(name)}' passed to builtins.fetchClosure`;
    switch (name) {
      case "fromPath":
        found.fromPath = storePathOf(state, slot, at, frame);
        break;
      case "toPath":
        found.toPath = force(slot, at) === "" ? "" : storePathOf(state, slot, at, frame);
        break;
      case "fromStore":
        found.fromStore = expectPlainText(slot, at, frame);
        break;
      case "inputAddressed":
        found.inputAddressed = expectBoolean(slot, at, frame);
        break;
      default:
        throw invalidError(`attribute '${renderIdentifier(name)}' isn't supported in call to 'fetchClosure'`);
    }
  }
  return found;
}

function storePathOf(state: EvalState, slot: Slot, at: Place | undefined, frame: string): string {
  const text = coerceToText(state, slot, new Set(), at, frame, NO_COPY);
  if (StorePath.parseFull(text, state.settings.storeDir).ok) return text;
  throw withFrame(invalidError(`path '${text}' is not in the Nix store`), frame, at);
}

/** Refuses what is no plain address of a binary cache. */
function checkStore(state: EvalState, address: string): void {
  const url = urlOf(address);
  // Nix's own tests have their caches on disk.
  const isTested = (): boolean => url?.scheme === "file" && state.host.environment("_NIX_IN_TEST") !== undefined;
  if (url === undefined || (url.scheme !== "http" && url.scheme !== "https" && !isTested())) {
    throw invalidError("'fetchClosure' only supports http:// and https:// stores");
  }
  if (url.query.size > 0) {
    throw invalidError(`'fetchClosure' does not support URL query parameters (in '${address}')`);
  }
}

function urlOf(address: string): ReturnType<typeof parseUrl> | undefined {
  try {
    return parseUrl(address);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

interface Source {
  readonly fromStore: string;
  readonly fromPath: string;
}

function asItIs(
  state: EvalState,
  { fromStore, fromPath, inputAddressed }: Source & { readonly inputAddressed: boolean },
): string {
  const { isContentAddressed } = asking(() => state.host.fetchClosure({ fromStore, fromPath }));
  if (isContentAddressed === !inputAddressed) return fromPath;
  throw invalidError(
    inputAddressed
      ? `The store object referred to by 'fromPath' at '${fromPath}' is not input-addressed, but 'inputAddressed' is set to 'true'.\n\n` +
          "Remove the 'inputAddressed' attribute (it defaults to 'false') to expect 'fromPath' to be content-addressed"
      : `The 'fromPath' value '${fromPath}' is input-addressed, but 'inputAddressed' is set to 'false' (default).\n\n` +
          "If you do intend to fetch an input-addressed store path, add\n\n    inputAddressed = true;\n\n" +
          "to the 'fetchClosure' arguments.\n\n" +
          "Note that to ensure authenticity input-addressed store paths, users must configure a trusted binary cache public key on their systems. This is not needed for content-addressed paths.",
  );
}

function rewritten(state: EvalState, { fromStore, fromPath, toPath }: Source & { readonly toPath: string }): string {
  const { path, isContentAddressed } = asking(() => state.host.fetchClosure({ fromStore, fromPath, toPath }));
  if (toPath === "") {
    throw invalidError(
      `rewriting '${fromPath}' to content-addressed form yielded '${path}'\n` +
        "Use this value for the 'toPath' attribute passed to 'fetchClosure'",
    );
  }
  if (path !== toPath) {
    throw invalidError(
      `rewriting '${fromPath}' to content-addressed form yielded '${path}', while '${toPath}' was expected`,
    );
  }
  if (!isContentAddressed) {
    throw invalidError(
      `The 'toPath' value '${toPath}' is input-addressed, so it can't possibly be the result of rewriting to a content-addressed path.\n\n` +
        "Set 'toPath' to an empty string to make Nix report the correct content-addressed path.",
    );
  }
  return path;
}

export const fetchClosureBuiltins: Builtins = { fetchClosure: [1, fetchClosure] };
