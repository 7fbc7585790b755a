/** What a deployment did on a host, as the host itself wrote it down: the transaction's journal and its receipt. */

import { OperationError } from "../base/errors.ts";
import type { JournalAnswer, Receipt } from "../machine/transaction.ts";
import type { HostSession } from "./host-session.ts";

export interface DeploymentLog {
  readonly id: string;
  /** Absent when the host keeps no journal of it any more. */
  readonly journal?: JournalAnswer;
  /** Absent while it is under way. */
  readonly receipt?: Receipt;
}

/** The deployment whose id is or begins with `id`; without it, the one under way or else the last one. */
export async function deploymentLogOf(
  session: HostSession,
  id: string | undefined,
  signal: AbortSignal,
): Promise<DeploymentLog> {
  const kit = await session.kit(signal);
  const { transaction } = await kit.facts({ signal });
  const { receipts } = await kit.history({ signal });
  const known = [...(transaction === null ? [] : [transaction.id]), ...receipts.map((receipt) => receipt.id)];
  const wanted = chooseDeployment(session.host.name, known, id);
  const receipt = receipts.find((candidate) => candidate.id === wanted);
  try {
    const journal = await kit.journal(wanted, 0, { signal });
    return { id: wanted, journal, ...(receipt && { receipt }) };
  } catch (error) {
    if (receipt === undefined || !(error instanceof OperationError) || error.code !== "KIT_UNKNOWN") throw error;
    return { id: wanted, receipt };
  }
}

/** Which of the deployments that a host knows of is meant; the newest comes first. */
export function chooseDeployment(host: string, known: readonly string[], id: string | undefined): string {
  const chosen =
    id === undefined ? known[0] : (known.find((one) => one === id) ?? known.find((one) => one.startsWith(id)));
  if (chosen !== undefined) return chosen;
  throw new OperationError(
    "DEPLOYMENT_UNKNOWN",
    id === undefined ? `${host} was never deployed to` : `${host} knows of no deployment '${id}'`,
    known.length === 0 ? {} : { hint: `it knows of: ${known.slice(0, 10).join(", ")}` },
  );
}
