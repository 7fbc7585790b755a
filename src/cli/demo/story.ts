/**
 * The frame of the demo: chapters that hold or do not, commands that are printed as they are run, figures, a report.
 *
 * The demo uses nothing but the `pristine` program: each command is shown so that it can be pasted.
 */

import { join } from "node:path";
import { renderArgv } from "../../base/shell-words.ts";
import { readText } from "../../system/files.ts";
import { run, type ProcessOutcome } from "../../system/process.ts";
import { renderDuration } from "../../base/quantities.ts";
import { ClaimError, replaceInFile } from "./edit.ts";
import type { Terminal } from "../render/terminal.ts";

/** A number or a word of evidence; those of a chapter's part stand together. */
export type Figure = number | string | boolean | { readonly [name: string]: Figure };

export interface ChapterReport {
  readonly name: string;
  readonly held: boolean;
  readonly seconds: number;
  readonly figures: Readonly<Record<string, Figure>>;
  readonly problem?: string;
}

export interface PristineOptions {
  /** Exit codes that are right; 0 when absent. */
  readonly exit?: readonly number[];
  /** What to print: the command and all it says (the default), without its standard output, its output alone, or nothing. */
  readonly show?: "all" | "progress" | "result" | "none";
  /** Called with each line of its progress. */
  readonly onProgress?: (line: string) => void;
  /** Kills the command, and only it, with SIGKILL. */
  readonly killWith?: AbortSignal;
}

const COMMAND_DEADLINE_MS = 10 * 60_000;

export class Story {
  readonly chapters: ChapterReport[] = [];
  readonly terminal: Terminal;
  /** The directory of the fleet that the demo works on. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly #program: string;
  #figures: Record<string, Figure> = {};
  #lastFaint: string | undefined;

  constructor(options: { terminal: Terminal; directory: string; program: string; signal: AbortSignal }) {
    this.terminal = options.terminal;
    this.directory = options.directory;
    this.signal = options.signal;
    this.#program = options.program;
  }

  get held(): boolean {
    return this.chapters.every((chapter) => chapter.held);
  }

  /** Tells one chapter. A claim that does not hold ends the chapter, not the story. */
  async chapter(name: string, tell: () => Promise<void>): Promise<boolean> {
    const { bold, cyan, green, red } = this.terminal.colors;
    const startedMs = performance.now();
    this.#figures = {};
    this.terminal.out("");
    this.terminal.out(
      `${cyan(bold(`${this.chapters.length + 1}. ${name}`))} ${cyan("─".repeat(Math.max(3, 72 - name.length)))}`,
    );
    let problem: string | undefined;
    try {
      await tell();
    } catch (error) {
      if (this.signal.aborted) throw error;
      problem = error instanceof Error ? error.message : String(error);
    }
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
    this.chapters.push({
      name,
      held: problem === undefined,
      seconds,
      figures: this.#figures,
      ...(problem === undefined ? {} : { problem }),
    });
    const took = renderDuration(performance.now() - startedMs);
    this.terminal.out(problem === undefined ? green(`✓ held (${took})`) : red(`✗ did not hold: ${problem}`));
    return problem === undefined;
  }

  /** A part of a chapter; its figures carry its number. */
  async part(title: string, tell: () => Promise<void>): Promise<void> {
    const { bold } = this.terminal.colors;
    const outer = this.#figures;
    this.#figures = {};
    this.terminal.out("");
    this.terminal.out(bold(`  ▸ ${title}`));
    try {
      await tell();
    } finally {
      this.#figures = { ...outer, [title]: this.#figures };
    }
  }

  say(text: string): void {
    this.terminal.out(text);
  }

  /** A claim with its evidence. */
  claim(holds: boolean, text: string): void {
    const { green, red } = this.terminal.colors;
    this.terminal.out(`  ${holds ? green("✓") : red("✗")} ${text}`);
    if (!holds) throw new ClaimError(text);
  }

  figure(name: string, value: number | string | boolean): void {
    this.#figures[name] = value;
  }

