/** What happens in a simulation: everything that chance decides is decided here, from the seed. */

import type { FailurePolicy, RolloutPolicy } from "../../../src/fleet/rollout/policy.ts";
import type { Hook, HookMoment } from "../../../src/machine/hook.ts";
import type { TransactionGoal } from "../../../src/machine/transaction.ts";
import { Random } from "../../support/random.ts";
import { HOOK_PROGRAMS, SYSTEMS, type CatalogueSystem, type Trait } from "./catalogue.ts";
import type { HostFate } from "./simulated-host.ts";
import type { LinkFate } from "./simulated-session.ts";

export interface Story {
  readonly seed: number;
  readonly hosts: readonly HostStory[];
  /** What each operator does, one thing after the other. */
  readonly desks: readonly DeskStory[];
}

export interface DeskStory {
  readonly name: string;
  readonly acts: readonly Act[];
  readonly clockJumps: readonly ClockJump[];
}

export interface ClockJump {
  readonly atMs: number;
  readonly byMs: number;
}

export interface HostStory {
  readonly name: string;
  readonly fate: HostFate;
  readonly link: LinkFate;
  readonly powerCutsAtMs: readonly number[];
  readonly clockJumps: readonly ClockJump[];
  readonly confirmTimeoutSeconds: number;
  readonly wave: number;
  /** Whether the deployer looks at what it serves before it is confirmed. */
  readonly isLookedAt: boolean;
}

/** What an operator does, and what becomes of it meanwhile. */
export interface Act {
  readonly kind: "deploy" | "resume" | "converge";
  /** After the one before. */
  readonly pauseMs: number;
  readonly order?: Order;
  /** Events of the rollout's journal, counted from 1, at which the process ends: before or after it is written. */
  readonly killedAt?: { readonly event: number; readonly when: "before" | "after" };
  readonly killedAfterMs?: number;
  /** Killed by a power cut of the operator's machine. */
  readonly byPowerCut: boolean;
  readonly interruptedAfterMs?: number;
  readonly abandonedAfterMs?: number;
}

export interface Order {
  readonly goal: TransactionGoal;
  readonly temporarySeconds?: number;
  readonly system: CatalogueSystem;
  /** Some hosts get another one. */
  readonly others: ReadonlyMap<string, CatalogueSystem>;
  readonly hosts: readonly string[];
  readonly hooks: readonly Hook[];
  readonly policy: RolloutPolicy;
}

const POLICIES: readonly FailurePolicy[] = ["continue", "halt", "rollBackWave"];

export function storyOf(seed: number): Story {
  const random = new Random(seed);
  const count = random.oneOf([1, 1, 2, 2, 3, 4]);
  const hosts = Array.from({ length: count }, (_, index) => hostStory(random, `h${index + 1}`));
  const names = hosts.map(({ name }) => name);
  const fleet: Fleet = { names, drains: random.chance(0.3) };
  const isCalm = random.chance(0.05);
  const desks = random.chance(0.35) ? ["ann", "ben"] : ["ann"];
  return {
    seed,
    hosts: isCalm ? hosts.map(calm) : hosts,
    desks: desks.map((name) => ({
      name,
      acts: actsOf(random, fleet, isCalm),
      clockJumps: !isCalm && random.chance(0.15) ? [clockJump(random)] : [],
    })),
  };
}

export const CALM_HOST: Pick<HostStory, "fate" | "link" | "powerCutsAtMs" | "clockJumps"> = {
  fate: {
    powerCutsAt: new Set(),
    deathsAt: new Set(),
    downMs: 30_000,
    unitMsMax: 1_000,
    disk: { writesLeft: Infinity, ballastWrites: 1000 },
  },
  link: { outages: [], latencyMsMax: 100, losses: 0, storeFull: 0 },
  powerCutsAtMs: [],
  clockJumps: [],
};

/** What every order is about. */
interface Fleet {
  readonly names: readonly string[];
  /** Whether it has hooks. */
  readonly drains: boolean;
}

function calm(host: HostStory): HostStory {
  return { ...host, ...CALM_HOST };
}

function hostStory(random: Random, name: string): HostStory {
  const effects = (probability: number): Set<number> =>
    new Set(random.chance(probability) ? Array.from({ length: 1 + random.upTo(2) }, () => random.upTo(500)) : []);
  const outage = (): { fromMs: number; toMs: number } => {
    const fromMs = random.upTo(200_000);
    return { fromMs, toMs: fromMs + random.upTo(random.chance(0.15) ? 1_500_000 : 60_000) };
  };
  const isDiskFull = random.chance(0.1);
  return {
    name,
    fate: {
      powerCutsAt: effects(0.2),
      deathsAt: effects(0.2),
      downMs: 5_000 + random.upTo(random.chance(0.1) ? 600_000 : 60_000),
      unitMsMax: random.oneOf([200, 2_000, 2_000, 8_000, 60_000]),
      disk: {
        writesLeft: isDiskFull ? random.upTo(150) : Infinity,
        ballastWrites: random.oneOf([1000, 1000, 3, 0]),
      },
    },
    link: {
      outages: [
        ...(random.chance(0.1) ? [{ fromMs: 0, toMs: random.upTo(900_000) }] : []),
        ...(random.chance(0.3) ? Array.from({ length: 1 + random.upTo(2) }, outage) : []),
      ],
      latencyMsMax: random.oneOf([20, 200, 2_000]),
      losses: random.oneOf([0, 0, 0.03, 0.1, 0.3]),
      storeFull: random.oneOf([0, 0, 0, 0, 0.05]),
    },
    powerCutsAtMs: random.chance(0.15) ? [random.upTo(400_000)] : [],
    clockJumps: random.chance(0.2) ? [clockJump(random)] : [],
    confirmTimeoutSeconds: random.oneOf([10, 30, 60, 120]),
    wave: random.upTo(3),
    isLookedAt: random.chance(0.3),
  };
}

