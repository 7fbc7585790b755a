/** Files, sources and search paths. */

import { textPath } from "../../format/content-address.ts";
import { bytesOfByteString } from "../../base/byte-string.ts";
import { splitStorePath, StorePath } from "../../format/store-path.ts";
import { renderIdentifier } from "../print/identifier.ts";
import { Attrs, attrsOfEntries } from "../eval/attrs.ts";
import { call } from "../eval/call.ts";
import { baseNameOfPath, canonicalPath, parentOfPath } from "../eval/canonical-path.ts";
import { asking, coerceToPath, coerceToReadablePath, coerceToText, NO_COPY } from "../eval/coerce.ts";
import { EvalError, invalidError, withFrame } from "../eval/eval-error.ts";
import { expectAttrs, expectBoolean, expectFunction, expectList, expectPlainText, expectText } from "../eval/expect.ts";
import type { EvalState } from "../eval/state.ts";
import { inSymbolOrder } from "../eval/symbol-order.ts";
import { force } from "../eval/thunk.ts";
import { isString, stringWithContext, textOf } from "../eval/type-name.ts";
import { ContextString, Path, type Slot, type Value } from "../eval/value.ts";
import { noteMadeName } from "../syntax/symbols.ts";
import type { FileKind, SourceRequest } from "../host.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { requiredAttr } from "./control.ts";
import { hashOrPlaceholder } from "./hashes.ts";
import { findFile } from "./lookup-path.ts";
import { byBytes } from "./sets.ts";
import { storePathProblem } from "./store-names.ts";

const first = (name: string): string => `while evaluating the first argument passed to builtins.${name}`;

const pathExists: BuiltinBody = (state, [path]) => {
  const value = force(path!);
  const text = isString(value) ? textOf(value) : "";
  const mustBeDirectory = text.endsWith("/") || text.endsWith("/.");
  const readable = coerceToReadablePath(state, value);
  return asking(() =>
    mustBeDirectory ? state.host.stat(readable) === "directory" : state.host.lstat(readable) !== undefined,
  );
};

const baseNameOf: BuiltinBody = (state, [path]) => {
  const context = new Set<string>();
  const text = coerceToText(state, path!, context, undefined, first("baseNameOf"), NO_COPY);
  // One trailing slash does not count; Nix keeps the others.
  const end = text.length > 1 && text.endsWith("/") ? text.length - 1 : text.length;
  const slash = end === 0 ? -1 : text.lastIndexOf("/", end - 1);
  return stringWithContext(text.slice(slash + 1, end), context);
};

const dirOf: BuiltinBody = (state, [path]) => {
  const value = force(path!);
  if (value instanceof Path) return new Path(parentOfPath(canonicalPath(value.path)));
  const context = new Set<string>();
  const frame = "while evaluating the first argument passed to 'builtins.dirOf'";
  const text = coerceToText(state, value, context, undefined, frame, NO_COPY);
  const slash = text.lastIndexOf("/");
  return stringWithContext(slash < 0 ? "." : slash === 0 ? "/" : text.slice(0, slash), context);
};

const readFile: BuiltinBody = (state, [path]) => {
  const readable = coerceToReadablePath(state, path!);
  const text = asking(() => state.host.readFile(readable));
  state.reserveText(text);
  if (text.includes("\0")) {
    throw invalidError(`the contents of the file '${readable}' cannot be represented as a Nix string`);
  }
  return stringWithContext(text, referencesIn(state, readable, text));
};

/** The store paths a file in the store mentions, of those its store object refers to. */
function referencesIn(state: EvalState, path: string, text: string): ReadonlySet<string> {
  const found = new Set<string>();
  const inStore = splitStorePath(path, state.settings.storeDir);
  if (inStore === undefined) return found;
  for (const reference of asking(() => state.host.referencesOf(inStore[0].render(state.settings.storeDir)))) {
    const parsed = StorePath.parseFull(reference, state.settings.storeDir);
    if (parsed.ok && text.includes(parsed.value.digest)) found.add(reference);
  }
  return found;
}

