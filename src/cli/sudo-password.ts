/** Where the password for sudo comes from: a file that the command names, or the person at the terminal. */

import { text } from "node:stream/consumers";
import { OperationError } from "../base/errors.ts";
import { readText, statusOf } from "../system/files.ts";
import { askSecret } from "../system/prompt.ts";
import type { Progress } from "./render/progress.ts";

/** The password, which is the first line of the file `from`; undefined where nobody can be asked. */
export async function sudoPasswordFrom(
  from: string | undefined,
  question: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (from === undefined) return await progress.rest(async () => await askSecret(question, signal));
  const [password = ""] = (from === "-" ? await text(process.stdin) : await readPrivate(from)).split("\n");
  if (password !== "") return password;
  throw new OperationError("SUDO_PASSWORD_WRONG", `there is no password in ${from === "-" ? "standard input" : from}`, {
    hint: "its first line is the password",
  });
}

async function readPrivate(file: string): Promise<string> {
  const status = await statusOf(file);
  if (status?.kind === "file" && (status.mode & 0o077) !== 0) {
    throw new OperationError("SUDO_PASSWORD_WRONG", `${file} can be read by others`, { hint: `chmod 600 ${file}` });
  }
  return await readText(file);
}
