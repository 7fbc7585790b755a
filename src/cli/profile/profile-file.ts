/** A profile in the forms that programs open: a page for a browser, speedscope's JSON, and collapsed stacks. */

import type { Profile, ProfileFrame, ProfileStack } from "../../realise/profile.ts";
import { flameGraphPage } from "./flame-graph-page.ts";

/** The form that a file's name asks for. */
export function renderProfile(profile: Profile, path: string): string {
  if (/\.html?$/.test(path)) return flameGraphPage(profile);
  if (path.endsWith(".json")) return speedscopeProfile(profile);
  return collapsedStacks(profile, ({ timeMs }) => Math.round(timeMs * 1000));
}

/** One line a stack, `OUTER;INNER WEIGHT`: what flame graph programs and Nix's own profiler write. */
export function collapsedStacks(profile: Profile, weightOf: (stack: ProfileStack) => number): string {
  const { frames, stacks } = profile;
  const lines: string[] = [];
  for (const stack of stacks) {
    const weight = weightOf(stack);
    if (weight === 0 || stack.frame < 0) continue;
    lines.push(
      `${framesOf(stack, stacks)
        .map((index) => labelOf(frames[index]!))
        .join(";")} ${weight}\n`,
    );
  }
  return lines.sort().join("");
}

/** `NAME FILE:LINE:COLUMN`. */
export function labelOf({ name, file, line, column }: ProfileFrame): string {
  return file === undefined ? name : `${name} ${file}:${line}:${column}`;
}

/** The frames of a stack, outermost first. */
function framesOf(innermost: ProfileStack, stacks: readonly ProfileStack[]): number[] {
  const indexes: number[] = [];
  for (let stack: ProfileStack | undefined = innermost; stack !== undefined; stack = stacks[stack.parent]) {
    if (stack.frame >= 0) indexes.push(stack.frame);
  }
  return indexes.reverse();
}

/** The format of https://www.speedscope.app. */
export function speedscopeProfile({ frames, stacks }: Profile): string {
  const sampled = stacks.filter((stack) => stack.timeMs > 0);
  const weights = sampled.map(({ timeMs }) => Math.round(timeMs * 1000));
  return `${JSON.stringify({
    $schema: "https://www.speedscope.app/file-format-schema.json",
    name: "evaluation",
    exporter: "pristine",
    activeProfileIndex: 0,
    shared: {
      frames: frames.map(({ name, file, line, column }) => ({
        name,
        ...(file === undefined ? {} : { file, line, col: column }),
      })),
    },
    profiles: [
      {
        type: "sampled",
        name: "evaluation",
        unit: "microseconds",
        startValue: 0,
        endValue: weights.reduce((sum, weight) => sum + weight, 0),
        samples: sampled.map((stack) => framesOf(stack, stacks)),
        weights,
      },
    ],
  })}\n`;
}