const readDir: BuiltinBody = (state, [path]) => {
  const readable = coerceToReadablePath(state, path!);
  const entries = asking(() => state.host.readDirectory(readable));
  for (const { name } of entries) noteMadeName(name);
  return attrsOfEntries(entries.map(({ name, kind }) => [name, kind]));
};

const readFileType: BuiltinBody = (state, [path]) => {
  const readable = coerceToReadablePath(state, path!);
  const link = asking(() => state.host.linkAbove(readable));
  if (link !== undefined) throw new EvalError({ kind: "world", message: `path '${link}' is a symlink` }, undefined);
  const kind = asking(() => state.host.lstat(readable));
  if (kind === undefined) {
    asking(() => state.host.checkAccess(readable));
    throw new EvalError({ kind: "world", message: `path '${readable}' does not exist` }, undefined);
  }
  return kind;
};

/** The order of a context in Nix: whole derivations before outputs, these by their derivations. */
function byContextOrder(left: string, right: string): number {
  const key = (element: string): string => element.replace(/^!([^!]*)!(.*)$/s, "~$2!$1");
  return byBytes(key(left), key(right));
}

const toFile: BuiltinBody = (state, [name, contents]) => {
  const context = new Set<string>();
  const fileName = expectPlainText(name!, undefined, first("toFile"));
  const frame = "while evaluating the second argument passed to builtins.toFile";
  const text = expectText(contents!, context, undefined, frame);
  const derivation = [...context].filter((element) => /^[!=]/.test(element)).sort(byContextOrder)[0];
  if (derivation !== undefined) {
    throw invalidError(
      `files created by builtins.toFile may not reference derivations, but ${fileName} references ${derivation.replace(/\/.*\//, "")}`,
    );
  }
  const { storeDir } = state.settings;
  const references = [...context].map((path) => StorePath.ofFull(path, storeDir));
  const path = asking(() => textPath(storeDir, fileName, bytesOfByteString(text), references)).render(storeDir);
  asking(() => state.host.addText(path, text, [...context]));
  return new ContextString(path, new Set([path]));
};

interface AddedPath {
  readonly name: string;
  readonly path: string;
  readonly filter: Slot | undefined;
  readonly method: "nar" | "flat";
  readonly sha256: Uint8Array | undefined;
  readonly context: ReadonlySet<string>;
}

function addPath(state: EvalState, added: AddedPath): Value {
  const { filter } = added;
  try {
    if (added.context.size > 0) asking(() => state.host.realise([...added.context]));
    const request: SourceRequest = {
      name: added.name,
      path: asking(() => state.host.realPath(added.path)),
      method: added.method,
      ...(added.sha256 === undefined ? {} : { sha256: added.sha256 }),
      ...(filter === undefined
        ? {}
        : { filter: (path: string, kind: FileKind) => runFilter(state, filter, path, kind) }),
    };
    const storePath = asking(() => state.host.addSource(request));
    return new ContextString(storePath, new Set([storePath]));
  } catch (error) {
    throw withFrame(error, `while adding path '${added.path}'`, undefined);
  }
}

function runFilter(state: EvalState, filter: Slot, path: string, kind: FileKind): boolean {
  const frame = "while evaluating the return value of the path filter function";
  return expectBoolean(call(state, force(filter), [path, kind], undefined), undefined, frame);
}

const filterSource: BuiltinBody = (state, [filter, path]) => {
  const context = new Set<string>();
  const frame = "while evaluating the second argument (the path to filter) passed to 'builtins.filterSource'";
  const source = coerceToPath(state, path!, context, undefined, frame);
  expectFunction(filter!, undefined, first("filterSource"));
  const name = baseNameOfPath(source) ?? "source";
  return addPath(state, { name, path: source, filter: filter!, method: "nar", sha256: undefined, context });
};

