/** A plan for people, folded to what changes, and for programs. */

import { basename } from "node:path";
import type { OperationError } from "../../base/errors.ts";
import { renderArgv } from "../../base/shell-words.ts";
import type { CheckBefore } from "../../fleet/checks-before.ts";
import type { FleetPlan, HostPlan } from "../../fleet/plan.ts";
import type { Upload } from "../../fleet/uploads.ts";
import type { HealthCheck } from "../../machine/health-check.ts";
import type { Hook } from "../../machine/hook.ts";
import type { ProfileChange } from "../../machine/profile.ts";
import { diffEtcFile, type SystemDiff } from "../../machine/system-diff.ts";
import type { SystemObject } from "../../machine/system-object.ts";
import { describeInhibitor } from "../../machine/switch-inhibitors.ts";
import { stepsOf, type TransactionGoal } from "../../machine/transaction.ts";
import { unitActions } from "../../machine/unit-plan.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderBytes, renderCount } from "../../base/quantities.ts";
import type { Terminal } from "./terminal.ts";

export interface PlanOptions {
  /** The changed lines of files in `/etc`. */
  readonly fileDiffs: boolean;
  /** Everything: long lists to their end, reasons, and the paths to copy. */
  readonly full?: boolean;
  /** The order of the hosts, shown when there is more than one wave. */
  readonly waves?: readonly (readonly string[])[];
  /** Why a deployment would refuse the plan. */
  readonly refusal?: OperationError;
}

const LIST_MAX = 12;

export function renderPlan(plan: FleetPlan, terminal: Terminal, options: PlanOptions): string[] {
  const { bold, dim, red } = terminal.colors;
  const lines: string[] = [];
  const unchanged = plan.hosts.filter((host) => host.state === "unchanged");
  const untouched = unchanged.filter((host) => uploadsOf(host, plan.goal).length === 0);
  for (const host of plan.hosts) {
    if (host.state !== "unchanged") lines.push(...renderHost(host, plan.goal, terminal, options), "");
  }
  for (const host of unchanged)
    if (!untouched.includes(host))
      lines.push(`${bold(host.host.name)}: unchanged, but for`, ...renderUploads(uploadsOf(host, plan.goal)), "");
  if (untouched.length > 0) lines.push(`${bold(untouched.map(({ host }) => host.name).join(", "))}: unchanged`);
  const { waves = [] } = options;
  if (waves.length > 1) lines.push(...waves.map((wave, index) => `${dim(`wave ${index + 1}:`)} ${wave.join(", ")}`));
  lines.push(...renderHooks(plan.hooks));
  const changing = plan.hosts.filter((host) => host.state === "change");
  if (changing.length > 0) {
    const bytes = changing.reduce((sum, host) => sum + (host.copy?.bytes ?? 0), 0);
    lines.push(
      `${renderCount(changing.length, "host")} to ${plan.goal === "temporary" ? "change temporarily" : plan.goal}, ${renderBytes(bytes)} to copy, plan ${dim(plan.hash.slice(0, 12))}`,
    );
  }
  const { refusal } = options;
  if (refusal !== undefined) {
    lines.push(`${red("'deploy' refuses this plan:")} ${refusal.message}`, dim(`  ${refusal.hint ?? ""}`));
  }
  return lines;
}

/** Goals that switch nothing that runs say when the system is in force. */
const WHEN: Partial<Record<TransactionGoal, string>> = {
  boot: "the next one brings the system",
  reboot: "the host is rebooted into the system",
};

