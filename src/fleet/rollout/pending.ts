/**
 * Hosts that were not reached, and what they are to get when they are: a file for each,
 * `$XDG_STATE_HOME/pristine/pending/FLEET/HOST.json`. The newest plan takes the place of an older one.
 */

import type { Clock } from "../../base/clock.ts";
import { stateDirectory } from "../../system/directories.ts";
import { ensureDirectory, namesIn, readTextIfPresent, removeFile, writeFileAtomic } from "../../system/files.ts";
import type { ApprovedHost, RolloutRecord } from "./rollout-record.ts";

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
}

export class PendingHosts {
  readonly #fleet: string;
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(fleet: string, clock: Clock) {
    this.#fleet = fleet;
    this.#directory = `${stateDirectory()}/pending/${fleet}`;
    this.#clock = clock;
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
    await ensureDirectory(this.#directory, 0o700);
    await writeFileAtomic(this.#fileOf(approved.host.name), `${JSON.stringify(pending)}\n`, { mode: 0o600 });
    return until;
  }

  async remove(host: string): Promise<void> {
    await removeFile(this.#fileOf(host));
  }

  /** All that are pending, by name; those whose time is over, too. */
  async list(): Promise<PendingHost[]> {
    const names = await namesIn(this.#directory);
    const files = names.filter((name) => name.endsWith(".json")).sort();
    const read = files.map(async (name) => parsePending(await readTextIfPresent(`${this.#directory}/${name}`)));
    return (await Promise.all(read)).filter((pending) => pending !== undefined);
  }

  isOver(pending: PendingHost): boolean {
    return Date.parse(pending.until) <= this.#clock.wallClock().getTime();
  }

  #fileOf(host: string): string {
    return `${this.#directory}/${host}.json`;
  }
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
