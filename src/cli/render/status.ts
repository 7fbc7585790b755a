/** The table of `pristine status`, with what is wrong below it. */

import { basename } from "node:path";
import type { Drift } from "../../machine/facts.ts";
import type { HostStatus } from "../../fleet/status.ts";
import { describeSeen } from "./health.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderDuration } from "../../base/quantities.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export function renderStatuses(statuses: readonly HostStatus[], terminal: Terminal): string[] {
  const { bold } = terminal.colors;
  const lines = renderTable(
    ["host", "system", "generation", "health", "drift", "up"].map((title) => bold(title)),
    statuses.map((status) => {
      const { facts } = status;
      const last =
        facts === undefined ? safeText(status.error?.message ?? "") : renderDuration(facts.uptimeSeconds * 1000);
      return [...cellsOf(status, terminal), last];
    }),
  );
  for (const status of statuses) {
    const details = detailsOf(status, terminal);
    if (details.length > 0) lines.push("", bold(status.host), ...details.map((line) => `  ${line}`));
  }
  return lines;
}

/** A host on one line, without what changes by itself: for telling that something else did. */
export function renderStatusLine(status: HostStatus, terminal: Terminal): string {
  const { facts, error } = status;
  const [host = "", system = "", generation = "", health = "", drift = ""] = cellsOf(status, terminal);
  if (facts === undefined) return `${host}: ${system}: ${safeText(error?.message ?? "")}`;
  const line = `${host}: ${system}, generation ${generation}, health ${health}, drift ${drift}`;
  return [line, ...detailsOf(status, terminal, { withCountdown: false })].join("; ");
}

/** Host, system, generation, health and drift. */
function cellsOf(status: HostStatus, terminal: Terminal): string[] {
  const { dim, green, red, yellow } = terminal.colors;
  const { facts } = status;
  if (facts === undefined) {
    const code = status.error?.code;
    return [
      status.host,
      red(code === "HOST_UNREACHABLE" || code === "HOST_TIMEOUT" ? "unreachable" : "failed"),
      "",
      "",
      "",
    ];
  }
  const unhealthy = status.health.filter((result) => !result.healthy).length;
  const health =
    unhealthy > 0
      ? red(`${unhealthy} of ${status.health.length} failing`)
      : facts.failedUnits.length > 0
        ? red(`${facts.failedUnits.length} failed units`)
        : status.health.length === 0
          ? dim("no checks")
          : green(`${status.health.length} ok`);
  const generation = status.generation === undefined ? "-" : String(status.generation);
  const declared =
    facts.transaction !== null
      ? yellow(safeText(facts.transaction.state))
      : status.error !== undefined
        ? red("not known")
        : status.differs
          ? yellow("differs")
          : green("as declared");
  const drift = status.drift.length === 0 ? green("none") : yellow(String(status.drift.length));
  return [status.host, declared, generation, health, drift];
}

/** What is wrong with a host, or under way. */
function detailsOf(
  status: HostStatus,
  terminal: Terminal,
  options: { readonly withCountdown: boolean } = { withCountdown: true },
): string[] {
  const { red } = terminal.colors;
  const { error, facts, passedOver = [] } = status;
  const details: string[] = [];
  if (facts !== undefined && error !== undefined)
    details.push(...safeText(`what it should run is not known: ${error.message}`).split("\n"));
  if (passedOver.length > 0) details.push(safeText(`reached at ${status.address}; ${passedOver.join("; ")}`));
  if (facts !== undefined && status.differs) {
    details.push(
      safeText(`runs     ${basename(facts.systems.activated ?? "an unknown system")}`),
      `declared ${basename(status.declared)}`,
    );
  }
  if (facts?.transaction != null) {
    const { operator, state, revertsInSeconds } = facts.transaction;
    const isCounted = revertsInSeconds !== undefined && options.withCountdown;
    const back = isCounted ? `, returns by itself in ${Math.round(revertsInSeconds)} s` : "";
    details.push(safeText(`transaction of ${operator.user}@${operator.host}: ${state}${back}`));
  }
  const receipt = facts?.lastReceipt;
  if (receipt?.reason !== undefined && receipt.reason.kind !== "expired") {
    details.push(safeText(`last deployment (${receipt.endedAt}) ${receipt.outcome}: ${receipt.reason.message}`));
  }
  for (const result of status.health) {
    const place = result.from === undefined ? "" : ` (from the ${result.from})`;
    if (!result.healthy) details.push(`${red("✗")} ${safeText(result.name)}${place}: ${describeSeen(result)}`);
  }
  for (const unit of facts?.failedUnits ?? []) details.push(`${red("✗")} unit ${safeText(unit)} has failed`);
  for (const drift of status.drift) details.push(`drift: ${safeText(describeDrift(drift))}`);
  return details;
}

function describeDrift(drift: Drift): string {
  switch (drift.kind) {
    case "running-not-default":
      return `runs ${basename(drift.running)}, but would boot ${basename(drift.default ?? "nothing")}`;
    case "temporary":
      return `runs ${basename(drift.running)} of ${drift.operator.user}@${drift.operator.host} until ${drift.until.slice(0, 19).replace("T", " ")}, then ${basename(drift.previous)} again`;
    case "half-activated":
      return `/system names ${basename(drift.system)}, but ${basename(drift.activated ?? "nothing")} was activated last`;
    case "unit-override":
      return `${drift.unit} is overridden by hand in ${drift.path}`;
    case "unit-stale":
      return `${drift.unit}: its files changed, and systemd has not read them`;
    case "unit-not-running":
      return `${drift.unit} should run, but is ${drift.activeState}`;
    case "profile-moved": {
      const { found, name, path, user } = drift.profile;
      return `the profile ${name} of ${user} is ${basename(found ?? "nothing")}, and ${basename(path)} was confirmed`;
    }
  }
}
