/**
 * One simulation of a fleet from a seed: operators deploy to hosts that run the real kit, chance interferes, and then
 * everything is quiet and must come right.
 */

import { exitCodeOfOutcomes, type HostOutcome, isAsWanted } from "../../../src/fleet/outcome.ts";
import { Random } from "../../support/random.ts";
import { systemNamed } from "./catalogue.ts";
import { Desk } from "./desk.ts";
import type { Safeguard } from "./safeguards.ts";
import type { SimulatedHost } from "./simulated-host.ts";
import { type Act, type ClockJump, type Order, type Story, storyOf } from "./story.ts";
import { VirtualTime } from "./virtual-time.ts";
import { hasTouched, Violation, World } from "./world.ts";

export interface Simulation {
  readonly seed: number;
  /** What did not hold. */
  readonly violation?: { readonly invariant: string; readonly message: string };
  /** What happened, a line each. */
  readonly trace: readonly string[];
  /** What deployers told of hosts. */
  readonly outcomes: readonly HostOutcome[];
  readonly virtualMs: number;
}

/** Longer than any deadline. */
const REST_MS = 3_600_000;
/** Once more each time. */
const RESUME_PAUSE_MS = 60_000;
const RESUMES_MAX = 6;

const CALM: Omit<Act, "kind"> = { pauseMs: 0, byPowerCut: false };

export async function simulate(seed: number, without?: Safeguard): Promise<Simulation> {
  return await simulateStory(storyOf(seed), without);
}

export async function simulateStory(story: Story, without?: Safeguard): Promise<Simulation> {
  const time = new VirtualTime();
  const random = new Random(story.seed ^ 0x5bd1e995);
  const world = new World(story, time, random, without);
  const desks = story.desks.map(({ name }) => new Desk(name, world, without));
  const outcomes: HostOutcome[] = [];
  let violation: Simulation["violation"];
  try {
    await time.runUntilDone(Promise.race([play(story, world, desks, outcomes), world.violated]));
  } catch (error) {
    // What the engine throws is no better than what it does wrong.
    const { message } = error as Error;
    violation = { invariant: error instanceof Violation ? error.invariant : "nothing is thrown", message };
    if (!(error instanceof Violation)) world.trace("engine", (error as Error).stack ?? message);
    for (const desk of desks) desk.stop();
  }
  return { seed: story.seed, ...(violation && { violation }), trace: world.lines, outcomes, virtualMs: time.nowMs };
}

async function play(story: Story, world: World, desks: readonly Desk[], outcomes: HostOutcome[]): Promise<void> {
  const { time } = world;
  schedule(story, world, desks);
  const acted = desks.map(async (desk, index) => {
    for (const act of story.desks[index]!.acts) {
      await time.sleep(act.pauseMs);
      outcomes.push(...((await desk.do(act)) ?? []));
    }
  });
  await Promise.all(acted);
  await comeToRest(story, world);
  for (const desk of desks) {
    desk.requireWhatBegan();
    for (let count = 0; desk.openRollouts().length > 0; count++) {
      // A host that goes back by a reboot is away for a while; nobody asks all the time.
      await time.sleep(count * RESUME_PAUSE_MS);
      const told = (await desk.do({ kind: "resume", ...CALM })) ?? [];
      outcomes.push(...told);
      world.require(count < RESUMES_MAX, "a rollout comes to an end", () => desk.openRollouts()[0]!.rollout.id);
      if (count >= RESUMES_MAX) return;
    }
    outcomes.push(...((await desk.do({ kind: "converge", ...CALM })) ?? []));
    desk.requireNobodyDrained();
  }
  // What was temporary has ended.
  await time.sleep(REST_MS);
  await requireRepeatable(story, world, desks[0]!);
}

/** What chance does to hosts and desks by the clock. */
function schedule(story: Story, world: World, desks: readonly Desk[]): void {
  const jump = (one: SimulatedHost | Desk, clockJumps: readonly ClockJump[]): void => {
    for (const { atMs, byMs } of clockJumps) {
      world.time.at(atMs, () => {
        one.wallOffsetMs += byMs;
        world.trace(one.name, `its clock jumps by ${Math.round(byMs / 1000)} s`);
      });
    }
  };
  for (const { name, powerCutsAtMs, clockJumps } of story.hosts) {
    const host = world.hostNamed(name);
    for (const atMs of powerCutsAtMs) world.time.at(atMs, () => host.cutPower());
    jump(host, clockJumps);
  }
  for (const [index, desk] of desks.entries()) jump(desk, story.desks[index]!.clockJumps);
}

/** Nothing goes wrong any more, and time passes. */
async function comeToRest(story: Story, world: World): Promise<void> {
  world.trace("chance", "rests");
  for (const { name } of story.hosts) world.linkTo(name).isQuiet = true;
  for (const host of world.hosts) host.comeToRest();
  await world.time.sleep(REST_MS);
  world.checkClaims();
  world.requireKept();
  for (const host of world.hosts) {
    // Where the disk was full, the host went back without being able to write that down.
    const left = host.unfinished().filter((one) => hasTouched(one) && host.activated !== one.facts.previous);
    world.require(
      left.length === 0,
      "every transaction ends by itself",
      () => `${host.name}: ${left.map(({ id, state }) => `${id} is ${state}`).join(", ")}`,
    );
  }
}

function isSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((part, index) => part === other[index]);
}

/** A deployment to hosts that are well succeeds, and the same again changes nothing. */
async function requireRepeatable(story: Story, world: World, desk: Desk): Promise<void> {
  const order: Order = {
    goal: "switch",
    system: systemNamed("v5"),
    others: new Map(),
    hosts: story.hosts.map(({ name }) => name),
    hooks: [],
    policy: {
      waves: [],
      canaries: 0,
      pauseSeconds: 0,
      failuresMax: 0,
      onFailure: "continue",
      concurrencyMax: 10,
      pendingSeconds: 3600,
    },
  };
  const first = (await desk.do({ kind: "deploy", order, ...CALM })) ?? [];
  const told = (outcomes: readonly HostOutcome[]): string =>
    outcomes.map((outcome) => `${outcome.host} ${outcome.status}`).join(", ");
  world.require(first.every(isAsWanted), "what is well can be deployed to", () => told(first));
  const before = world.hosts.map((host) => host.snapshot());
  const again = (await desk.do({ kind: "deploy", order, ...CALM })) ?? [];
  world.require(
    again.every(({ status }) => status === "unchanged"),
    "the same again changes nothing",
    () => told(again),
  );
  world.require(exitCodeOfOutcomes(again) === 0, "the same again succeeds", () => told(again));
  for (const [index, host] of world.hosts.entries())
    world.require(
      isSame(host.snapshot(), before[index]!),
      "the same again changes nothing",
      () => `${host.name} is not as it was`,
    );
}
