/** Looks at many machines at a time; what goes wrong with one is its answer. */

import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import type { SshTarget } from "./inventory.ts";
import { type PossibleBase, possibleBases } from "./possible-bases.ts";
import { type MachineFindings, probeMachine } from "./probe.ts";
import { SshConnection, type SshOptions } from "./ssh.ts";

/** Of one machine: what was found, or why nothing was. */
export interface ProbeAnswer {
  readonly address: string;
  readonly found?: MachineFindings;
  readonly bases?: readonly PossibleBase[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}

export interface ProbeOptions {
  readonly configFile?: string | undefined;
  /** Called with each command before it runs on a machine, and with the local one that takes it there. */
  readonly onCommand?:
    ((address: string, ...commands: Parameters<NonNullable<SshOptions["onCommand"]>>) => void) | undefined;
  /** Called when they are asked, and with each answer. */
  readonly onProgress?: (progress: ProbeProgress) => void;
  readonly signal: AbortSignal;
}

export interface ProbeProgress {
  /** Whose answers are waited for. */
  readonly pending: readonly string[];
  /** Of how many something was found. */
  readonly found: number;
  readonly total: number;
}

const CONCURRENCY_MAX = 16;

/** Asks each of them, and nothing of them is changed; the answers in their order. */
export async function probeMachines(targets: readonly SshTarget[], options: ProbeOptions): Promise<ProbeAnswer[]> {
  const pending = targets.map(({ host }) => host);
  let found = 0;
  const tell = (): void => options.onProgress?.({ pending, found, total: targets.length });
  if (targets.length > 0) tell();
  return await mapConcurrently(targets, CONCURRENCY_MAX, async (target): Promise<ProbeAnswer> => {
    const answer = await answerOf(target, options);
    pending.splice(pending.indexOf(target.host), 1);
    if (answer.found !== undefined) found++;
    tell();
    return answer;
  });
}

async function answerOf(target: SshTarget, { configFile, onCommand, signal }: ProbeOptions): Promise<ProbeAnswer> {
  const address = target.host;
  try {
    const connection = new SshConnection(target, {
      configFile,
      onCommand: (remote, local) => onCommand?.(address, remote, local),
    });
    const found = await probeMachine(connection, signal);
    return { address, found, bases: possibleBases(found) };
  } catch (error) {
    if (signal.aborted || !(error instanceof OperationError)) throw error;
    const { code, message, hint } = error;
    return { address, error: { code, message, ...(hint === undefined ? {} : { hint }) } };
  }
}
