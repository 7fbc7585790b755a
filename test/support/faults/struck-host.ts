/** What a case does to a host, whatever kind of host it is; and hosts of the lab. */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { OperationError } from "../../../src/base/errors.ts";
import type { RemoteHost } from "../fleet-driver.ts";
import type { Fault } from "./cases.ts";
import type { FaultFleet } from "./fleet.ts";

export interface StruckHost {
  readonly name: string;
  readonly remote: RemoteHost;
  /** Tells its fault points what to do, as `src/kit/fault-points.ts` has it. */
  arm(point: string): Promise<void>;
  /** Takes that back; says whether it still waited. */
  disarm(): Promise<boolean>;
  /** Waits until the host stands still at its fault point; throws when the deployment ends before. */
  frozen(ended: Promise<boolean>): Promise<void>;
  /** Lets it go on. */
  release(): Promise<void>;
  /** Strikes the host, which stands still. Unless the deployer is to be lost, it goes on, or boots, before this returns. */
  strike(fault: Fault): Promise<void>;
  /** Takes back what the fault has changed outside of the host. */
  mend(fault: Fault): Promise<void>;
  /** Waits until no transaction holds the host. One that was ended by a reboot is told to be over by what asks next. */
  atRest(): Promise<void>;
  /** Makes it anew, with the disk it had first. */
  reset(): Promise<void>;
  /** Ends what would outlive the lab. */
  stop(): Promise<void>;
}

export const NOT_REACHED = "the place of the fault was not reached";

const REACH_DEADLINE_MS = 180_000;
const REST_DEADLINE_MS = 60_000;
const BOOT_DEADLINE_MS = 60_000;
/** Where fault points are told what to do, and the host's lock. */
export const FAULTS_DIRECTORY = "/nix/var/pristine/faults";
export const LOCK = "/nix/var/pristine/lock";

/** A container: its disk is at hand also while nobody can log in. */
export class LabStruckHost implements StruckHost {
  readonly remote: RemoteHost;
  readonly #fleet: FaultFleet;

  constructor(remote: RemoteHost, fleet: FaultFleet) {
    this.remote = remote;
    this.#fleet = fleet;
  }

  get name(): string {
    return this.remote.lab.name;
  }

  get #point(): string {
    return `${this.remote.lab.diskRoot}${FAULTS_DIRECTORY}/point`;
  }

  get #frozen(): string {
    return `${this.remote.lab.diskRoot}${FAULTS_DIRECTORY}/frozen`;
  }

  async arm(point: string): Promise<void> {
    mkdirSync(`${this.remote.lab.diskRoot}${FAULTS_DIRECTORY}`, { recursive: true });
    writeFileSync(this.#point, point);
  }

  async disarm(): Promise<boolean> {
    const waited = existsSync(this.#point);
    rmSync(this.#point, { force: true });
    return waited;
  }

  async frozen(ended: Promise<boolean>): Promise<void> {
    let over = false;
    void ended.then(() => (over = true));
    if (await comes(REACH_DEADLINE_MS, () => over || existsSync(this.#frozen))) {
      if (existsSync(this.#frozen)) return;
    }
    // Too late it would stand still for ever.
    await this.disarm();
    await this.release();
    throw new OperationError("FAULT_NOT_REACHED", NOT_REACHED);
  }

  async release(): Promise<void> {
    rmSync(this.#frozen, { force: true });
  }

  async strike(fault: Fault): Promise<void> {
    const { lab } = this.remote;
    if (fault === "ssh-cut") {
      await lab.link("down");
      await this.release();
      try {
        await this.atRest();
      } finally {
        await lab.link("up");
      }
    } else if (fault === "power-cut") {
      await lab.powerCut();
      await this.release();
      const limit = AbortSignal.timeout(BOOT_DEADLINE_MS);
      await lab.powerOn(limit);
      await lab.waitForSsh(limit, BOOT_DEADLINE_MS);
    } else if (fault === "disk-full") {
      await lab.fillDisk();
      await this.release();
    } else if (fault === "sshd-broken") await this.release();
  }

  async mend(fault: Fault): Promise<void> {
    if (fault === "disk-full") await this.remote.lab.releaseDisk();
  }

  async atRest(): Promise<void> {
    await comes(REST_DEADLINE_MS, () => !existsSync(`${this.remote.lab.diskRoot}${LOCK}`));
  }

  async reset(): Promise<void> {
    await this.#fleet.up(this.name);
  }

  async stop(): Promise<void> {
    // The lab ends it.
  }
}

async function comes(deadlineMs: number, condition: () => boolean): Promise<boolean> {
  const deadline = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
