/** An interactive session at a terminal or over a pipe: prompts, history, and what commands need beside evaluation. */

import { dirname } from "node:path";
import type { ReplClient } from "../../realise/repl/repl-client.ts";
import type { ReplAction } from "../../realise/repl/repl-messages.ts";
import { stateDirectory } from "../../system/directories.ts";
import { ensureDirectory, readTextIfPresent, writeFileAtomic } from "../../system/files.ts";
import { LineEditor, type LineReader, PipedLines } from "../../system/line-editor.ts";

export interface ReplLoopOptions {
  readonly client: ReplClient;
  readonly prompt: string;
  /** Shown at a terminal, and over a pipe when this is set. */
  readonly banner: string;
  /** Over a pipe, print prompts and lines as a terminal would show them. */
  readonly echoes: boolean;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Builds, edits and shows; gets the terminal for itself where it needs it. */
  readonly act: (action: ReplAction, reader: LineReader) => Promise<void>;
}

const HISTORY_LINES_MAX = 1000;

export async function runReplLoop(options: ReplLoopOptions): Promise<void> {
  const { client, prompt, echoes, out } = options;
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  const shows = isTerminal || echoes;
  const continuation = `${" ".repeat(Math.max(prompt.length - 2, 0))}> `;
  if (shows) options.error(options.banner);
  const reader = isTerminal
    ? new LineEditor(await editorOptions(client))
    : new PipedLines((asked, line) => {
        if (echoes) out(asked + (line === undefined ? "" : `${line}\n`));
      });
  const interrupt = (): void => client.interrupt();
  process.on("SIGINT", interrupt);
  let input = "";
  try {
    await client.start();
    for (;;) {
      const read = await reader.next(input === "" ? prompt : continuation);
      if (read.kind === "end") {
        if (shows) out("\n");
        break;
      }
      if (read.kind === "interrupted") {
        input = "";
        continue;
      }
      input += `${read.text}\n`;
      const reply = await client.line(input);
      if (reply.kind === "incomplete") continue;
      if (reply.kind === "quit") break;
      input = "";
      if (reply.kind === "done" && reply.action !== undefined) await perform(reply.action, reader, options);
      if (shows) out("\n");
    }
  } finally {
    process.off("SIGINT", interrupt);
    reader.close();
    await client.close();
  }
}

async function perform(action: ReplAction, reader: LineReader, options: ReplLoopOptions): Promise<void> {
  try {
    await options.act(action, reader);
    // What was edited may have been what is loaded.
    if (action.kind === "edit") await options.client.line(":r");
  } catch (error) {
    const { message, hint } = error as { readonly message?: string; readonly hint?: string };
    options.error(`error: ${message ?? String(error)}${hint === undefined ? "" : `\nhint: ${hint}`}`);
  }
}

async function editorOptions(client: ReplClient): Promise<ConstructorParameters<typeof LineEditor>[0]> {
  const file = `${stateDirectory()}/repl-history`;
  const text = (await readTextIfPresent(file)) ?? "";
  let writing: Promise<void> = Promise.resolve();
  const write = async (history: readonly string[]): Promise<void> => {
    await ensureDirectory(dirname(file), 0o700);
    await writeFileAtomic(file, `${history.toReversed().join("\n")}\n`, { mode: 0o600 });
  };
  return {
    history: text
      .split("\n")
      .filter((line) => line !== "")
      .toReversed(),
    historyMax: HISTORY_LINES_MAX,
    onHistory: (history) => {
      // A history that cannot be kept is no reason to end the session.
      writing = writing.then(async () => await write(history)).catch(() => undefined);
    },
    complete: async (before) => await client.complete(before),
    onInterrupt: () => client.interrupt(),
  };
}
