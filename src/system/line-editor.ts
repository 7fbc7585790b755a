/** Lines from a person at a terminal, with editing, history and completion; or from a file or pipe. */

import { createInterface, type Interface } from "node:readline";

export type LineRead =
  { readonly kind: "line"; readonly text: string } | { readonly kind: "interrupted" } | { readonly kind: "end" };

export interface LineReader {
  /** The next line, asked for by a prompt. */
  next(prompt: string): Promise<LineRead>;
  /** Gives the terminal to another program while it runs. */
  pausedFor<T>(run: () => Promise<T>): Promise<T>;
  close(): void;
}

export interface LineEditorOptions {
  /** Newest first. */
  readonly history: readonly string[];
  readonly historyMax: number;
  /** Told of the history, newest first, when it has changed. */
  readonly onHistory: (history: readonly string[]) => void;
  /** Candidates for the end of the text before the cursor, which is `word`. */
  readonly complete: (text: string) => Promise<{ readonly word: string; readonly candidates: readonly string[] }>;
  /** Ctrl-C while no line is waited for. */
  readonly onInterrupt: () => void;
}

/** An editor on this process's terminal. */
export class LineEditor implements LineReader {
  readonly #options: LineEditorOptions;
  #history: readonly string[];
  #interface: Interface;
  #waiting: ((read: LineRead) => void) | undefined;
  /** Lines that were typed before they were asked for. */
  readonly #typed: LineRead[] = [];

  constructor(options: LineEditorOptions) {
    this.#options = options;
    this.#history = options.history;
    this.#interface = this.#open();
  }

  #open(): Interface {
    const { complete, historyMax } = this.#options;
    const editor = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: [...this.#history],
      historySize: historyMax,
      removeHistoryDuplicates: true,
      completer: (text: string, answer: (error: null, result: [string[], string]) => void) => {
        complete(text).then(
          ({ word, candidates }) => answer(null, [[...candidates], word]),
          // Without candidates nothing is completed; what went wrong shows when the line is entered.
          () => answer(null, [[], text]),
        );
      },
    });
    editor.on("line", (text) => this.#give({ kind: "line", text }));
    editor.on("close", () => {
      if (editor === this.#interface) this.#give({ kind: "end" });
    });
    editor.on("history", (history: string[]) => {
      this.#history = [...history];
      this.#options.onHistory(this.#history);
    });
    editor.on("SIGINT", () => {
      if (this.#waiting === undefined) return this.#options.onInterrupt();
      editor.write(null, { ctrl: true, name: "e" });
      editor.write(null, { ctrl: true, name: "u" });
      process.stdout.write("^C\n");
      this.#give({ kind: "interrupted" });
    });
    return editor;
  }

  #give(read: LineRead): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#typed.push(read);
    else waiting(read);
  }

  async next(prompt: string): Promise<LineRead> {
    const typed = this.#typed.shift();
    if (typed !== undefined) return typed;
    this.#interface.setPrompt(prompt);
    this.#interface.prompt();
    return await new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  async pausedFor<T>(run: () => Promise<T>): Promise<T> {
    const former = this.#interface;
    // Closing gives the terminal back as it was; what the editor of this object was told stays.
    this.#interface = undefined as unknown as Interface;
    former.close();
    try {
      return await run();
    } finally {
      this.#interface = this.#open();
    }
  }

  close(): void {
    this.#interface.close();
  }
}

/** Lines of standard input when it is no terminal. */
export class PipedLines implements LineReader {
  readonly #lines: AsyncIterator<string>;
  readonly #onPrompt: (prompt: string, line: string | undefined) => void;

  /** `onPrompt` is told of every prompt with the line that came. */
  constructor(onPrompt: (prompt: string, line: string | undefined) => void) {
    const lines = createInterface({ input: process.stdin, terminal: false, crlfDelay: Infinity });
    this.#lines = lines[Symbol.asyncIterator]();
    this.#onPrompt = onPrompt;
  }

  async next(prompt: string): Promise<LineRead> {
    const read = await this.#lines.next();
    if (read.done === true) {
      this.#onPrompt(prompt, undefined);
      return { kind: "end" };
    }
    this.#onPrompt(prompt, read.value);
    return { kind: "line", text: read.value };
  }

  async pausedFor<T>(run: () => Promise<T>): Promise<T> {
    return await run();
  }

  close(): void {
    process.stdin.destroy();
  }
}
