/** What this machine is: processors and their kind. */

import { availableParallelism } from "node:os";

/** How many things can be computed at the same time. */
export function processorCount(): number {
  return availableParallelism();
}
