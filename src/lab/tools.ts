/** Runs the programs a lab is made with, in this machine's network or in a lab's. */

import { type ProcessOutcome, run, runChecked } from "../system/process.ts";

/** Long enough for a loaded machine; every one of these programs is done in well under a second. */
const DEADLINE_MS = 30_000;

/** Programs of the system's administrator may not be on a user's PATH. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;

export interface ToolOptions {
  readonly stdin?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Run in the network namespace kept at this path. */
  readonly netns?: string | undefined;
  readonly deadlineMs?: number | undefined;
}

/** Runs a tool; a failing exit throws. Returns its standard output. */
export async function tool(argv: readonly string[], options: ToolOptions = {}): Promise<string> {
  return (await runChecked(vector(argv, options), settings(options))).stdout.toString("utf8");
}

/** As `tool`, for calls whose failing is an answer. */
export async function tryTool(argv: readonly string[], options: ToolOptions = {}): Promise<ProcessOutcome> {
  return run(vector(argv, options), settings(options));
}

function vector(argv: readonly string[], { netns }: ToolOptions): readonly string[] {
  return netns === undefined ? argv : ["nsenter", `--net=${netns}`, ...argv];
}

function settings({ stdin, signal, deadlineMs }: ToolOptions): Parameters<typeof run>[1] {
  return { stdin, signal, deadlineMs: deadlineMs ?? DEADLINE_MS, extraEnv: { PATH, LC_ALL: "C" } };
}
