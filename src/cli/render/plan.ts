/** A plan for people, folded to what changes, and for programs. */

import { basename } from "node:path";
import type { FleetPlan, HostPlan } from "../../fleet/plan.ts";
import { diffEtcFile, type SystemDiff } from "../../machine/system-diff.ts";
import type { SystemObject } from "../../machine/system-object.ts";
import type { UnitChange } from "../../machine/unit-plan.ts";
import { safeText } from "./safe-text.ts";
import { renderBytes, renderCount } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface PlanOptions {
  readonly fileDiffs: boolean;
  /** The order of the hosts, shown when there is more than one wave. */
  readonly waves?: readonly (readonly string[])[];
}

const LIST_MAX = 12;

export function renderPlan(plan: FleetPlan, terminal: Terminal, options: PlanOptions): string[] {
  const { bold, dim } = terminal.colors;
  const lines: string[] = [];
  const unchanged = plan.hosts.filter((host) => host.state === "unchanged").map((host) => host.host.name);
  for (const host of plan.hosts) {
    if (host.state !== "unchanged") lines.push(...renderHost(host, terminal, options), "");
  }
  if (unchanged.length > 0) lines.push(`${bold(unchanged.join(", "))}: unchanged`);
  const { waves = [] } = options;
  if (waves.length > 1) lines.push(...waves.map((wave, index) => `${dim(`wave ${index + 1}:`)} ${wave.join(", ")}`));
  const changing = plan.hosts.filter((host) => host.state === "change");
  if (changing.length > 0) {
    const bytes = changing.reduce((sum, host) => sum + (host.copy?.bytes ?? 0), 0);
    lines.push(
      `${renderCount(changing.length, "host")} to ${plan.goal}, ${renderBytes(bytes)} to copy, plan ${dim(plan.hash.slice(0, 12))}`,
    );
  }
  return lines;
}

function renderHost(plan: HostPlan, terminal: Terminal, options: PlanOptions): string[] {
  const { bold, dim, red, yellow } = terminal.colors;
  const name = bold(plan.host.name);
  if (plan.error !== undefined) {
    const hint = plan.error.hint === undefined ? [] : [dim(`  ${safeText(plan.error.hint)}`)];
    return [`${name}: ${red(safeText(plan.error.message))}`, ...hint];
  }
  const lines = [`${name}: ${dim(basename(plan.previous ?? "nothing"))} → ${basename(plan.system ?? "nothing")}`];
  const { diff, copy } = plan;
  if (diff !== undefined) lines.push(...renderDiff(diff, terminal));
  if (diff !== undefined && options.fileDiffs && plan.wanted !== undefined)
    lines.push(...renderFileDiffs(diff, { old: plan.old, next: plan.wanted }, terminal));
  if (copy !== undefined)
    lines.push(
      `  copy      ${copy.paths.length === 0 ? "nothing" : `${renderCount(copy.paths.length, "path")}, ${renderBytes(copy.bytes)}`}`,
    );
  for (const warning of diff?.lockout ?? []) {
    const text = safeText(warning.message);
    lines.push(warning.severity === "danger" ? `  ${red("LOCKOUT")}   ${text}` : `  ${yellow("note")}      ${text}`);
  }
  return lines;
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
  options: { readonly units: "actions" | "changes" } = { units: "actions" },
): string[] {
  const { green, red, yellow } = terminal.colors;
  const lines: string[] = [];
  const list = (label: string, items: readonly string[]): void => {
    if (items.length === 0) return;
    const shown = items.slice(0, LIST_MAX).map(safeText);
    const more = items.length > LIST_MAX ? ` … ${items.length - LIST_MAX} more` : "";
    lines.push(`  ${label.padEnd(9)} ${shown.join(", ")}${more}`);
  };
  const signed = (kind: string, text: string): string =>
    kind === "added" || kind === "opened"
      ? green(`+${text}`)
      : kind === "removed" || kind === "closed"
        ? red(`-${text}`)
        : yellow(`~${text}`);
  const styled = (label: string, items: readonly string[]): void => {
    if (items.length === 0) return;
    const more = items.length > LIST_MAX ? ` … ${items.length - LIST_MAX} more` : "";
    lines.push(`  ${label.padEnd(9)} ${items.slice(0, LIST_MAX).join(", ")}${more}`);
  };
  styled(
    "packages",
    diff.packages.map((change) => signed(change.kind, safeText(packageText(change)))),
  );
  const unitsOf = (action: UnitChange["action"]): string[] =>
    diff.units.changes.filter((change) => change.action === action).map((change) => change.unit);
  if (options.units === "changes") {
    const kinds = { start: "added", stop: "removed" } as const;
    styled(
      "units",
      diff.units.changes.map(({ action, unit }) =>
        signed(action === "start" || action === "stop" ? kinds[action] : "changed", safeText(unit)),
      ),
    );
  } else {
    for (const action of ["stop", "restart", "reload", "start"] as const) list(action, unitsOf(action));
    list(
      "left",
      diff.units.changes
        .filter((change) => change.action === "skip")
        .map((change) => `${change.unit} (${change.reason})`),
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
  if (diff.firewall !== "unchanged") lines.push(`  firewall  ${diff.firewall}`);
  return lines;
}

function packageText(change: SystemDiff["packages"][number]): string {
  const { name, before, after } = change;
  if (before === undefined) return `${name} ${after ?? ""}`;
  if (after === undefined) return `${name} ${before}`;
  return before === after ? `${name} ${after} (rebuilt)` : `${name} ${before} → ${after}`;
}

/** The plan as JSON; systems are named by their store paths. */
export function planRecord(plan: FleetPlan): object {
  return {
    hash: plan.hash,
    goal: plan.goal,
    hosts: plan.hosts.map((host) => ({
      name: host.host.name,
      address: host.host.target.host,
      state: host.state,
      system: host.system ?? null,
      previous: host.previous ?? null,
      copy: host.copy ?? null,
      diff: host.diff ?? null,
      warnings: host.warnings ?? [],
      error: host.error === undefined ? null : { code: host.error.code, message: host.error.message },
    })),
  };
}
