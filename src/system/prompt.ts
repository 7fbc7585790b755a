/** Asking a person on the terminal. */

import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

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

/** What a person types without its being shown; `undefined` when there is no terminal to ask on. */
export async function askSecret(question: string, signal: AbortSignal): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  process.stderr.write(question);
  try {
    return await prompt.question("", { signal });
  } finally {
    prompt.close();
    process.stderr.write("\n");
  }
}
