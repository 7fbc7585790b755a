/** From a locked flake to its value: `outputs` called with its inputs, which are fetched when they are looked at. */

import { splitStorePath } from "../../format/store-path.ts";
import { type InputAttrs, type InputAttribute, withAttributes } from "../../format/input/attributes.ts";
import { renderLockFile } from "../../format/input/flake-lock.ts";
import { inputOfAttributes } from "../../format/input/input.ts";
import { treeValue } from "../builtins/fetch-tree.ts";
import { CALL_FLAKE_FILE } from "../builtins/internal-files.ts";
import { attrsOf, attrsOfEntries } from "../eval/attrs.ts";
import { call } from "../eval/call.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectAttrs } from "../eval/expect.ts";
import { force } from "../eval/thunk.ts";
import { isInteger, isString, textOf } from "../eval/type-name.ts";
import { PrimOp, type Slot, type Value } from "../eval/value.ts";
import { refusing } from "./flake-file.ts";
import type { FlakeContext, LockedFlake } from "./lock-flake.ts";

export function callFlake(context: FlakeContext, locked: LockedFlake): Value {
  const { program, trees } = context;
  const { state } = program;
  const { compact, keys } = renderLockFile(locked.locks);
  const known = [...locked.directories].map(([node, directory]): [string, Slot] => {
    const split = splitStorePath(directory, state.settings.storeDir);
    if (split === undefined) throw invalidError(`path '${directory}' is not in the Nix store`);
    const storePath = split[0].render(state.settings.storeDir);
    const input = node.lock?.locked.input ?? locked.flake.locked.input;
    const isDirty = node.lock === undefined && locked.isDirty;
    const sourceInfo = refusing(() => treeValue({ storePath, attrs: input }, { isFetchGit: false, isDirty }));
    return [keys.get(node)!, attrsOf({ sourceInfo, dir: split[1].replace(/^\//, "") })];
  });
  const fetch = new PrimOp("fetchFinalTree", 1, (_state, [attrs]) => {
    const input = inputOf(attrs!);
    return refusing(() =>
      treeValue({ storePath: trees.fetchFinal(input).storePath, attrs: input }, { isFetchGit: false }),
    );
  });
  return call(state, program.importFile(CALL_FLAKE_FILE), [compact, attrsOfEntries(known), fetch], undefined);
}

function inputOf(slot: Slot): InputAttrs {
  const { keys, values } = expectAttrs(slot, undefined, "while evaluating the argument passed to 'fetchTree'");
  const attrs = new Map<string, InputAttribute>();
  keys.forEach((name, index) => {
    const value = force(values[index]!);
    if (isString(value)) attrs.set(name, textOf(value));
    else if (isInteger(value) || typeof value === "boolean") attrs.set(name, value);
  });
  return refusing(() => inputOfAttributes(withAttributes(attrs, { dir: undefined })));
}
