/** Comparing two systems that hosts keep: of one host at two times, or of two hosts. */

import { OperationError } from "../base/errors.ts";
import type { HostFacts } from "../machine/facts.ts";
import { diffSystems, type SystemDiff } from "../machine/system-diff.ts";
import type { SystemObject } from "../machine/system-object.ts";
import type { LocalStore } from "../store/local-store.ts";
import { chooseGeneration } from "./generation-choice.ts";
import type { HostSession } from "./host-session.ts";
import { systemObject } from "./plan.ts";

/** One of the systems to compare, as asked for: `other` is the newest generation that does not run. */
export interface SideWanted {
  readonly host: string;
  readonly generation: "running" | "other" | number;
}

/** One of the systems to compare. */
export interface Side {
  readonly host: string;
  /** `null` for a system that no generation names. */
  readonly generation: number | null;
  readonly isRunning: boolean;
  readonly system: string;
}

export interface Comparison {
  readonly from: Side;
  readonly to: Side;
  readonly diff: SystemDiff;
  /** The compared systems, for text differences on demand. */
  readonly systems: { readonly old: SystemObject; readonly next: SystemObject };
}

/** What `HOST[:GEN]`, a second one, `--from` and `--to` mean together. */
export function sidesOf(
  words: readonly string[],
  options: { readonly from?: number | undefined; readonly to?: number | undefined },
): readonly [SideWanted, SideWanted] {
  const [first, second] = words.map(parseWord);
  if (first === undefined) throw new OperationError("USAGE", "a host is missing");
  if (second !== undefined || first.generation !== undefined) {
    if (options.from !== undefined || options.to !== undefined) {
      throw new OperationError("USAGE", "--from and --to are generations of one host that is named without any", {
        hint: `say ${first.host} with --from and --to, or HOST:GENERATION for each`,
      });
    }
    const { host, generation = "running" } = second ?? { host: first.host };
    return [
      { host: first.host, generation: first.generation ?? "running" },
      { host, generation },
    ];
  }
  return [
    { host: first.host, generation: options.from ?? "other" },
    { host: first.host, generation: options.to ?? "running" },
  ];
}

function parseWord(word: string): { host: string; generation?: number } {
  const [, host = "", generation] = /^([^:]+)(?::(.*))?$/.exec(word) ?? [];
  if (host === "") throw new OperationError("USAGE", `'${word}' is no HOST or HOST:GENERATION`);
  if (generation === undefined) return { host };
  if (!/^[1-9]\d{0,8}$/.test(generation))
    throw new OperationError("USAGE", `the generation in '${word}' is not a number from 1`);
  return { host, generation: Number(generation) };
}

/** Finds a system among those that a host keeps. */
export function resolveSide(wanted: SideWanted, facts: Pick<HostFacts, "generations" | "systems">): Side {
  const running = facts.systems.activated;
  const { host, generation } = wanted;
  if (generation !== "running") {
    const chosen = chooseGeneration(host, facts, generation === "other" ? undefined : String(generation));
    return { host, generation: chosen.number, isRunning: chosen.path === running, system: chosen.path };
  }
  if (running === null)
    throw new OperationError("GENERATION_UNKNOWN", `${host} runs no system that was deployed to it`);
  const number = facts.generations.findLast(({ path }) => path === running)?.number;
  return { host, generation: number ?? null, isRunning: true, system: running };
}

/** Looks up both systems on their hosts, and compares them. */
export async function compareSystems(
  wanted: readonly [SideWanted, SideWanted],
  sessions: ReadonlyMap<string, HostSession>,
  options: { readonly localStore: LocalStore; readonly signal: AbortSignal },
): Promise<Comparison> {
  const { signal } = options;
  const [old, next] = await Promise.all(
    wanted.map(async (asked) => {
      const session = sessions.get(asked.host)!;
      const side = resolveSide(asked, await (await session.kit(signal)).facts({ signal }));
      const object = await systemObject(side.system, await session.store(signal), options);
      return { side, object, target: session.host.target };
    }),
  );
  const { user = "root", port = 22, host: address } = next!.target;
  return {
    from: old!.side,
    to: next!.side,
    diff: diffSystems({ old: old!.object, next: next!.object, access: { user, port, address } }),
    systems: { old: old!.object, next: next!.object },
  };
}