const path: BuiltinBody = (state, [argument]) => {
  const attrs = expectAttrs(argument!, undefined, "while evaluating the argument passed to 'builtins.path'");
  const context = new Set<string>();
  let source: string | undefined;
  let name = "";
  let filter: Slot | undefined;
  let method: "nar" | "flat" = "nar";
  let sha256: Uint8Array | undefined;
  for (const index of inSymbolOrder(attrs)) {
    const key = attrs.keys[index]!;
    const slot = attrs.values[index]!;
    const at = attrs.places?.[index];
    const frame = `while evaluating the \`${key}\` attribute passed to builtins.path`;
    switch (key) {
      case "path":
        source = coerceToPath(
          state,
          slot,
          context,
          at,
          "while evaluating the 'path' attribute passed to 'builtins.path'",
        );
        break;
      case "name":
        name = expectPlainText(slot, at, frame);
        break;
      case "filter":
        expectFunction(slot, at, "while evaluating the `filter` parameter passed to builtins.path");
        filter = slot;
        break;
      case "recursive":
        method = expectBoolean(slot, at, frame) ? "nar" : "flat";
        break;
      case "sha256": {
        sha256 = hashOrPlaceholder(state, expectPlainText(slot, at, frame), "sha256").bytes;
        break;
      }
      default:
        throw invalidError(`unsupported argument '${renderIdentifier(key)}' to 'builtins.path'`, at);
    }
  }
  if (source === undefined) {
    throw invalidError("missing required 'path' attribute in the first argument to 'builtins.path'");
  }
  if (name === "") name = baseNameOfPath(source) ?? "source";
  return addPath(state, { name, path: source, filter, method, sha256, context });
};

const storePath: BuiltinBody = (state, [argument]) => {
  if (state.settings.pure) throw invalidError("'builtins.storePath' is not allowed in pure evaluation mode");
  const context = new Set<string>();
  const frame = "while evaluating the first argument passed to 'builtins.storePath'";
  let given = coerceToPath(state, argument!, context, undefined, frame);
  const { storeDir } = state.settings;
  if (!StorePath.parseFull(given, storeDir).ok) given = asking(() => state.host.realPath(given));
  const inStore = splitStorePath(given, storeDir);
  if (inStore === undefined) {
    const child = given.startsWith(`${storeDir}/`) ? given.slice(storeDir.length + 1).split("/", 1)[0]! : "";
    const problem = child === "" ? undefined : storePathProblem(child);
    throw invalidError(problem ?? `path '${given}' is not in the Nix store`);
  }
  const object = inStore[0].render(storeDir);
  if (!asking(() => state.host.isValidPath(object))) {
    throw new EvalError(
      { kind: "world", message: `path '${object}' is required, but there is no substituter that can build it` },
      undefined,
    );
  }
  context.add(object);
  return stringWithContext(given, context);
};

const findFileBuiltin: BuiltinBody = (state, [searchPath, name]) => {
  const elementFrame = "while evaluating an element of the list passed to builtins.findFile";
  const elements = expectList(searchPath!, undefined, first("findFile")).map((element) => {
    const attrs: Attrs = expectAttrs(element, undefined, elementFrame);
    const prefixFrame = "while evaluating the `prefix` attribute of an element of the list passed to builtins.findFile";
    const prefix = attrs.has("prefix") ? expectPlainText(attrs.get("prefix")!, undefined, prefixFrame) : "";
    const context = new Set<string>();
    const pathFrame = "while evaluating the `path` attribute of an element of the list passed to builtins.findFile";
    const slot = requiredAttr(attrs, "path", "in an element of the __nixPath");
    const found = coerceToText(state, slot, context, undefined, pathFrame, NO_COPY);
    if (context.size > 0) asking(() => state.host.realise([...context]));
    return { prefix, path: found };
  });
  const frame = "while evaluating the second argument passed to builtins.findFile";
  return findFile(state, elements, expectPlainText(name!, undefined, frame));
};

export const fileBuiltins: Builtins = {
  toPath: [
    1,
    (state, [value]) => {
      const context = new Set<string>();
      const found = coerceToPath(state, value!, context, undefined, first("toPath"));
      return stringWithContext(found, context);
    },
  ],
  pathExists: [1, pathExists],
  baseNameOf: [1, baseNameOf],
  dirOf: [1, dirOf],
  readFile: [1, readFile],
  readDir: [1, readDir],
  readFileType: [1, readFileType],
  toFile: [2, toFile],
  filterSource: [2, filterSource],
  path: [1, path],
  storePath: [1, storePath],
  findFile: [2, findFileBuiltin],
};
