/**
 * What makes two requests the same: everything in them but the environment, of which only what is read counts, and who
 * asks: the stamp of a file does not tell whether it may be read.
 */

import { hashBytes } from "../../format/hash.ts";
import { rightsToFiles } from "../../system/identity.ts";
import { programIdentity } from "../../system/program-files.ts";
import type { EvaluationRequest } from "../evaluation-request.ts";

/** The key of a request for this program: the name of its entry. */
export function requestKey(request: EvaluationRequest, options: { readonly canRealise: boolean }): string {
  const { env: _, ...asked } = request;
  const program = { program: programIdentity(), node: process.version, arch: process.arch };
  const named = { ...asked, ...options, ...program, rights: rightsToFiles() };
  const sorted = Object.entries(named)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return hashBytes("sha256", Buffer.from(JSON.stringify(sorted))).toBase16();
}
