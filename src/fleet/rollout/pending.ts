/**
 * Hosts that were not reached, and what they are to get when they are: a file for each,
 * `$XDG_STATE_HOME/pristine/pending/FLEET/HOST.json`. The newest plan takes the place of an older one.
 */

import type { Clock } from "../../base/clock.ts";
import type { TransactionGoal } from "../../machine/transaction.ts";
import { stateDirectory } from "../../system/directories.ts";
import { ensureDirectory, namesIn, readTextIfPresent, removeFile, writeFileAtomic } from "../../system/files.ts";
import type { HostOutcome } from "../outcome.ts";
import type { ApprovedHost, RolloutRecord } from "./rollout-record.ts";

/** Goals that a host can wait for: what lasts. */
export const CAN_WAIT: ReadonlySet<TransactionGoal> = new Set(["switch", "boot", "reboot"]);

/** What a host is to get. */
export interface PendingHost {
  readonly version: 1;
  readonly fleet: string;
  /** The rollout that did not reach it, of which this is the part that is left. */
  readonly rollout: Omit<RolloutRecord, "hosts" | "waves" | "refused">;
  readonly approved: ApprovedHost;
  /** ISO 8601 in UTC. */
  readonly since: string;
  /** Afterwards it is not brought to the host any more. */
  readonly until: string;
  /** It was brought to the host before: something may have happened there. */
  readonly isBegun?: boolean;
}

/** Where the files lie, by name. */
export interface PendingFiles {
  names(): Promise<readonly string[]>;
  read(name: string): Promise<string | undefined>;
  /** Replaces a file as a whole. */
  write(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}

function filesOf(fleet: string): PendingFiles {
  const directory = `${stateDirectory()}/pending/${fleet}`;
  return {
    names: () => namesIn(directory),
    read: (name) => readTextIfPresent(`${directory}/${name}`),
    write: async (name, text) => {
      await ensureDirectory(directory, 0o700);
      await writeFileAtomic(`${directory}/${name}`, text, { mode: 0o600 });
    },
    remove: (name) => removeFile(`${directory}/${name}`),
  };
}

export class PendingHosts {
  readonly #fleet: string;
  readonly #clock: Clock;
  readonly #files: PendingFiles;

  constructor(fleet: string, clock: Clock, files: PendingFiles = filesOf(fleet)) {
    this.#fleet = fleet;
    this.#clock = clock;
    this.#files = files;
  }

  /** A host that was not reached waits for this plan; one that was needs no older plan any more. */
  async note(rollout: RolloutRecord, approved: ApprovedHost, outcome: HostOutcome): Promise<string | undefined> {
    if (!CAN_WAIT.has(rollout.goal) || outcome.status === "skipped") return undefined;
    if (outcome.status === "unreachable" && rollout.policy.pendingSeconds > 0 && approved.system !== undefined) {
      return await this.put(rollout, approved);
    }
    await this.remove(approved.host.name);
    return undefined;
  }

  /** Notes what a host is to get, in place of anything older; answers until when. */
  async put(rollout: RolloutRecord, approved: ApprovedHost): Promise<string> {
    const { hosts: _hosts, waves: _waves, refused: _refused, ...kept } = rollout;
    const now = this.#clock.wallClock();
    const until = new Date(now.getTime() + rollout.policy.pendingSeconds * 1000).toISOString();
    const pending: PendingHost = {
      version: 1,
      fleet: this.#fleet,
      rollout: kept,
      approved,
      since: now.toISOString(),
      until,
    };
    await this.#write(pending);
    return until;
  }

  /** Notes whether something may have happened on the host. */
  async mark(pending: PendingHost, isBegun: boolean): Promise<void> {
    await this.#write({ ...pending, isBegun });
  }

  async #write(pending: PendingHost): Promise<void> {
    await this.#files.write(fileOf(pending.approved.host.name), `${JSON.stringify(pending)}\n`);
  }

  async remove(host: string): Promise<void> {
    await this.#files.remove(fileOf(host));
  }

  /** All that are pending, by name; those whose time is over, too. */
  async list(): Promise<PendingHost[]> {
    const names = (await this.#files.names()).filter((name) => name.endsWith(".json")).sort();
    const read = names.map(async (name) => parsePending(await this.#files.read(name)));
    return (await Promise.all(read)).filter((pending) => pending !== undefined);
  }

  isOver(pending: PendingHost): boolean {
    return Date.parse(pending.until) <= this.#clock.wallClock().getTime();
  }
}

function fileOf(host: string): string {
  return `${host}.json`;
}

function parsePending(text: string | undefined): PendingHost | undefined {
  try {
    const pending = JSON.parse(text ?? "") as PendingHost;
    return pending.version === 1 ? pending : undefined;
  } catch {
    // Removed meanwhile, or not ours: files are written as a whole.
    return undefined;
  }
}
