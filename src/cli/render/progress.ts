/**
 * Shows what is going on while long work runs: one line per activity, repainted in place on a terminal, and one plain
 * line per change when output is piped.
 */

import { safeText } from "../../base/safe-text.ts";
import { renderDuration } from "../../base/quantities.ts";
import { type Terminal, widthOf } from "./terminal.ts";

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const REPAINT_MS = 100;

/** What an activity says may come from a host. */
function oneLine(text: string): string {
  return safeText(text.replace(/\s*\n\s*/g, "; "));
}

interface Activity {
  text: string;
  readonly startedMs: number;
}

export class Progress {
  readonly #terminal: Terminal;
  readonly #activities = new Map<string, Activity>();
  #timer: NodeJS.Timeout | undefined;
  #painted = 0;
  #frame = 0;
  /** Whether the terminal is somebody else's for now. */
  #rests = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Says what `key` (a host, a download) is doing now. `minor` changes are shown only on a live display. */
  update(key: string, said: string, options: { readonly minor?: boolean } = {}): void {
    const text = oneLine(said);
    const known = this.#activities.get(key);
    if (known?.text === text) return;
    if (known === undefined) this.#activities.set(key, { text, startedMs: performance.now() });
    else known.text = text;
    if (!this.#terminal.live) {
      if (options.minor !== true) this.#terminal.err(`${key}: ${text}`);
      return;
    }
    this.#timer ??= setInterval(() => this.#paint(), REPAINT_MS).unref();
  }

  /** Ends an activity with a last line. */
  done(key: string, text: string, outcome: "ok" | "failed" | "info" = "ok"): void {
    const { colors } = this.#terminal;
    const mark = { ok: colors.green("✓"), failed: colors.red("✗"), info: colors.dim("·") }[outcome];
    const activity = this.#activities.get(key);
    const took =
      activity === undefined ? "" : colors.dim(` (${renderDuration(performance.now() - activity.startedMs)})`);
    this.#activities.delete(key);
    this.line(`${mark} ${colors.bold(key)}: ${safeText(text)}${took}`);
  }

  /** Prints a line above the live display. */
  line(text: string): void {
    this.#clear();
    this.#terminal.err(text);
    if (this.#activities.size > 0 && this.#terminal.live) this.#paint();
  }

  /** Leaves the terminal to `use`, for a question. */
  async rest<T>(use: () => Promise<T>): Promise<T> {
    this.#clear();
    this.#rests = true;
    try {
      return await use();
    } finally {
      this.#rests = false;
    }
  }

  /** Removes the live display. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#clear();
    this.#activities.clear();
  }

  #clear(): void {
    if (this.#painted > 0) process.stderr.write(`\u001b[${this.#painted}A\u001b[J`);
    this.#painted = 0;
  }

  #paint(): void {
    if (this.#rests) return;
    const { colors, columns } = this.#terminal;
    this.#clear();
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const spinner = colors.cyan(FRAMES[this.#frame] ?? "·");
    for (const [key, { text, startedMs }] of this.#activities) {
      const head = `${spinner} ${colors.bold(key)}: `;
      const tail = ` ${renderDuration(performance.now() - startedMs)}`;
      const room = Math.max(10, columns - 1 - widthOf(head) - tail.length);
      const body = text.length > room ? `${text.slice(0, room - 1)}…` : text;
      process.stderr.write(`${head}${body}${colors.dim(tail)}\n`);
      this.#painted++;
    }
  }
}
