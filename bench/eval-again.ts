/**
 * How long does it take to evaluate a system again, against a real Nix?
 *
 *   bin/node bench/eval-again.ts [--tiny] [--runs N] [--fleet FILE --host NAME --module FILE [--bind DIR]...]
 *
 * `--bind` names directories that the fleet needs, for the real Nix. FILE of `--fleet` is a set of systems, of which `--host` names one; `--module` is a file that belongs to it, to which
 * a comment is added for `changed` and taken away again in the end. Measured are whole commands: `cold` without anything
 * remembered, `unchanged` with the cache, `changed` with the resident process, and `fleet`, all systems cold;
 * `fleetUnchanged` and `fleetChanged` are all systems with nothing and with that module changed. Every
 * answer is compared with the real Nix's. `--tiny` makes a fleet of its own and does without a real Nix.
 */

import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { oracleCommand } from "../scripts/oracle.ts";
import { measure, type Measurement, type Program } from "./measure.ts";

const NIX_INSTANTIATE = join(import.meta.dirname, "../bin/compat/nix-instantiate");
const PRISTINE = join(import.meta.dirname, "../bin/pristine");
const START_MS_MAX = 60_000;

const { values: options } = parseArgs({
  options: {
    tiny: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    fleet: { type: "string" },
    host: { type: "string" },
    module: { type: "string" },
    bind: { type: "string", multiple: true, default: [] },
  },
});

const scratch = mkdtempSync(join(tmpdir(), "pristine-bench-"));
const env = { XDG_CACHE_HOME: join(scratch, "cache"), XDG_RUNTIME_DIR: join(scratch, "run"), NIX_REMOTE: "dummy://" };
const remembering = { ...env, PRISTINE_CACHE: "on", PRISTINE_RESIDENT: "off" };
const resident = { ...env, PRISTINE_CACHE: "on", PRISTINE_RESIDENT: "on" };
const { fleet, host, module } = options.fleet === undefined ? makeFleet() : givenFleet();
const before = readFileSync(module);
let residentPid: number | undefined;
try {
  console.log(JSON.stringify(await compare(), undefined, 2));
} finally {
  writeFileSync(module, before);
  if (residentPid !== undefined) process.kill(residentPid);
  rmSync(scratch, { recursive: true, force: true });
}

interface Fleet {
  readonly fleet: string;
  readonly host: string;
  readonly module: string;
}

function givenFleet(): Fleet {
  const { fleet = "", host, module } = options;
  if (host === undefined || module === undefined) throw new Error("--fleet takes --host and --module, too");
  return { fleet: resolve(fleet), host, module: resolve(module) };
}

/** Two hosts that share a package of a set beside them. */
function makeFleet(): Fleet {
  mkdirSync(join(scratch, "set"));
  mkdirSync(join(scratch, "fleet"));
  mkdirSync(join(scratch, "run"), { mode: 0o700 });
  const derive = 'derivation { inherit name; system = "x86_64-linux"; builder = "/none"; needs = needs; }';
  writeFileSync(
    join(scratch, "set/default.nix"),
    `{ }: rec { make = name: needs: ${derive}; base = make "base" [ ]; }`,
  );
  const module = join(scratch, "fleet/one.nix");
  writeFileSync(module, '{ name = "one"; }\n');
  const fleet = join(scratch, "fleet/fleet.nix");
  const hostOf = (name: string): string => `${name} = set.make (import ./one.nix).name [ set.base ];`;
  writeFileSync(fleet, `let set = import ../set { }; in { ${hostOf("one")} ${hostOf("two")} }`);
  return { fleet, host: "one", module };
}

