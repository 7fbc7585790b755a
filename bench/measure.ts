/** Measuring programs: processor time, wall time and memory of a whole process tree, the best of several runs. */

import { spawnSync } from "node:child_process";

export interface Measurement {
  readonly wallSeconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly maxRssMb: number;
}

export interface Program {
  readonly argv: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** What a program wrote. */
export interface Said {
  readonly stdout: string;
  readonly stderr: string;
}

/** Nothing is remembered from one run to the next, unless a question is about that. */
const FORGETFUL = { PRISTINE_CACHE: "off", PRISTINE_RESIDENT: "off" };

/** Runs a program once under GNU time; what it wrote is returned. */
export function measure({ argv, env, cwd }: Program): Measurement & Said {
  const result = spawnSync("time", ["--format=%e %U %S %M", ...argv], {
    env: { ...process.env, ...FORGETFUL, ...env },
    cwd,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (result.error !== undefined) throw new Error("GNU time is missing: apt-get install time", { cause: result.error });
  if (result.status !== 0) throw new Error(`${argv.join(" ")} failed:\n${result.stdout}${result.stderr}`);
  const [wall = NaN, user = NaN, system = NaN, rssKb = NaN] = result.stderr
    .trimEnd()
    .split("\n")
    .at(-1)!
    .split(" ")
    .map(Number);
  return {
    wallSeconds: wall,
    userSeconds: user,
    systemSeconds: system,
    maxRssMb: Math.round(rssKb / 1024),
    stdout: result.stdout,
    stderr: result.stderr,
  };
}

/**
 * Runs programs in turn, so that what else the machine does hits all of them, and keeps the run of each that took the
 * least processor time: noise only ever adds.
 */
export function measureInTurn<Name extends string>(
  programs: Readonly<Record<Name, Program>>,
  runs: number,
): Record<Name, Measurement> {
  const best: Partial<Record<Name, Measurement>> = {};
  for (let run = 0; run < runs; run++) {
    for (const name of Object.keys(programs) as Name[]) {
      const { stdout: _, stderr: __, ...measured } = measure(programs[name]);
      const before = best[name];
      if (before === undefined || processorTime(measured) < processorTime(before)) best[name] = measured;
    }
  }
  return best as Record<Name, Measurement>;
}

function processorTime({ userSeconds, systemSeconds }: Measurement): number {
  return userSeconds + systemSeconds;
}

/** What a program takes without a part of it that is measured by itself. */
export function without(whole: Measurement, part: Measurement): Measurement {
  const less = (a: number, b: number): number => Math.max(0, Math.round((a - b) * 100) / 100);
  return {
    wallSeconds: less(whole.wallSeconds, part.wallSeconds),
    userSeconds: less(whole.userSeconds, part.userSeconds),
    systemSeconds: less(whole.systemSeconds, part.systemSeconds),
    maxRssMb: whole.maxRssMb,
  };
}

/** How many times as much the one takes; null where the other takes too little to tell. */
export function ratioOf(ours: Measurement, theirs: Measurement): Record<string, number | null> {
  const ratio = (a: number, b: number): number | null => (b === 0 ? null : Math.round((a / b) * 100) / 100);
  return {
    userSeconds: ratio(ours.userSeconds, theirs.userSeconds),
    wallSeconds: ratio(ours.wallSeconds, theirs.wallSeconds),
    maxRssMb: ratio(ours.maxRssMb, theirs.maxRssMb),
  };
}