function renderHost(plan: HostPlan, goal: TransactionGoal, terminal: Terminal, options: PlanOptions): string[] {
  const { bold, dim, red, yellow } = terminal.colors;
  const name = bold(plan.host.name);
  const { diff, copy, error, reboot = [] } = plan;
  const lines: string[] = [];
  if (error !== undefined) {
    lines.push(`${name}: ${red(safeText(error.message))}`);
    if (error.hint !== undefined) lines.push(dim(`  ${safeText(error.hint)}`));
    if (diff === undefined) return lines;
  }
  lines.push(`${name}: ${dim(basename(plan.previous ?? "nothing"))} → ${basename(plan.system ?? "nothing")}`);
  const full = options.full ?? false;
  if (diff !== undefined) lines.push(...renderDiff(diff, terminal, { units: "actions", full }));
  lines.push(...renderProfiles(plan.profileChanges ?? []));
  if (diff !== undefined && options.fileDiffs && plan.wanted !== undefined)
    lines.push(...renderFileDiffs(diff, { old: plan.old, next: plan.wanted }, terminal));
  if (copy !== undefined) {
    const amount = `${renderCount(copy.paths.length, "path")}, ${renderBytes(copy.bytes)}`;
    const how = plan.host.substituteOnDestination === true ? "; the host asks its substituters first" : "";
    lines.push(`  copy      ${copy.paths.length === 0 ? "nothing" : amount + how}`);
  }
  if (full)
    lines.push(...(copy?.paths ?? []).map(({ path, bytes }) => dim(`    ${basename(path)} ${renderBytes(bytes)}`)));
  const reasons = [...(WHEN[goal] === undefined ? [] : [WHEN[goal]]), ...reboot.map(({ message }) => message)];
  for (const message of reasons) lines.push(`  ${yellow("reboot")}    ${safeText(message)}`);
  for (const inhibitor of diff?.inhibitors ?? []) {
    lines.push(`  ${red("INHIBITED")} ${safeText(describeInhibitor(inhibitor))}: only a reboot gets there`);
  }
  const before = checksBeforeOf(plan, goal).map(({ kind, name: check }) => `${check} (${kind})`);
  lines.push(...renderList("before", before.map(safeText), terminal, full));
  const checks = checksOf(plan, goal).map(({ name: check, kind, runFrom }) => `${check} (${kind} from the ${runFrom})`);
  lines.push(...renderList("checks", checks.map(safeText), terminal, full));
  lines.push(...renderHooks(hooksOf(plan)), ...renderUploads(uploadsOf(plan, goal)));
  for (const { hint, message } of plan.data ?? []) {
    const text = safeText(hint === undefined ? message : `${message}; ${hint}`);
    lines.push(hint === undefined ? `  ${yellow("data")}      ${text}` : `  ${red("DATA")}      ${text}`);
  }
  for (const warning of diff?.lockout ?? []) {
    const text = safeText(warning.message);
    lines.push(warning.severity === "danger" ? `  ${red("LOCKOUT")}   ${text}` : `  ${yellow("note")}      ${text}`);
  }
  return lines;
}

function renderProfiles(changes: readonly ProfileChange[]): string[] {
  const shown = (path: string | null): string => (path === null ? "nothing" : basename(path));
  return changes.map(({ after, before, name, user }) =>
    safeText(`  profile   ${name} of ${user}: ${before === null ? "" : `${shown(before)} → `}${shown(after)}`),
  );
}

/** All that would run for a host that changes. */
function hooksOf({ host, hooks, snapshots = [], state }: HostPlan): Hook[] {
  if (state === "unchanged") return [];
  return [...(host.hooks ?? []).filter(({ on }) => on === "deployer"), ...hooks, ...snapshots];
}

/** What must work before the activation of a host that changes. */
function checksBeforeOf({ host, state }: HostPlan, goal: TransactionGoal): readonly CheckBefore[] {
  return state === "unchanged" || goal === "dry-activate" ? [] : (host.checksBefore ?? []);
}

/** What is uploaded, also to a host that stays as it is: where it goes, and what follows it there. */
export function uploadsOf({ host, state }: HostPlan, goal: TransactionGoal): readonly Upload[] {
  const isUploading = (state === "change" && goal === "reboot") || stepsOf("activate", goal).includes("pre-activation");
  return isUploading && (state === "change" || state === "unchanged") ? (host.uploads ?? []) : [];
}

function renderUploads(uploads: readonly Upload[]): string[] {
  return uploads.map(({ afterwards, name, path }) =>
    safeText(`  upload    ${name}: ${path}${afterwards.length === 0 ? "" : `; then ${renderArgv(afterwards)}`}`),
  );
}

