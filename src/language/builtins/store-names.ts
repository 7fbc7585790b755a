/** What is wrong with a name or a store path, in Nix's words. */

import { describeNameError } from "../../format/store-path.ts";
import { invalidError } from "../eval/eval-error.ts";

const DIGEST_CHARS = 32;

/** Refuses a name that no store path can have. */
export function checkStoreName(name: string): void {
  const problem = describeNameError(name);
  if (problem !== undefined) throw invalidError(problem);
}

/** Why something below the store directory is no store path; `undefined` when it is one. */
export function storePathProblem(baseName: string): string | undefined {
  if (baseName.length < DIGEST_CHARS + 1) return `'${baseName}' is too short to be a valid store path`;
  const bad = /[^0-9a-df-np-sv-z]/.exec(baseName.slice(0, DIGEST_CHARS));
  if (bad !== null) return `store path '${baseName}' contains illegal base-32 character '${bad[0]}'`;
  const problem = describeNameError(baseName.slice(DIGEST_CHARS + 1));
  return problem === undefined ? undefined : `path '${baseName}' is not a valid store path: ${problem}`;
}
