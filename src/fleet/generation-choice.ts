/** Which generation a rollback means. */

import { OperationError } from "../base/errors.ts";
import type { Generation, HostFacts } from "../machine/facts.ts";
import { areProfiles } from "../machine/profile.ts";

type RunningFacts = Pick<HostFacts, "generations" | "systems">;

/** The generation numbered `to`; without it, the newest one that differs from what runs. */
export function chooseGeneration(host: string, facts: RunningFacts, to: string | undefined): Generation {
  const generations = facts.generations.toSorted((a, b) => a.number - b.number);
  const chosen =
    to === undefined
      ? generations.findLast((generation) => differs(generation, facts))
      : generations.find((generation) => String(generation.number) === to);
  if (chosen !== undefined) return chosen;
  const kept = generations.map((generation) => generation.number).join(", ");
  throw new OperationError(
    "GENERATION_UNKNOWN",
    to === undefined ? `${host} has no other generation to return to` : `${host} has no generation ${to}`,
    { hint: kept === "" ? "it keeps none: it was never deployed to" : `it keeps: ${kept}` },
  );
}

function differs({ path, profiles = [] }: Generation, { generations, systems }: RunningFacts): boolean {
  const isDefault = generations.find((generation) => generation.isDefault);
  const isSame = areProfiles(isDefault?.profiles ?? [], profiles);
  return path !== systems.activated || (isDefault?.path === path && !isSame);
}