/** The health checks of a host that changes, where they are run; without a switch there are none. */
function checksOf(
  { host, healthChecks, state }: HostPlan,
  goal: TransactionGoal,
): (HealthCheck & { readonly runFrom: "host" | "deployer" })[] {
  if (state === "unchanged" || goal === "boot" || goal === "dry-activate") return [];
  const from = (runFrom: "host" | "deployer") => (check: HealthCheck) => ({ ...check, runFrom });
  return [...healthChecks.map(from("host")), ...(host.deployerChecks ?? []).map(from("deployer"))];
}

/** A line for each hook: when and where it runs, and what. */
function renderHooks(hooks: readonly Hook[]): string[] {
  return hooks.map(({ name, on, when, command }) =>
    safeText(`  hook      ${name} (${when.join(", ")} on the ${on}): ${renderArgv(command)}`),
  );
}

/** The changed lines of each changed file of `/etc`. */
export function renderFileDiffs(
  diff: SystemDiff,
  systems: { readonly old: SystemObject | undefined; readonly next: SystemObject },
  terminal: Terminal,
): string[] {
  const { dim, green, red } = terminal.colors;
  return diff.etc.flatMap(({ path }) => [
    `  ${dim(path)}`,
    ...diffEtcFile(systems.old, systems.next, path).map(({ kind, text }) => {
      const shown = safeText(text);
      return kind === "added"
        ? green(`    + ${shown}`)
        : kind === "removed"
          ? red(`    - ${shown}`)
          : dim(`      ${shown}`);
    }),
  ]);
}

/** What differs, a line per kind of thing; `units` as what a switch would do to them, or as what they are. */
export function renderDiff(
  diff: SystemDiff,
  terminal: Terminal,
  options: { readonly units: "actions" | "changes"; readonly full?: boolean },
): string[] {
  const { green, red, yellow } = terminal.colors;
  const lines: string[] = [];
  const signed = (kind: string, text: string): string =>
    kind === "added" || kind === "opened"
      ? green(`+${text}`)
      : kind === "removed" || kind === "closed"
        ? red(`-${text}`)
        : yellow(`~${text}`);
  const styled = (label: string, items: readonly string[]): void => {
    lines.push(...renderList(label, items, terminal, options.full ?? false));
  };
  styled(
    "packages",
    diff.packages.map((change) => signed(change.kind, safeText(packageText(change)))),
  );
  if (options.units === "changes") {
    const kinds = { start: "added", stop: "removed" } as const;
    styled(
      "units",
      diff.units.changes.map(({ action, unit }) =>
        signed(action === "start" || action === "stop" ? kinds[action] : "changed", safeText(unit)),
      ),
    );
  } else {
    const { changes } = diff.units;
    const actions = unitActions(diff.units);
    const reasonOf = (unit: string): string => changes.find((change) => change.unit === unit)?.reason ?? "with others";
    for (const action of ["stop", "restart", "reload", "start"] as const) {
      const named = (unit: string): string => (options.full === true ? `${unit} (${reasonOf(unit)})` : unit);
      styled(
        action,
        actions[action].map((unit) => safeText(named(unit))),
      );
    }
    styled(
      "left",
      changes.flatMap(({ action, unit, reason }) => (action === "skip" ? safeText(`${unit} (${reason})`) : [])),
    );
  }
  styled(
    "/etc",
    diff.etc.map((file) => signed(file.kind, safeText(file.path.slice("/etc/".length)))),
  );
  styled(
    "users",
    diff.users.map((user) => signed(user.kind, safeText([user.name, ...user.details].join(" ")))),
  );
  styled(
    "groups",
    diff.groups.map((group) => signed(group.kind, safeText([group.name, ...group.details].join(" ")))),
  );
  styled(
    "ports",
    diff.ports.map((port) => signed(port.kind, safeText(`${port.port}/${port.protocol}`))),
  );
  styled(
    "persist",
    diff.persistence.map((entry) => signed(entry.kind, safeText(entry.path))),
  );
  styled(
    "secrets",
    diff.secrets.map((secret) => signed(secret.kind, safeText(secretText(secret)))),
  );
  if (diff.firewall !== "unchanged") lines.push(`  firewall  ${diff.firewall}`);
  return lines;
}

