/** Claims that may fail, and edits of the demo's fleet. */

import { join } from "node:path";
import { readText, writeFileAtomic } from "../../system/files.ts";

/** A chapter's claim that did not hold. */
export class ClaimError extends Error {
  override readonly name = "ClaimError";
}

/** Replaces a text of a file; returns what undoes it. */
export async function replaceInFile(
  directory: string,
  path: string,
  from: string | RegExp,
  to: string,
): Promise<{ undo: () => Promise<void>; removed: string }> {
  const file = join(directory, path);
  const before = await readText(file);
  const after = before.replace(from, () => to);
  if (after === before) throw new ClaimError(`${path} does not have the text to replace`);
  await writeFileAtomic(file, after);
  const removed = typeof from === "string" ? from : (from.exec(before)?.[0] ?? "");
  return { undo: () => writeFileAtomic(file, before), removed };
}
