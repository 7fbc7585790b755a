/** Processes that outlive the one that starts them. */

import { spawn } from "node:child_process";

/**
 * Starts a program in a session of its own, with `input` on its standard input and nothing else of ours: whoever waits
 * for the end of our output does not wait for it. What becomes of it is not known here.
 */
export function startDetached(argv: readonly [string, ...string[]], input: Uint8Array): void {
  const [program, ...args] = argv;
  const child = spawn(program, args, { cwd: "/", detached: true, stdio: ["pipe", "ignore", "ignore"] });
  // That it could not be started, or ended at once, is no matter of the starter's.
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  child.unref();
}

/** Everything on standard input. */
export async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
