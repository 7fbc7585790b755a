/** `fetchTree`, `fetchGit` and `fetchMercurial`: trees from elsewhere. */

import { byteStringOfText } from "../../base/byte-string.ts";
import {
  booleanAttribute,
  type InputAttribute,
  type InputAttrs,
  inputNarHash,
  inputRevision,
  integerAttribute,
  textAttribute,
} from "../../format/input/attributes.ts";
import { GIT_REVISION } from "../../format/input/git-names.ts";
import {
  fixGitUrl,
  inputOfAttributes,
  inputOfUrl,
  isDirectInput,
  isLockedInput,
  renderInput,
} from "../../format/input/input.ts";
import type { FetchedTree } from "../../format/input/request.ts";
import { parseUrl, renderUrl } from "../../format/input/url.ts";
import { renderIdentifier } from "../print/identifier.ts";
import { Attrs, attrsOfEntries } from "../eval/attrs.ts";
import { asking, coerceToText, NO_COPY } from "../eval/coerce.ts";
import { invalidError, typeError, withFrame } from "../eval/eval-error.ts";
import { expectPlainText } from "../eval/expect.ts";
import type { EvalState } from "../eval/state.ts";
import { inSymbolOrder } from "../eval/symbol-order.ts";
import { force } from "../eval/thunk.ts";
import { describeType, isInteger, isString } from "../eval/type-name.ts";
import { ContextString, Path, type Slot, type Value } from "../eval/value.ts";
import { renderJson } from "../eval/value-json.ts";
import { GLOBAL_REGISTRY_DEFAULT, Registries } from "../flake/registry.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { refusing } from "../flake/flake-file.ts";
import { requireFeature, requireInputFeatures } from "./features.ts";
import { checkUri } from "./uri-access.ts";

type Fetcher = "fetchTree" | "fetchGit";

/** Types of input that are part of an experimental feature. */
const FLAKE_TYPES = new Set(["path", "github", "gitlab", "sourcehut", "indirect"]);
const NULL_REVISION = "0".repeat(40);
const SHORT_REVISION_CHARS = 7;
const MERCURIAL_SHORT_REVISION_CHARS = 12;

/** Fetches a checked input; its tree can be read at its store path from then on. */
export function fetchInput(state: EvalState, input: InputAttrs): FetchedTree {
  requireInputFeatures(state, input);
  try {
    return asking(() => state.host.fetchTree(input));
  } catch (error) {
    throw withFrame(error, `while fetching the input '${refusing(() => renderInput(input))}'`, undefined);
  }
}

function fetchTree(state: EvalState, argument: Slot, fetcher: Fetcher): Value {
  const value = force(argument);
  const input =
    value instanceof Attrs
      ? refusing(() => inputOfAttributes(argumentAttributes(state, value, fetcher)))
      : inputOfText(state, value, fetcher);
  if (FLAKE_TYPES.has(textAttribute(input, "type") ?? "")) requireFeature(state, "flakes");
  const direct = resolveIndirect(state, input);
  refusing(() => checkInput(state, direct, fetcher));
  return treeValue(fetchInput(state, direct), { isFetchGit: fetcher === "fetchGit" });
}

/** What the registries know a bare name as; pure evaluation does not ask them. */
function resolveIndirect(state: EvalState, input: InputAttrs): InputAttrs {
  if (isDirectInput(input) || state.settings.pure || !state.settings.features.has("flakes")) return input;
  const registries = new Registries(state.host, { global: GLOBAL_REGISTRY_DEFAULT, overrides: [] });
  return refusing(() => registries.resolve(input, "limited").input);
}

function checkInput(state: EvalState, input: InputAttrs, fetcher: Fetcher): void {
  const shown = renderInput(input);
  if (state.settings.pure && !isLockedInput(input)) {
    if (inputNarHash(input) === undefined) {
      throw invalidError(`in pure evaluation mode, '${fetcher}' doesn't fetch unlocked input '${shown}'`);
    }
    state.host.warn(
      `Input '${shown}' is unlocked (e.g. lacks a Git revision) but is checked by NAR hash. This is not reproducible and will break after garbage collection or when shared.`,
      false,
    );
  }
  checkUri(state, shown);
  if (booleanAttribute(input, "__final") === true) {
    throw invalidError(`input '${shown}' is not allowed to use the '__final' attribute`);
  }
  if (!isDirectInput(input)) {
    throw invalidError(`'${shown}' is an indirect flake reference, but registry lookups are not allowed`);
  }
}