/** A kind of thing with its list, folded unless all is wanted. */
function renderList(label: string, items: readonly string[], { colors }: Terminal, full: boolean): string[] {
  if (items.length === 0) return [];
  if (full) return items.map((item, index) => `  ${(index === 0 ? label : "").padEnd(9)} ${item}`);
  const more = items.length > LIST_MAX ? colors.dim(` … ${items.length - LIST_MAX} more`) : "";
  return [`  ${label.padEnd(9)} ${items.slice(0, LIST_MAX).join(", ")}${more}`];
}

/** Whether its users are restarted, the host finds out when it has decrypted the secret. */
function secretText({ details, name, reloadUnits, restartUnits }: SystemDiff["secrets"][number]): string {
  const users = [
    ...(restartUnits.length === 0 ? [] : [`may restart ${restartUnits.join(", ")}`]),
    ...(reloadUnits.length === 0 ? [] : [`may reload ${reloadUnits.join(", ")}`]),
  ];
  const said = [...details, ...users].join("; ");
  return said === "" ? name : `${name} (${said})`;
}

function packageText(change: SystemDiff["packages"][number]): string {
  const { name, before, after, sizeBefore, sizeAfter } = change;
  const version = before === undefined || after === undefined ? (after ?? before ?? "") : versionsText(before, after);
  // Of a change only the difference in size tells something.
  const grown = sizeBefore !== undefined && sizeAfter !== undefined ? sizeAfter - sizeBefore : undefined;
  const size = grown === undefined ? (sizeAfter ?? sizeBefore) : Math.abs(grown);
  const sign = grown === undefined ? "" : grown < 0 ? "-" : "+";
  return `${name} ${version}${size === undefined || size === 0 ? "" : ` (${sign}${renderBytes(size)})`}`;
}

function versionsText(before: string, after: string): string {
  return before === after ? `${after} rebuilt` : `${before} → ${after}`;
}

/** The plan as JSON; systems are named by their store paths. */
export function planRecord(plan: FleetPlan, options: { readonly fileDiffs?: boolean } = {}): object {
  return {
    hash: plan.hash,
    goal: plan.goal,
    hooks: plan.hooks,
    hosts: plan.hosts.map((host) => ({
      name: host.host.name,
      address: host.host.target.host,
      state: host.state,
      system: host.system ?? null,
      previous: host.previous ?? null,
      copy: host.copy ?? null,
      diff: host.diff ?? null,
      ...(options.fileDiffs === true && host.diff !== undefined && host.wanted !== undefined
        ? { files: fileRecords(host.diff, { old: host.old, next: host.wanted }) }
        : {}),
      reboot: host.reboot ?? null,
      ...(host.profileChanges === undefined ? {} : { profiles: host.profileChanges }),
      checksBefore: checksBeforeOf(host, plan.goal),
      checks: checksOf(host, plan.goal),
      hooks: hooksOf(host),
      uploads: uploadsOf(host, plan.goal).map(({ afterwards, name, path, when }) => ({ name, path, when, afterwards })),
      data: host.data ?? [],
      warnings: host.warnings ?? [],
      error: host.error === undefined ? null : errorRecordOf(host.error),
      ...(host.isUnmade === true ? { isUnmade: true } : {}),
    })),
  };
}

/** The changed lines of files in `/etc` as JSON. */
export function fileRecords(
  diff: SystemDiff,
  systems: { readonly old: SystemObject | undefined; readonly next: SystemObject },
): object[] {
  return diff.etc.map(({ path }) => ({ path, lines: diffEtcFile(systems.old, systems.next, path) }));
}

/** An error of a host's for programs. */
export function errorRecordOf({ code, message, hint }: NonNullable<HostPlan["error"]>): object {
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}
