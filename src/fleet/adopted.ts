/** What a fleet takes over from other tools, as `nix/adopt` reports it. */

import { dirname, resolve } from "node:path";
import { evaluate } from "../realise/evaluate.ts";
import { fleetExpression, requireFleetFile } from "./inventory.ts";

/** What became of one option of another tool. */
export interface AdoptedOption {
  readonly option: string;
  readonly value: unknown;
  /** Our option, or what happens instead. */
  readonly here: string;
  /** Whether it has the same meaning here, another one, or none. */
  readonly serves: "yes" | "otherwise" | "no";
}

/** One file of another tool. */
export interface AdoptedFleet {
  readonly tool: string;
  readonly file: string;
  /** That concern it as a whole. */
  readonly options: readonly AdoptedOption[];
  /** What its hosts see of the change of tools, whatever their options. */
  readonly behaviour: readonly string[];
}

export interface AdoptedHost {
  readonly name: string;
  readonly tool: string;
  readonly file: string;
  readonly options: readonly AdoptedOption[];
  /** Why it is no host of this fleet; null when it is one. */
  readonly left: string | null;
}

export interface Adopted {
  readonly fleets: readonly AdoptedFleet[];
  readonly hosts: readonly AdoptedHost[];
}

/** Evaluates what the other tools' files declare, without their systems. */
export async function loadAdopted(fleetFile: string, signal: AbortSignal): Promise<Adopted> {
  await requireFleetFile(fleetFile);
  const expression = `(${fleetExpression(fleetFile)}).adopted`;
  const baseDir = dirname(resolve(fleetFile));
  const { text } = await evaluate({ expression, baseDir, output: "json", strict: true }, signal);
  return JSON.parse(text) as Adopted;
}
