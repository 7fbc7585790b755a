/** Answers what is asked of a flake, but for the value of an output, which is shown like any other value. */

import { InvariantError } from "../../base/errors.ts";
import { renderFlakeReference } from "../../format/input/flake-reference.ts";
import { checkOutputs } from "./check-flake.ts";
import { renderMetadata, renderMetadataJson } from "./flake-metadata.ts";
import { outputsOf } from "./flake-outputs.ts";
import type { FlakeCheckResult, FlakeTask } from "./flake-request.ts";
import type { OpenFlake } from "./open-flake.ts";
import { renderShownJson, renderShownTree, showOutputs } from "./show-flake.ts";

/** The answer as a byte string: text for people, or JSON. */
export function runFlakeTask(flake: OpenFlake, task: FlakeTask): string {
  const { state } = flake.context.program;
  const onWarning = (text: string): void => state.host.warn(text, false);
  const { storeDir } = state.settings;
  switch (task.kind) {
    case "lock":
      return "";
    case "metadata":
      return task.json ? renderMetadataJson(flake.locked, storeDir) : renderMetadata(flake.locked, storeDir);
    case "show": {
      const shown = showOutputs(state, outputsOf(flake), { ...task, onWarning });
      if (task.json) return renderShownJson(shown, onWarning);
      return renderShownTree(renderFlakeReference(flake.locked.flake.locked), shown);
    }
    case "check":
      return encodeCheckResult(checkOutputs(state, outputsOf(flake), { ...task, onWarning }));
    case "select":
      throw new InvariantError("a selected output is rendered as a value");
  }
}

function encodeCheckResult(result: FlakeCheckResult): string {
  return JSON.stringify(result);
}

/** Reads what checking a flake came to out of the evaluation's text. */
export function decodeCheckResult(text: string): FlakeCheckResult {
  return JSON.parse(text) as FlakeCheckResult;
}
