/** What is wrong with a name or a store path, in Nix's words. */

import { checkName } from "../../format/store-path.ts";
import { invalidError } from "../eval/eval-error.ts";

const DIGEST_CHARS = 32;

function nameProblem(name: string): string | undefined {
  const reason = checkName(name);
  switch (reason) {
    case undefined:
      return undefined;
    case "empty":
      return "name must not be empty";
    case "too-long":
      return `name '${name}' must be no longer than 211 characters`;
    case "bad-character":
      return `name '${name}' contains illegal character '${/[^0-9a-zA-Z+\-._?=]/.exec(name)?.[0] ?? ""}'`;
    case "dots": {
      const start = name.startsWith("..") ? ".." : ".";
      return name === start
        ? `name '${name}' is not valid`
        : `name '${name}' is not valid: first dash-separated component must not be '${start}'`;
    }
  }
}

/** Refuses a name that no store path can have. */
export function checkStoreName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) throw invalidError(problem);
}

/** Why something below the store directory is no store path; `undefined` when it is one. */
export function storePathProblem(baseName: string): string | undefined {
  if (baseName.length < DIGEST_CHARS + 1) return `'${baseName}' is too short to be a valid store path`;
  const bad = /[^0-9a-df-np-sv-z]/.exec(baseName.slice(0, DIGEST_CHARS));
  if (bad !== null) return `store path '${baseName}' contains illegal base-32 character '${bad[0]}'`;
  const problem = nameProblem(baseName.slice(DIGEST_CHARS + 1));
  return problem === undefined ? undefined : `path '${baseName}' is not a valid store path: ${problem}`;
}
