/** Runs `pristine` on a fleet as a user would, and looks at the fleet's lab hosts behind its back. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import type { HostStatus } from "../../src/fleet/status.ts";
import type { HostFacts } from "../../src/machine/facts.ts";
import type { JournalRecord, Receipt } from "../../src/machine/transaction.ts";
import { LabHost } from "../../src/lab/lab-host.ts";
import { openLab } from "../../src/lab/lab.ts";
import { PRISTINE } from "./shop.ts";
import { TEST_STORE } from "./test-store.ts";

export interface RunOptions {
  /** The exit codes that are right; 0 when absent. `null` means ended by a signal. */
  readonly exit?: readonly (number | null)[];
  /** Called with each line it writes to standard error. */
  readonly onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void;
  /** What it reads; nothing when absent. */
  readonly stdin?: string;
  /** Called once, with what ends it. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void;
}

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const COMMAND_DEADLINE_MS = 240_000;

/** Commands under way, which do not outlive this process: they would write to what it removes. */
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

export class FleetDriver {
  readonly directory: string;
  /** The lab's name, which is the fleet's. */
  readonly name: string;

  /** What is run: the checkout's program when not given. */
  readonly #program: string;

  constructor(directory: string, name: string, program: string = PRISTINE) {
    this.directory = directory;
    this.name = name;
    this.#program = program;
  }

  /** Replaces a text of one of the fleet's files, which must be there; returns what undoes it. */
  edit(path: string, from: string | RegExp, to: string): () => void {
    const file = join(this.directory, path);
    const before = readFileSync(file, "utf8");
    const after = before.replace(from, () => to);
    assert.notEqual(after, before, `${path} has the text to replace`);
    writeFileSync(file, after);
    return () => {
      writeFileSync(file, before);
    };
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const child = spawn(this.#program, ["--store", TEST_STORE, ...args], {
      cwd: this.directory,
      // What deployments leave to do belongs to this fleet.
      env: { ...process.env, XDG_STATE_HOME: join(this.directory, "state") },
      stdio: "pipe",
      timeout: COMMAND_DEADLINE_MS,
      killSignal: "SIGKILL",
    });
    children.add(child);
    child.once("close", () => children.delete(child));
    const kill = (signal: NodeJS.Signals): void => {
      child.kill(signal);
    };
    options.onStart?.(kill);
    // It may end before it has read everything.
    child.stdin.on("error", () => undefined).end(options.stdin);
    let stdout = "";
    let stderr = "";
    let pending = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      const lines = (pending + text).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) options.onLine?.(line, kill);
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        const expected = options.exit ?? [0];
        if (expected.includes(code)) resolve({ code, stdout, stderr });
        else
          reject(
            new Error(
              `'pristine ${args.join(" ")}' ended with ${code}, not ${expected.join(" or ")}\n${stderr}${stdout}`,
            ),
          );
      });
    });
  }

  /** Runs a command for its JSON answer. */
  async ask<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    const { stdout } = await this.run(["--json", ...args], options);
    return JSON.parse(stdout) as T;
  }

  /** Deploys to the lab; one outcome per host. */
  async deploy(args: readonly string[] = [], options: RunOptions = {}): Promise<Record<string, HostOutcome>> {
    const { outcomes } = await this.ask<{ outcomes: HostOutcome[] }>(["deploy", "--lab", "--yes", ...args], options);
    return Object.fromEntries(outcomes.map((outcome) => [outcome.host, outcome]));
  }

  /** The exit status is 2 when any host is not as declared. */
  async statuses(options: RunOptions = { exit: [0, 2] }): Promise<Record<string, HostStatus>> {
    const { hosts } = await this.ask<{ hosts: HostStatus[] }>(["status", "--lab"], options);
    return Object.fromEntries(hosts.map((status) => [status.host, status]));
  }

  async host(name: string): Promise<RemoteHost> {
    const lab = await openLab(this.name);
    assert.ok(lab !== undefined, `the lab ${this.name} is up`);
    return new RemoteHost(lab.host(name));
  }
}

/** Keeps all that commands say. */
export class LoudDriver extends FleetDriver {
  said = "";

  override async run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const run = await super.run(args, options);
    this.said += run.stdout + run.stderr;
    return run;
  }
}

/** A host of the lab over a connection of its own. */
export class RemoteHost {
  readonly lab: LabHost;

  constructor(lab: LabHost) {
    this.lab = lab;
  }

  /** What a script says; it must succeed. */
  async sh(script: string): Promise<string> {
    const outcome = await this.lab.run(["sh", "-c", script], { deadlineMs: 120_000 });
    const said = outcome.stdout.toString("utf8").trim();
    assert.equal(outcome.code, 0, `${script}: ${said} ${outcome.stderr.toString("utf8")}`);
    return said;
  }

  async kit<T>(command: string): Promise<T> {
    return JSON.parse(await this.sh(`$(readlink /nix/var/nix/gcroots/pristine/kit)/bin/pristine-kit ${command}`)) as T;
  }

  facts(): Promise<HostFacts> {
    return this.kit<HostFacts>("facts");
  }

  /** The newest first. */
  async receipts(): Promise<readonly Receipt[]> {
    return (await this.kit<{ receipts: Receipt[] }>("history")).receipts;
  }

  /** The journal of a transaction as it lies on the host's disk, its numbers checked. */
  async journal(id: string): Promise<readonly JournalRecord[]> {
    const text = await this.sh(`cat /nix/var/pristine/transactions/${id}/journal.jsonl`);
    const records = text.split("\n").map((line) => JSON.parse(line) as JournalRecord);
    assert.deepEqual(
      records.map(({ seq }) => seq),
      records.map((_, index) => index + 1),
    );
    return records;
  }

  /** What its web server says to this machine. */
  async page(): Promise<string> {
    const answer = await fetch(`http://${this.lab.address}/`, { signal: AbortSignal.timeout(10_000) });
    return await answer.text();
  }
}