async function compare(): Promise<Record<string, unknown>> {
  const runs = options.tiny ? 1 : Number(options.runs);
  mkdirSync(env.XDG_RUNTIME_DIR, { recursive: true, mode: 0o700 });
  const ours = (environment: NodeJS.ProcessEnv, ...args: string[]): Program => ({
    argv: [NIX_INSTANTIATE, fleet, ...args],
    env: { ...process.env, ...environment },
  });
  const one = ["-A", host];
  const bound = [dirname(fleet), dirname(module), ...options.bind.map((directory) => resolve(directory))];
  const enter = (...command: string[]): Program =>
    oracleCommand(command, { nixDir: join(scratch, "nix"), bind: bound });
  const off = { ...env, PRISTINE_CACHE: "off", PRISTINE_RESIDENT: "off" };
  const all: Record<string, Measurement[]> = {};
  const note = (name: string, program: Program): string => {
    const { stdout, ...figures } = measure(program);
    (all[name] ??= []).push(figures);
    return stdout.trim();
  };
  if (!options.tiny) {
    await startResident(ours(resident, ...one));
    // Asked for the whole fleet, it evaluates that host by host, and from then on what has changed.
    for (const _ of ["cold", "warm"]) changing("whole", () => measure(ours(resident)));
  }
  for (let run = 0; run < runs; run++) {
    // What was remembered last was of the changed module.
    measure(ours(remembering, ...one));
    measure(ours(remembering));
    const answers = [note("cold", ours(off, ...one)), note("unchanged", ours(remembering, ...one))];
    changing(`${run}`, () => answers.push(note("changed", ours(options.tiny ? remembering : resident, ...one))));
    const whole = [note("fleet", ours(off)), note("fleetUnchanged", ours(remembering))];
    changing(`${run} fleet`, () => whole.push(note("fleetChanged", ours(options.tiny ? remembering : resident))));
    if (!options.tiny) {
      note("entering", enter("true"));
      answers.push(note("nix", enter("nix-instantiate", fleet, ...one)));
      whole.push(note("nixFleet", enter("nix-instantiate", fleet)));
    }
    if (new Set(answers).size !== 1) throw new Error(`the answers differ: ${answers.join(" ")}`);
    if (new Set(whole).size !== 1) throw new Error("the answers for the fleet differ");
  }
  return summary(all);
}

/** Does something while the module has a comment more. */
function changing(comment: string, act: () => void): void {
  appendFileSync(module, `# ${comment} ${process.pid}\n`);
  act();
  writeFileSync(module, before);
}

/** Leaves a resident process behind, which has evaluated what it is to evaluate. */
async function startResident(program: Program): Promise<void> {
  appendFileSync(module, `# ${process.pid}\n`);
  measure(program);
  writeFileSync(module, before);
  for (const until = Date.now() + START_MS_MAX; Date.now() < until; await sleep(200)) {
    const shown = measure({ argv: [PRISTINE, "cache", "show", "--json"], env: { ...process.env, ...resident } });
    const { resident: status } = JSON.parse(shown.stdout) as { resident: { pid: number; answered: number } | null };
    residentPid = status?.pid;
    if (status !== null && status.answered > 0) return;
  }
  throw new Error("no resident process came up");
}

/** The best run of each, and what it is of the real Nix's, without what entering its tree costs. */
function summary(all: Readonly<Record<string, readonly Measurement[]>>): Record<string, unknown> {
  const least = (name: string, key: keyof Measurement): number =>
    Math.min(...(all[name] ?? []).map((figures) => figures[key]));
  const entering = all["entering"] === undefined ? 0 : least("entering", "wallSeconds");
  const rows = Object.keys(all).map((name) => {
    const wallSeconds = least(name, "wallSeconds") - (name.startsWith("nix") ? entering : 0);
    return [name, { wallSeconds, userSeconds: least(name, "userSeconds"), maxRssMb: least(name, "maxRssMb") }] as const;
  });
  const figures = Object.fromEntries(rows);
  const ratio = (ours: string, theirs: string, key: "wallSeconds" | "maxRssMb"): number | null => {
    const [a, b] = [figures[ours], figures[theirs]];
    return a === undefined || b === undefined ? null : Math.round((a[key] / b[key]) * 100) / 100;
  };
  const toNix = (names: readonly string[], theirs: string): Record<string, number | null> =>
    Object.fromEntries(names.map((name) => [name, ratio(name, theirs, "wallSeconds")]));
  return {
    question: "eval-again",
    ...figures,
    ratio: {
      ...toNix(["cold", "unchanged", "changed"], "nix"),
      ...toNix(["fleet", "fleetUnchanged", "fleetChanged"], "nixFleet"),
      fleetMemory: ratio("fleet", "nixFleet", "maxRssMb"),
    },
  };
}