  /** Changes a file of the fleet, showing the change; returns what undoes it. */
  async edit(path: string, from: string | RegExp, to: string): Promise<() => Promise<void>> {
    const { dim, green, red, bold } = this.terminal.colors;
    const { undo, removed } = await replaceInFile(this.directory, path, from, to);
    this.terminal.out(`${dim("edit")} ${bold(path)}`);
    for (const line of removed.split("\n").filter((text) => text.trim() !== ""))
      this.terminal.out(red(`  - ${line.trim()}`));
    for (const line of to.split("\n").filter((text) => text.trim() !== ""))
      this.terminal.out(green(`  + ${line.trim()}`));
    return async () => {
      this.terminal.out(`${dim("undo")} ${bold(path)}`);
      await undo();
    };
  }

  /** Prints a file of the fleet. */
  async show(path: string): Promise<void> {
    const { bold, dim } = this.terminal.colors;
    this.terminal.out(bold(path));
    for (const line of (await readText(join(this.directory, path))).trimEnd().split("\n"))
      this.terminal.out(dim(`  ${line}`));
  }

  /** Runs a `pristine` command in the fleet's directory, showing it and what it says. */
  async pristine(args: readonly string[], options: PristineOptions = {}): Promise<ProcessOutcome> {
    const { dim } = this.terminal.colors;
    const show = options.show ?? "all";
    this.#showCommand(["pristine", ...args], show === "none");
    const outcome = await run([this.#program, ...args], {
      cwd: this.directory,
      deadlineMs: COMMAND_DEADLINE_MS,
      signal: options.killWith ?? this.signal,
      graceMs: 0,
      group: options.killWith === undefined ? "own" : "shared",
      // The demo leaves no process behind.
      extraEnv: { PRISTINE_RESIDENT: "off" },
      onStdout: this.#lines(show === "all" || show === "result", "  ", options.onProgress),
      onStderr: this.#lines(show === "all" || show === "progress", `  ${dim("·")} `, options.onProgress),
    }).catch((error: unknown) => {
      if (options.killWith?.aborted === true) return KILLED;
      throw error;
    });
    const expected = options.exit ?? [0];
    if (options.killWith === undefined && !expected.includes(outcome.code ?? -1)) {
      if (show === "none") this.terminal.out(outcome.stderr.toString("utf8"));
      throw new ClaimError(
        `'pristine ${args.join(" ")}' ended with ${outcome.code ?? "a signal"}, not ${expected.join(" or ")}`,
      );
    }
    return outcome;
  }

  /** Runs a command for its JSON answer. */
  async ask<T>(args: readonly string[], options: PristineOptions = {}): Promise<T> {
    // The option stands before the command, where `--` cannot hide it.
    const outcome = await this.pristine(["--json", ...args], { show: "none", ...options });
    return JSON.parse(outcome.stdout.toString("utf8")) as T;
  }

  /** Every command is shown, so that it can be pasted; those that only gather evidence faintly, and once in a row. */
  #showCommand(argv: readonly string[], isFaint: boolean): void {
    const { bold, dim } = this.terminal.colors;
    const text = renderArgv(argv);
    if (isFaint && text === this.#lastFaint) return;
    this.#lastFaint = isFaint ? text : undefined;
    this.terminal.out(isFaint ? dim(`$ ${text}`) : `${dim("$")} ${bold(text)}`);
  }

  #lines(shown: boolean, indent: string, onLine: ((line: string) => void) | undefined): (chunk: Uint8Array) => void {
    const decoder = new TextDecoder();
    let pending = "";
    return (chunk) => {
      const lines = (pending + decoder.decode(chunk, { stream: true })).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) {
        onLine?.(line);
        if (shown) this.terminal.out(`${indent}${line}`);
      }
    };
  }
}

const KILLED: ProcessOutcome = {
  code: undefined,
  signal: "SIGKILL",
  timedOut: false,
  stdout: Buffer.alloc(0),
  stderr: Buffer.alloc(0),
};
