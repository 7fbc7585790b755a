/**
 * A host of the lab over one connection for all commands: an emulated processor takes seconds to make one, and a case
 * asks its host a dozen times.
 */

import { rmSync } from "node:fs";
import { quotePosix } from "../../../src/base/shell-words.ts";
import { LabHost } from "../../../src/lab/lab-host.ts";
import { hostPaths } from "../../../src/lab/lab-names.ts";
import { type ProcessOutcome, run } from "../../../src/system/process.ts";

const SSH_FAILED = 255;

export class SharedConnection extends LabHost {
  /** Whatever is run may be run twice: the connection is lost when the host reboots. */
  override async run(command: readonly string[], options: Parameters<LabHost["run"]>[1] = {}): Promise<ProcessOutcome> {
    const { deadlineMs = 60_000, signal, stdin } = options;
    const argv = this.#ssh("--", this.name, ...command.map(quotePosix));
    const outcome = await run(argv, { signal, deadlineMs, stdin });
    if (outcome.code !== SSH_FAILED) return outcome;
    await this.end();
    return await run(argv, { signal, deadlineMs, stdin });
  }

  /** Ends the connection, also when the host does not answer any more. */
  async end(): Promise<void> {
    await run(this.#ssh("-O", "exit", this.name), { deadlineMs: 5_000 }).catch(() => undefined);
    rmSync(this.#socket, { force: true });
  }

  get #socket(): string {
    return `${hostPaths(this.lab, this.name).image}.ssh`;
  }

  #ssh(...args: readonly string[]): [string, ...string[]] {
    const options = ["BatchMode=yes", "ControlMaster=auto", `ControlPath=${this.#socket}`, "ControlPersist=300"];
    const alive = ["ServerAliveInterval=5", "ServerAliveCountMax=4"];
    return ["ssh", "-F", this.sshConfig, ...[...options, ...alive].map((option) => `-o${option}`), ...args];
  }
}