function clockJump(random: Random): ClockJump {
  return { atMs: random.upTo(300_000), byMs: (random.next() - 0.5) * 2 * 86_400_000 };
}

function actsOf(random: Random, fleet: Fleet, isCalm: boolean): Act[] {
  const first: Act = { kind: "deploy", order: orderOf(random, fleet), ...fateOf(random, isCalm) };
  const more = Array.from({ length: random.upTo(3) }, (): Act => {
    const kind = random.oneOf(["resume", "resume", "converge", "deploy"] as const);
    return { kind, ...(kind === "deploy" ? { order: orderOf(random, fleet) } : {}), ...fateOf(random, isCalm) };
  });
  return [first, ...more];
}

function fateOf(random: Random, isCalm: boolean): Omit<Act, "kind" | "order"> {
  const isKilled = !isCalm && random.chance(0.35);
  const atEvent = random.chance(0.6);
  const isInterrupted = !isCalm && random.chance(0.1);
  const interruptedAfterMs = random.upTo(60_000);
  return {
    pauseMs: random.upTo(random.chance(0.3) ? 400_000 : 30_000),
    byPowerCut: random.chance(0.5),
    ...(isKilled && atEvent
      ? { killedAt: { event: 1 + random.upTo(10), when: random.oneOf(["before", "after"]) } }
      : {}),
    ...(isKilled && !atEvent ? { killedAfterMs: random.upTo(90_000) } : {}),
    ...(isInterrupted ? { interruptedAfterMs } : {}),
    ...(isInterrupted && random.chance(0.4) ? { abandonedAfterMs: interruptedAfterMs + random.upTo(30_000) } : {}),
  };
}

/** Takes a host out before it is touched, and puts it back in whatever became of it. */
export const DRAIN: Hook = {
  name: "drain",
  on: "deployer",
  when: ["preActivation", "finally"],
  command: ["done"],
  timeoutSeconds: 5,
  environment: {},
  onFailure: "abort",
};

const MOMENTS: readonly HookMoment[] = [
  "preCopy",
  "postCopy",
  "preActivation",
  "postActivation",
  "preConfirmation",
  "postConfirmation",
  "preRollback",
  "postRollback",
  "preReboot",
  "postReboot",
  "finally",
];

function hookOf(random: Random, index: number): Hook {
  return {
    name: `hook${index}`,
    on: random.oneOf(["deployer", "host"]),
    when: [random.oneOf(MOMENTS), random.oneOf(MOMENTS)],
    command: [random.oneOf(["done", "done", ...HOOK_PROGRAMS])],
    timeoutSeconds: random.oneOf([1, 5, 20]),
    environment: {},
    onFailure: random.oneOf(["abort", "warn"]),
  };
}

function orderOf(random: Random, { names, drains }: Fleet): Order {
  const traits: readonly Trait[] = [
    "good",
    "good",
    "good",
    "good",
    "broken-unit",
    "sick",
    "no-entry",
    "cut",
    "no-systemctl",
    "unseen",
  ];
  const systemOf = (trait: Trait): CatalogueSystem =>
    random.oneOf(SYSTEMS.filter((system) => system.trait === trait && !system.name.startsWith("v0")));
  const others = names.filter(() => random.chance(0.15)).map((name) => [name, systemOf(random.oneOf(traits))] as const);
  const isSubset = random.chance(0.2);
  const goal = random.oneOf([
    "switch",
    "switch",
    "switch",
    "switch",
    "switch",
    "switch",
    "switch",
    "test",
    "boot",
    "temporary",
    "reboot",
  ] as const);
  return {
    goal,
    ...(goal === "temporary" ? { temporarySeconds: random.oneOf([20, 60, 300, 1200]) } : {}),
    system: systemOf(goal === "boot" || random.chance(0.7) ? "good" : random.oneOf(traits)),
    // What a host is told to boot next is not tried before.
    others: new Map(goal === "boot" ? [] : others),
    hosts: isSubset ? [random.oneOf(names)] : names,
    hooks: drains ? [DRAIN, ...Array.from({ length: random.upTo(3) }, (_, i) => hookOf(random, i))] : [],
    policy: {
      waves: random.chance(0.3) ? [[random.oneOf(names)]] : [],
      canaries: random.upTo(2),
      pauseSeconds: random.oneOf([0, 0, 30]),
      failuresMax: random.oneOf([0, 0, 0, 1]),
      onFailure: random.oneOf(POLICIES),
      concurrencyMax: 1 + random.upTo(3),
      pendingSeconds: random.oneOf([0, 3600, 7 * 86_400, 7 * 86_400]),
    },
  };
}
