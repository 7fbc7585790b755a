/**
 * What does a host cost in the rollout of a large fleet, against the same host in a small one?
 *
 *   bin/node bench/fleet-rollout.ts [--tiny] [--runs N]
 *
 * 1,000 hosts and 100 hosts are planned, rolled out in waves, journalled and reported in simulation: the engine that
 * ships, against hosts that run the real kit. A ratio near 1 says that time and memory grow with the number of hosts
 * and no faster. What one of them takes that starts and does nothing is taken off.
 */

import { parseArgs } from "node:util";
import { processTerminal } from "../src/cli/render/terminal.ts";
import { renderSummary } from "../src/cli/render/outcome.ts";
import { Desk } from "../test/simulate/fleet/desk.ts";
import { systemNamed } from "../test/simulate/fleet/catalogue.ts";
import { CALM_HOST, type Story } from "../test/simulate/fleet/story.ts";
import { VirtualTime } from "../test/simulate/fleet/virtual-time.ts";
import { World } from "../test/simulate/fleet/world.ts";
import { Random } from "../test/support/random.ts";
import { type Measurement, measureInTurn, type Program, ratioOf, without } from "./measure.ts";

const { values: options } = parseArgs({
  options: {
    tiny: { type: "boolean", default: false },
    runs: { type: "string", default: "3" },
    /** Rolls out to so many hosts in this process. */
    hosts: { type: "string" },
  },
});

if (options.hosts === undefined) compare();
else await rollOut(Number(options.hosts));

function compare(): void {
  const [few, many] = options.tiny ? [2, 4] : [100, 1_000];
  const program = (hosts: number): Program => ({
    argv: [process.execPath, import.meta.filename, `--hosts=${hosts}`],
  });
  const all = measureInTurn(
    { few: program(few), many: program(many), none: program(0) },
    Number(options.tiny ? 1 : options.runs),
  );
  const perHost = (measured: Measurement, hosts: number): Measurement => {
    const own = without(measured, all.none);
    const milliOf = (value: number): number => Math.round((value / hosts) * 1e6) / 1e6;
    return {
      wallSeconds: milliOf(own.wallSeconds),
      userSeconds: milliOf(own.userSeconds),
      systemSeconds: milliOf(own.systemSeconds),
      maxRssMb: milliOf(Math.max(0, own.maxRssMb - all.none.maxRssMb)),
    };
  };
  const result = { few: perHost(all.few, few), many: perHost(all.many, many) };
  const question = "fleet-rollout";
  const record = {
    question,
    hosts: { few, many },
    perHost: result,
    start: all.none,
    ratio: ratioOf(result.many, result.few),
  };
  console.log(JSON.stringify(record, undefined, 2));
}

async function rollOut(count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `host${index}`);
  const hosts = names.map((name, index) => ({
    ...CALM_HOST,
    name,
    confirmTimeoutSeconds: 60,
    wave: index % 4,
    isLookedAt: false,
  }));
  const story: Story = { seed: 1, hosts, desks: [] };
  const time = new VirtualTime();
  const world = new World(story, time, new Random(1), undefined);
  const desk = new Desk("ann", world, undefined);
  const order = {
    goal: "switch",
    system: systemNamed("v1"),
    others: new Map(),
    hosts: names,
    hooks: [],
    policy: {
      waves: [],
      canaries: 1,
      pauseSeconds: 60,
      failuresMax: 0,
      onFailure: "halt",
      concurrencyMax: 32,
      pendingSeconds: 3600,
    },
  } as const;
  const work = desk.do({ kind: "deploy", order, pauseMs: 0, byPowerCut: false });
  const outcomes = await time.runUntilDone(Promise.race([work, world.violated]));
  if (outcomes?.every(({ status }) => status === "activated") !== true) throw new Error("not every host was activated");
  const lines = renderSummary(outcomes, processTerminal({ color: false }), { verbose: true });
  console.error(`${outcomes.length} hosts, ${lines.length} lines, ${Math.round(time.nowMs / 1000)} s of virtual time`);
}
