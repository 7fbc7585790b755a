/** Asking a person on the terminal. */

import { createInterface } from "node:readline/promises";

/** The answer to a yes-or-no question; `undefined` when there is no terminal to ask on. */
export async function askYesNo(question: string, signal: AbortSignal): Promise<boolean | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(question, { signal })).trim());
  } finally {
    prompt.close();
  }
}
