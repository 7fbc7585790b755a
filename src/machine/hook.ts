/**
 * Hooks: programs of the fleet's author that run at set moments of a deployment, on the deployer or on the host.
 *
 * The deployer's hooks come from its own evaluation; a host's are part of its system (`meta.json`).
 */

import { canRun } from "./programs.ts";
import type { SystemObject } from "./system-object.ts";

/**
 * When a hook runs. `finally` comes after everything else, whatever became of the host, once a moment before an
 * activation or a reboot was reached: what was drained is there again.
 */
export type HookMoment =
  | "preBuild"
  | "postBuild"
  | "preCopy"
  | "postCopy"
  | "preActivation"
  | "postActivation"
  | "preConfirmation"
  | "postConfirmation"
  | "preRollback"
  | "postRollback"
  | "preReboot"
  | "postReboot"
  | "finally"
  /** Of the whole fleet. */
  | "preRollout"
  | "postRollout";

/** Moments at which a failure can still keep what follows from happening, or bring the host back. */
const ABORTABLE: ReadonlySet<HookMoment> = new Set([
  "preBuild",
  "postBuild",
  "preCopy",
  "postCopy",
  "preActivation",
  "postActivation",
  "preConfirmation",
  "preReboot",
  "preRollout",
]);

export interface Hook {
  readonly name: string;
  readonly on: "deployer" | "host";
  readonly when: readonly HookMoment[];
  /** A program and its arguments; never given to a shell. */
  readonly command: readonly string[];
  readonly timeoutSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly onFailure: "abort" | "warn";
  /** Where it is declared; absent in what lies on hosts. */
  readonly place?: string;
}

export interface HookResult {
  readonly name: string;
  readonly moment: HookMoment;
  readonly isOk: boolean;
  readonly milliseconds: number;
  /** How it ended, one line. */
  readonly message: string;
  /** The last lines of what it wrote. */
  readonly output: readonly string[];
}

/** What `pristine-kit hook` reads: hooks for moments at which no transaction is under way. */
export interface HookRequest {
  readonly hooks: readonly Hook[];
  readonly moment: HookMoment;
  readonly environment: Readonly<Record<string, string>>;
}

/** What `pristine-kit hook` prints. */
export interface HookAnswer {
  readonly results: readonly HookResult[];
}

/** Of what a hook writes, this much is kept. */
export const HOOK_OUTPUT_BYTES_MAX: number = 8 * 1024;
const OUTPUT_LINES_MAX = 15;
const LINE_CHARS_MAX = 500;

/** The hooks of one side at a moment, in the order of their names. */
export function hooksAt(hooks: readonly Hook[], on: Hook["on"], ...moments: readonly HookMoment[]): Hook[] {
  return hooks.filter((hook) => hook.on === on && moments.some((moment) => hook.when.includes(moment)));
}

/** Whether a hook's failure ends what it takes part in. */
export function aborts(hook: Hook, moment: HookMoment): boolean {
  return hook.onFailure === "abort" && ABORTABLE.has(moment);
}

/** How long hooks may take together. */
export function hookSecondsOf(hooks: readonly Hook[]): number {
  return hooks.reduce((sum, { timeoutSeconds }) => sum + timeoutSeconds, 0);
}

/** What every hook is told besides; `undefined` is left out. */
export function hookEnvironment(
  hook: Hook,
  moment: HookMoment,
  facts: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const known = Object.entries(facts).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...hook.environment, ...Object.fromEntries(known), PRISTINE_HOOK: hook.name, PRISTINE_MOMENT: moment };
}

/** The end of what a hook wrote, in lines. */
export function hookOutput(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-OUTPUT_LINES_MAX).map((line) => line.slice(0, LINE_CHARS_MAX));
}

/** A result for people: one line. */
export function renderHookResult({ name, moment, message, milliseconds }: HookResult): string {
  return `hook ${name} (${moment}): ${message} after ${(milliseconds / 1000).toFixed(1)} s`;
}

/** Hooks of the host whose program a system does not have. What does not come from the system cannot be told. */
export function hooksWithoutProgram(system: SystemObject, hooks: readonly Hook[]): Hook[] {
  return hooks.filter(({ on, command: [program = ""] }) => on === "host" && !canRun(system, program));
}