/** The attributes of an input as a set gives them. */
function argumentAttributes(state: EvalState, argument: Attrs, fetcher: Fetcher): InputAttrs {
  const attrs = new Map<string, InputAttribute>();
  const type = argument.get("type");
  if (fetcher === "fetchGit") {
    if (type !== undefined) throw invalidError("unexpected argument 'type'");
    attrs.set("type", "git");
  } else {
    if (type === undefined) throw invalidError(`argument 'type' is missing in call to '${fetcher}'`);
    const frame = `while evaluating the \`type\` argument passed to '${fetcher}'`;
    attrs.set("type", expectPlainText(type, undefined, frame));
  }
  for (const index of inSymbolOrder(argument)) {
    const name = argument.keys[index]!;
    if (name !== "type") attrs.set(name, argumentAttribute(state, name, argument.values[index]!, fetcher));
  }
  if (fetcher === "fetchGit" && !attrs.has("exportIgnore") && booleanAttribute(attrs, "submodules") !== true) {
    attrs.set("exportIgnore", true);
  }
  if (fetcher === "fetchTree" && attrs.get("type") === "git" && !attrs.has("shallow")) attrs.set("shallow", true);
  if (fetcher === "fetchTree" && attrs.has("name")) {
    throw invalidError(byteStringOfText(`argument 'name' isn’t supported in call to '${fetcher}'`));
  }
  return attrs;
}

function argumentAttribute(state: EvalState, name: string, slot: Slot, fetcher: Fetcher): InputAttribute {
  const value = force(slot);
  if (value instanceof Path || isString(value)) {
    const text = coerceToText(state, value, new Set(), undefined, "", NO_COPY);
    return fetcher === "fetchGit" && name === "url" ? renderUrl(fixGitUrl(text)) : text;
  }
  if (typeof value === "boolean") return value;
  if (isInteger(value)) {
    if (value < 0)
      throw invalidError(`negative value given for '${fetcher}' argument '${renderIdentifier(name)}': ${value}`);
    return value;
  }
  if (name === "publicKeys") {
    requireFeature(state, "verified-fetches");
    return renderJson(state, value, new Set(), { copyPaths: true });
  }
  throw typeError(
    `argument '${renderIdentifier(name)}' to '${fetcher}' is ${describeType(value)} while a string, Boolean or integer is expected`,
  );
}

function inputOfText(state: EvalState, value: Value, fetcher: Fetcher): InputAttrs {
  const frame = `while evaluating the first argument passed to '${fetcher}'`;
  const text = coerceToText(state, value, new Set(), undefined, frame, NO_COPY);
  if (fetcher === "fetchGit") {
    return refusing(() => {
      const attrs = new Map<string, InputAttribute>([["type", "git"]]);
      return inputOfAttributes(attrs.set("url", renderUrl(fixGitUrl(text))).set("exportIgnore", true));
    });
  }
  if (!state.settings.features.has("flakes")) {
    throw invalidError(`passing a string argument to '${fetcher}' requires the 'flakes' experimental feature`);
  }
  return refusing(() => inputOfUrl(parseUrl(text), { isTree: true }));
}

/** A fetched tree as a set: where it is, and what is known of it. A dirty tree does not pass for its revision. */
export function treeValue(
  fetched: Pick<FetchedTree, "attrs" | "storePath">,
  options: { readonly isFetchGit: boolean; readonly isDirty?: boolean },
): Attrs {
  const { attrs, storePath } = fetched;
  const entries: [string, Slot][] = [["outPath", new ContextString(storePath, new Set([storePath]))]];
  const narHash = inputNarHash(attrs);
  if (narHash !== undefined) entries.push(["narHash", narHash.toSri()]);
  if (attrs.get("type") === "git") entries.push(["submodules", booleanAttribute(attrs, "submodules") ?? false]);
  // For fetchGit a tree that is no commit has one of zeros.
  const isClean = options.isDirty !== true;
  const rev = !isClean ? undefined : (inputRevision(attrs) ?? (options.isFetchGit ? NULL_REVISION : undefined));
  if (rev !== undefined) entries.push(["rev", rev], ["shortRev", rev.slice(0, SHORT_REVISION_CHARS)]);
  const revCount = !isClean ? undefined : (integerAttribute(attrs, "revCount") ?? (options.isFetchGit ? 0 : undefined));
  if (revCount !== undefined) entries.push(["revCount", revCount]);
  for (const name of ["dirtyRev", "dirtyShortRev"]) {
    const dirty = textAttribute(attrs, name);
    if (dirty !== undefined) entries.push([name, dirty]);
  }
  const lastModified = integerAttribute(attrs, "lastModified");
  if (lastModified !== undefined) {
    entries.push(["lastModified", lastModified], ["lastModifiedDate", compactDate(Number(lastModified))]);
  }
  return attrsOfEntries(entries);
}

