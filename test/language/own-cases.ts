/** The cases of our own evaluator corpus and how they are evaluated. */

import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { byteStringOfText } from "../../src/base/byte-string.ts";
import type { EvaluationRequest } from "../../src/realise/evaluate.ts";

export const OWN_DIRECTORY: string = join(import.meta.dirname, "own");

/** Names without their endings, in order. */
export function ownCases(): readonly string[] {
  const files = globSync("eval-{okay,fail}-*.nix", { cwd: OWN_DIRECTORY });
  return files.map((file) => basename(file, ".nix")).sort();
}

export function ownRequest(name: string): EvaluationRequest {
  return { file: `${name}.nix`, baseDir: OWN_DIRECTORY, output: "value", strict: true, readWrite: true, env: {} };
}

/** The file with what a real Nix says. */
export function expectationOf(name: string): string {
  return join(OWN_DIRECTORY, `${name}${name.startsWith("eval-okay") ? ".exp" : ".err.exp"}`);
}

/** An outcome as the expectation has it: bytes, with the corpus's directory as `/pwd`. */
export function shownOutcome(text: string): string {
  return `${byteStringOfText(text.replaceAll(OWN_DIRECTORY, "/pwd")).trimEnd()}\n`;
}
