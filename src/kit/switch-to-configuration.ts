/**
 * Systems that switch to themselves, as NixOS's do: running their `bin/switch-to-configuration`, and what its exit codes
 * mean. It decides about units; the transaction around it is ours.
 */

import { bootDefaults } from "../machine/boot-default.ts";
import { activationTimeoutSeconds, failedUnits, logsOf, type Activation } from "./activation.ts";
import type { Host } from "./host.ts";
import { KitError, StepFailure } from "./kit-error.ts";
import { activatedSystem, pointProfile, profileSystem, readGenerations, removeGeneration } from "./systems.ts";
import type { TransactionRecord } from "./transaction-record.ts";

/** Held by the script, whoever runs it. */
const SCRIPT_LOCK = "/run/nixos/switch-to-configuration.lock";
const LOCK_BUSY = 75;
const LOCALES = "/run/current-system/sw/lib/locale/locale-archive";
const BOOT_TIMEOUT_SECONDS = 300;
const LINES_MAX = 60;

const UNITS_FAILED = 4;
/** A script that dies ends with the number of whatever error came last, which may be any of these too. */
const DIED =
  /^(?:This is not a NixOS installation|Could not (?:open|acquire) lock|Pre-switch checks failed|Failed to install bootloader|Unable to |Error: )/;
/** Said by the activation script, or of it: units that failed after it have the last word in the exit code. */
const ACTIVATION_FAILED = /^(?:Activation script snippet '.*' failed|Failed to run activate script)/;
const MEANINGS: ReadonlyMap<number, string> = new Map([
  [2, "its activation script failed"],
  [3, "systemd could not read its units"],
  [100, "the running system's init cannot take it: deploy it with --goal boot, and reboot"],
  [124, "it did not end in time"],
]);

/** Whether somebody runs such a script, also after waiting for its end. */
export function isScriptLocked(host: Host, { waitSeconds }: { readonly waitSeconds: number }): boolean {
  if (!host.files.exists(SCRIPT_LOCK)) return false;
  const flock = ["flock", `--timeout=${waitSeconds}`, `--conflict-exit-code=${LOCK_BUSY}`, SCRIPT_LOCK, "true"];
  return host.run(flock, { timeoutSeconds: waitSeconds + 10 }).code === LOCK_BUSY;
}

interface ScriptOptions {
  readonly timeoutSeconds: number;
  /** Go on although its checks say no, which compare switch inhibitors. */
  readonly isForced: boolean;
}

/** Runs a system's script; its exit code, and what it said. */
export function runScript(
  host: Host,
  system: string,
  action: "test" | "boot" | "dry-activate",
  { timeoutSeconds, isForced }: ScriptOptions,
): { readonly code: number; readonly lines: readonly string[] } {
  const environment = [`LOCALE_ARCHIVE=${LOCALES}`, ...(isForced ? ["NIXOS_NO_CHECK=1"] : [])];
  const command = ["env", ...environment, `${system}/bin/switch-to-configuration`, action];
  const { code, stdout, stderr } = host.run(command, { timeoutSeconds });
  const lines = `${stdout}\n${stderr}`.split("\n").filter((line) => line.trim() !== "");
  return { code, lines: lines.slice(-LINES_MAX) };
}

/** Switches, in either direction; what the script says is noted. A unit that had failed before fails nothing. */
export function switchTo({ host, record, direction, to }: Activation): void {
  const step = direction === "back" ? "revert-switch-to-configuration" : "switch-to-configuration";
  if (record.activeUnits() === undefined) {
    record.append({ kind: "active-units", units: [], failed: failedUnits(host.units.list()) });
  }
  const timeoutSeconds = activationTimeoutSeconds(record);
  if (isScriptLocked(host, { waitSeconds: Math.min(60, timeoutSeconds) })) {
    throw new StepFailure(step, "step-failed", "somebody else's switch-to-configuration does not end", []);
  }
  // What kept a system from being switched to does not keep the host from returning.
  const isForced = direction === "back" || record.plan.ignoreInhibitors === true;
  const { code, lines } = runScript(host, to.path, "test", { timeoutSeconds, isForced });
  for (const line of lines) record.append({ kind: "note", message: line });
  const running = activatedSystem(host);
  if (code === 0 && running === to.path) return;
  if (code === 0) {
    const message = `switch-to-configuration test ended well, but /run/current-system is ${running ?? "absent"}`;
    throw new StepFailure(step, "step-failed", message, lines.slice(-15));
  }
  const isActivated = running === to.path && !lines.some((line) => ACTIVATION_FAILED.test(line));
  if (code === UNITS_FAILED && isActivated) {
    const before = new Set(record.failedBefore());
    const failed = failedUnits(host.units.list()).filter((unit) => !before.has(unit));
    if (failed.length === 0) return;
    throw new StepFailure(step, "units-failed", `${failed.join(", ")} failed`, logsOf(host, failed));
  }
  throw new StepFailure(step, "step-failed", messageOf("test", code, lines), lines.slice(-15));
}

/** Lets the boot loader boot a system, which the profile names already; what its configuration says then counts. */
export function installBootLoader(host: Host, system: string, { isForced }: Pick<ScriptOptions, "isForced">): void {
  const wasReadable = bootDefaults(host.files).length > 0;
  const { code, lines } = runScript(host, system, "boot", { timeoutSeconds: BOOT_TIMEOUT_SECONDS, isForced });
  if (code !== 0) throw new Error(messageOf("boot", code, lines));
  // Some scripts do nothing for the system that runs already, and end well.
  const booted = bootDefaults(host.files);
  if (booted.includes(system) || (booted.length === 0 && !wasReadable)) return;
  const found = booted.join(" or ") || "nothing that can be read any more";
  const message = `switch-to-configuration boot ended well, but the boot loader boots ${found}, not ${system}`;
  throw new KitError("KIT_FAILED", message, { hint: "deploy with --goal boot, and run 'pristine reboot'" });
}

/** The boot default that a confirmation may have moved is what it was, and the menu has no entry of the new system. */
export function restoreBootDefault(host: Host, record: TransactionRecord): void {
  const { profile, generation, newestGeneration } = record.facts;
  const mayDiffer = record.hasBegun("confirm-profile") || record.hasBegun("boot-once");
  if (!mayDiffer || profile === null || record.hasEnded("revert-boot-loader")) return;
  if (profileSystem(host) !== profile || generation !== undefined) pointProfile(host, profile, generation);
  for (const { number, path, isDefault } of readGenerations(host)) {
    if (path === record.plan.system && !isDefault && number > (newestGeneration ?? number))
      removeGeneration(host, number);
  }
  installBootLoader(host, profile, { isForced: true });
}

function messageOf(action: string, code: number, lines: readonly string[]): string {
  const said = lines.findLast((line) => DIED.test(line) || ACTIVATION_FAILED.test(line));
  const meaning = said ?? MEANINGS.get(code) ?? lines.at(-1) ?? "it says nothing";
  return `switch-to-configuration ${action} ended with ${code}: ${meaning}`;
}
