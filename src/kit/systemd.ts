/** The service manager of the host, spoken to by `systemctl` and `systemd-run`. */

import type { UnitState } from "../machine/unit-plan.ts";
import type { CommandResult, Host, Outcome, SupervisedCommand, Units } from "./host.ts";

const QUERY_TIMEOUT_SECONDS = 20;
const MANAGER_TIMEOUT_SECONDS = 90;
const FINE: Outcome = { ok: true, message: "" };

/** What is started early in a boot does not wait for the rest of it, and ends with the host. */
const EARLY = ["DefaultDependencies=no", "Conflicts=shutdown.target", "Before=shutdown.target"];

type Tools = Pick<Host, "run" | "files" | "sleepMs">;

export class SystemdUnits implements Units {
  readonly #tools: Tools;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  list(): UnitState[] {
    const command = ["systemctl", "list-units", "--all", "--full", "--no-pager", "--output=json"];
    const { code, stdout, stderr } = this.#tools.run(command, { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
    if (code !== 0) throw new Error(`systemctl list-units: ${lastLineOf(stderr)}`);
    const rows = JSON.parse(stdout) as { unit: string; load: string; active: string; sub: string }[];
    return rows
      .filter((row) => row.load === "loaded" || row.active !== "inactive")
      .map((row) => ({ name: row.unit, activeState: row.active, subState: row.sub }));
  }

  stop(units: readonly string[], timeoutSeconds: number): Outcome {
    return this.#systemctl("stop", units, timeoutSeconds);
  }

  reload(units: readonly string[], timeoutSeconds: number): Outcome {
    return this.#systemctl("reload", units, timeoutSeconds);
  }

  restart(units: readonly string[], timeoutSeconds: number): Outcome {
    return this.#systemctl("restart", units, timeoutSeconds);
  }

  start(units: readonly string[], timeoutSeconds: number): Outcome {
    return this.#systemctl("start", units, timeoutSeconds);
  }

  #systemctl(verb: string, units: readonly string[], timeoutSeconds: number): Outcome {
    if (units.length === 0) return FINE;
    return outcomeOf(this.#tools.run(["systemctl", "--no-ask-password", verb, "--", ...units], { timeoutSeconds }));
  }

  reloadManager(): Outcome {
    return outcomeOf(this.#tools.run(["systemctl", "daemon-reload"], { timeoutSeconds: MANAGER_TIMEOUT_SECONDS }));
  }

  reexecuteManager(): Outcome {
    return outcomeOf(this.#tools.run(["systemctl", "daemon-reexec"], { timeoutSeconds: MANAGER_TIMEOUT_SECONDS }));
  }

  isManagerStale(isGone: (storePath: string) => boolean): boolean {
    return this.#storePathsOf("1").some(isGone);
  }

  resetFailed(): Outcome {
    return outcomeOf(this.#tools.run(["systemctl", "reset-failed"], { timeoutSeconds: QUERY_TIMEOUT_SECONDS }));
  }

  isActive(unit: string): boolean {
    const command = ["systemctl", "show", "--property=ActiveState", "--value", "--", unit];
    const { code, stdout, stderr } = this.#tools.run(command, { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
    // No answer is not "no": somebody may be at work.
    if (code !== 0)
      throw new Error(`systemctl show ${unit}: ${code === 124 ? "no answer in time" : lastLineOf(stderr)}`);
    return ["active", "activating", "deactivating", "reloading"].includes(stdout.trim());
  }

  halt(unit: string): void {
    // Both fail for a unit that is not loaded, and are meant to.
    this.#tools.run(["systemctl", "kill", "--kill-whom=all", "--signal=SIGKILL", "--", unit], {
      timeoutSeconds: QUERY_TIMEOUT_SECONDS,
    });
    // Stopping it as well keeps systemd from starting it again.
    this.#tools.run(["systemctl", "stop", "--", unit], { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
  }

  supervise({ unit, description, command, afterSeconds, isLastResort = false }: SupervisedCommand): Outcome {
    const names = [`${unit}.service`, ...(afterSeconds === undefined ? [] : [`${unit}.timer`])];
    const query = { timeoutSeconds: QUERY_TIMEOUT_SECONDS };
    this.#tools.run(["systemctl", "stop", "--", ...names], query);
    this.#tools.run(["systemctl", "reset-failed", "--", ...names], query);
    const run = [
      "systemd-run",
      "--quiet",
      "--no-ask-password",
      "--collect",
      `--unit=${unit}`,
      `--description=${description}`,
      // Killed, it goes on from the journal; it gives up only when it keeps dying and something else would go on.
      "--property=Restart=on-failure",
      // What never gives up, as on a full disk, must leave a small host to its work meanwhile.
      ...(isLastResort
        ? ["--property=RestartSec=5s", "--property=StartLimitIntervalSec=0"]
        : ["--property=RestartSec=200ms", "--property=StartLimitIntervalSec=60", "--property=StartLimitBurst=8"]),
      "--property=OOMScoreAdjust=-900",
      // What it does with secrets must not outlive it.
      "--property=LimitCORE=0",
      // The transaction is not a part of what it switches.
      "--property=IgnoreOnIsolate=yes",
      ...EARLY.map((property) => `--property=${property}`),
    ];
    const timer = [
      `--on-active=${afterSeconds ?? 0}s`,
      "--timer-property=AccuracySec=100ms",
      "--timer-property=RemainAfterElapse=no",
      "--timer-property=IgnoreOnIsolate=yes",
      ...EARLY.map((property) => `--timer-property=${property}`),
    ];
    return outcomeOf(
      this.#tools.run([...run, ...(afterSeconds === undefined ? [] : timer), "--", ...command], {
        timeoutSeconds: QUERY_TIMEOUT_SECONDS,
      }),
    );
  }

  stale(isGone: (storePath: string) => boolean): string[] {
    const units = new Set<string>();
    for (const pid of this.#tools.files.list("/proc") ?? []) {
      if (!/^[0-9]+$/.test(pid)) continue;
      const unit = unitOfCgroup(this.#tools.files.readFile(`/proc/${pid}/cgroup`) ?? "");
      if (unit === undefined || units.has(unit)) continue;
      if (this.#storePathsOf(pid).some(isGone)) units.add(unit);
    }
    return [...units].sort();
  }

  /** Store objects that a process runs or has mapped. */
  #storePathsOf(pid: string): string[] {
    const found = new Set<string>();
    const maps = this.#tools.files.readFile(`/proc/${pid}/maps`) ?? "";
    for (const match of maps.matchAll(/ (\/nix\/store\/[^/\n]+)\//g)) found.add(match[1] as string);
    return [...found];
  }

  log(unit: string, linesMax: number): string[] {
    const command = [
      "journalctl",
      "--no-pager",
      "--quiet",
      "--output=cat",
      "--boot",
      `--lines=${linesMax}`,
      `--unit=${unit}`,
    ];
    const { code, stdout } = this.#tools.run(command, { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
    if (code !== 0) return [];
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => `${unit}: ${line}`);
  }
}

/** The system service in a process's control group; undefined for sessions and for the manager itself. */
function unitOfCgroup(text: string): string | undefined {
  for (const line of text.split("\n")) {
    const match = /^(?:0:|\d+:name=systemd):(.*)$/.exec(line);
    const parts = (match?.[1] ?? "").split("/");
    if (parts.some((part) => part === "user.slice")) return undefined;
    const unit = parts.find((part) => part.endsWith(".service"));
    if (unit !== undefined) return unit;
  }
  return undefined;
}

function outcomeOf({ code, stderr }: CommandResult): Outcome {
  if (code === 0) return FINE;
  return { ok: false, message: code === 124 ? "it did not end in time" : lastLineOf(stderr) || `exit ${code}` };
}

function lastLineOf(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