/** A time as `20230611171638`, in UTC. */
function compactDate(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime())
    ? ""
    : date
        .toISOString()
        .replace(/\.\d+Z$/, "")
        .replace(/[-:T]/g, "");
}

const fetchMercurial: BuiltinBody = (state, [argument]) => {
  const value = force(argument!);
  const named = value instanceof Attrs ? mercurialArguments(state, value) : { url: mercurialUrl(state, value) };
  const { url, rev, ref, name = "source" } = named;
  checkUri(state, url);
  if (state.settings.pure && rev === undefined) {
    throw invalidError("in pure evaluation mode, 'fetchMercurial' requires a Mercurial revision");
  }
  const attrs = new Map<string, InputAttribute>([
    ["type", "hg"],
    ["url", url.includes("://") ? url : `file://${url}`],
    ["name", name],
  ]);
  if (ref !== undefined) attrs.set("ref", ref);
  if (rev !== undefined) attrs.set("rev", rev);
  const fetched = fetchInput(
    state,
    refusing(() => inputOfAttributes(attrs)),
  );
  const found = inputRevision(fetched.attrs) ?? NULL_REVISION;
  const branch = textAttribute(fetched.attrs, "ref");
  const revCount = integerAttribute(fetched.attrs, "revCount");
  return attrsOfEntries([
    ["outPath", new ContextString(fetched.storePath, new Set([fetched.storePath]))],
    ...(branch === undefined ? [] : [["branch", branch] as [string, Slot]]),
    ["rev", found],
    ["shortRev", found.slice(0, MERCURIAL_SHORT_REVISION_CHARS)],
    ...(revCount === undefined ? [] : [["revCount", revCount] as [string, Slot]]),
  ]);
};

interface MercurialArguments {
  readonly url: string;
  readonly rev?: string;
  readonly ref?: string;
  readonly name?: string;
}

function mercurialUrl(state: EvalState, value: Value): string {
  const frame = "while evaluating the first argument passed to builtins.fetchMercurial";
  return coerceToText(state, value, new Set(), undefined, frame, NO_COPY);
}

function mercurialArguments(state: EvalState, argument: Attrs): MercurialArguments {
  const found: { -readonly [Name in keyof MercurialArguments]: MercurialArguments[Name] } = { url: "" };
  for (const index of inSymbolOrder(argument)) {
    const key = argument.keys[index]!;
    const slot = argument.values[index]!;
    const frame = `while evaluating the \`${key}\` attribute passed to builtins.fetchMercurial`;
    if (key === "url") found.url = coerceToText(state, slot, new Set(), undefined, frame, NO_COPY);
    else if (key === "name") found.name = expectPlainText(slot, undefined, frame);
    else if (key === "rev") {
      // A revision, or the name of a branch or tag.
      const text = expectPlainText(slot, undefined, frame);
      if (GIT_REVISION.test(text)) found.rev = text.toLowerCase();
      else found.ref = text;
    } else
      throw invalidError(`unsupported argument '${renderIdentifier(key)}' to 'fetchMercurial'`, argument.placeOf(key));
  }
  if (found.url === "") throw invalidError("'url' argument required");
  return found;
}

export const fetchTreeBuiltins: Builtins = {
  fetchTree: [1, (state, [argument]) => fetchTree(state, argument!, "fetchTree")],
  fetchGit: [1, (state, [argument]) => fetchTree(state, argument!, "fetchGit")],
  fetchMercurial: [1, fetchMercurial],
};
