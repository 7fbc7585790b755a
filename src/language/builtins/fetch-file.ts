/** `fetchurl` and `fetchTarball`: files and unpacked archives. */

import type { Hash } from "../../format/hash.ts";
import { renderInput } from "../../format/input/input.ts";
import { Attrs } from "../eval/attrs.ts";
import { asking } from "../eval/coerce.ts";
import { EvalError, invalidError, withFrame } from "../eval/eval-error.ts";
import { expectPlainText } from "../eval/expect.ts";
import type { EvalState } from "../eval/state.ts";
import { inSymbolOrder } from "../eval/symbol-order.ts";
import { force } from "../eval/thunk.ts";
import { ContextString, type Slot, type Value } from "../eval/value.ts";
import type { Builtins } from "./builtin.ts";
import { refusing } from "../flake/flake-file.ts";
import { checkStoreName } from "./store-names.ts";
import { hashOrPlaceholder } from "./hashes.ts";
import { checkUri } from "./uri-access.ts";

type FileFetcher = "fetchurl" | "fetchTarball";

interface FileArguments {
  readonly url: string;
  /** Absent when the expression names none. */
  readonly name: string | undefined;
  readonly sha256: Hash | undefined;
}

function fetchFile(state: EvalState, argument: Slot, fetcher: FileFetcher): Value {
  const value = force(argument);
  const isSet = value instanceof Attrs;
  const given = isSet ? fileArguments(state, value, fetcher) : plainUrl(value);
  const unpack = fetcher === "fetchTarball";
  const url = unpack ? channelUrl(given.url) : given.url;
  checkUri(state, url);
  const name = given.name ?? (unpack ? "source" : "");
  const fullName = name === "" ? lastPart(url) : name;
  checkFileName(fullName, url, fetcher, given.name !== undefined ? "name" : isSet ? "set" : "url");
  if (state.settings.pure && given.sha256 === undefined) {
    throw invalidError(`in pure evaluation mode, '${fetcher}' requires a 'sha256' argument`);
  }
  const request = {
    url,
    name: fullName,
    unpack,
    ...(given.sha256 === undefined ? {} : { sha256: given.sha256.bytes }),
  };
  try {
    const storePath = asking(() => state.host.fetchFile(request));
    return new ContextString(storePath, new Set([storePath]));
  } catch (error) {
    if (!unpack) throw error;
    throw withFrame(error, `while fetching the input '${shownArchive(url)}'`, undefined);
  }
}

function shownArchive(url: string): string {
  const input = new Map([
    ["type", "tarball"],
    ["url", url],
  ]);
  return refusing(() => renderInput(input));
}

function plainUrl(value: Value): FileArguments {
  const url = expectPlainText(value, undefined, "while evaluating the url we should fetch");
  return { url, name: undefined, sha256: undefined };
}

function fileArguments(state: EvalState, argument: Attrs, fetcher: FileFetcher): FileArguments {
  let url: string | undefined;
  let name: string | undefined;
  let sha256: Hash | undefined;
  for (const index of inSymbolOrder(argument)) {
    const key = argument.keys[index]!;
    const slot = argument.values[index]!;
    if (key === "url") url = expectPlainText(slot, undefined, "while evaluating the url we should fetch");
    else if (key === "sha256") {
      const text = expectPlainText(slot, undefined, "while evaluating the sha256 of the content we should fetch");
      sha256 = hashOrPlaceholder(state, text, "sha256");
    } else if (key === "name") {
      name = expectPlainText(slot, undefined, "while evaluating the name of the content we should fetch");
    } else throw invalidError(`unsupported argument '${key}' to '${fetcher}'`);
  }
  if (url === undefined) throw invalidError("'url' argument required");
  return { url, name, sha256 };
}

/** The archive that `channel:NAME` stands for. */
export function channelUrl(url: string): string {
  return url.startsWith("channel:")
    ? `https://channels.nixos.org/${url.slice("channel:".length)}/nixexprs.tar.xz`
    : url;
}

function lastPart(url: string): string {
  const end = /\/*$/.exec(url)!.index;
  return end === 0 ? "" : url.slice(url.lastIndexOf("/", end - 1) + 1, end);
}

function checkFileName(name: string, url: string, fetcher: FileFetcher, given: "name" | "set" | "url"): void {
  try {
    checkStoreName(name);
  } catch (error) {
    if (!(error instanceof EvalError)) throw error;
    const advice = {
      name: `Please change the value for the 'name' attribute passed to '${fetcher}', so that it can create a valid store path.`,
      set: `Please add a valid 'name' attribute to the argument for '${fetcher}', so that it can create a valid store path.`,
      url: `Please pass an attribute set with 'url' and 'name' attributes to '${fetcher}',  so that it can create a valid store path.`,
    }[given];
    throw invalidError(`invalid store path name when fetching URL '${url}': ${error.message}. ${advice}`);
  }
}

export const fetchFileBuiltins: Builtins = {
  fetchurl: [1, (state, [argument]) => fetchFile(state, argument!, "fetchurl")],
  fetchTarball: [1, (state, [argument]) => fetchFile(state, argument!, "fetchTarball")],
};
