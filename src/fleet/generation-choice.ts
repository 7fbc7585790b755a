/** Which generation a rollback means. */

import { OperationError } from "../base/errors.ts";
import type { Generation, HostFacts } from "../machine/facts.ts";

/** The generation numbered `to`; without it, the newest one that differs from what runs. */
export function chooseGeneration(
  host: string,
  facts: Pick<HostFacts, "generations" | "systems">,
  to: string | undefined,
): Generation {
  const generations = facts.generations.toSorted((a, b) => a.number - b.number);
  const chosen =
    to === undefined
      ? generations.findLast((generation) => generation.path !== facts.systems.activated)
      : generations.find((generation) => String(generation.number) === to);
  if (chosen !== undefined) return chosen;
  const kept = generations.map((generation) => generation.number).join(", ");
  throw new OperationError(
    "GENERATION_UNKNOWN",
    to === undefined ? `${host} has no other generation to return to` : `${host} has no generation ${to}`,
    { hint: kept === "" ? "it keeps none: it was never deployed to" : `it keeps: ${kept}` },
  );
}
