/** The table of `pristine status`, with what is wrong below it. */

import { basename } from "node:path";
import type { Drift } from "../../machine/facts.ts";
import type { HostStatus } from "../../fleet/status.ts";
import { safeText } from "./safe-text.ts";
import { renderDuration, renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export function renderStatuses(statuses: readonly HostStatus[], terminal: Terminal): string[] {
  const { bold, dim, green, red, yellow } = terminal.colors;
  const rows = statuses.map((status) => {
    const { facts } = status;
    if (facts === undefined)
      return [
        status.host,
        red(
          status.error?.code === "HOST_UNREACHABLE" || status.error?.code === "HOST_TIMEOUT" ? "unreachable" : "failed",
        ),
        "",
        "",
        "",
        safeText(status.error?.message ?? ""),
      ];
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
        : status.differs
          ? yellow("differs")
          : green("as declared");
    const drift = status.drift.length === 0 ? green("none") : yellow(String(status.drift.length));
    return [status.host, declared, generation, health, drift, renderDuration(facts.uptimeSeconds * 1000)];
  });
  const lines = renderTable(
    ["host", "system", "generation", "health", "drift", "up"].map((title) => bold(title)),
    rows,
  );
  for (const status of statuses) {
    const details: string[] = [];
    const { facts, passedOver = [] } = status;
    if (passedOver.length > 0) details.push(safeText(`reached at ${status.address}; ${passedOver.join("; ")}`));
    if (facts !== undefined && status.differs) {
      details.push(
        safeText(`runs     ${basename(facts.systems.activated ?? "an unknown system")}`),
        `declared ${basename(status.declared)}`,
      );
    }
    if (facts?.transaction != null) {
      const { operator, state, revertsInSeconds } = facts.transaction;
      const back = revertsInSeconds === undefined ? "" : `, returns by itself in ${Math.round(revertsInSeconds)} s`;
      details.push(safeText(`transaction of ${operator.user}@${operator.host}: ${state}${back}`));
    }
    const receipt = facts?.lastReceipt;
    if (receipt !== null && receipt !== undefined && receipt.reason !== undefined) {
      details.push(safeText(`last deployment (${receipt.endedAt}) ${receipt.outcome}: ${receipt.reason.message}`));
    }
    for (const result of status.health)
      if (!result.healthy) details.push(`${red("✗")} ${safeText(`${result.name}: ${result.message}`)}`);
    for (const unit of facts?.failedUnits ?? []) details.push(`${red("✗")} unit ${safeText(unit)} has failed`);
    for (const drift of status.drift) details.push(`drift: ${safeText(describeDrift(drift))}`);
    if (details.length > 0) lines.push("", bold(status.host), ...details.map((line) => `  ${line}`));
  }
  return lines;
}

function describeDrift(drift: Drift): string {
  switch (drift.kind) {
    case "running-not-default":
      return `runs ${basename(drift.running)}, but would boot ${basename(drift.default ?? "nothing")}`;
    case "half-activated":
      return `/system names ${basename(drift.system)}, but ${basename(drift.activated ?? "nothing")} was activated last`;
    case "unit-override":
      return `${drift.unit} is overridden by hand in ${drift.path}`;
    case "unit-stale":
      return `${drift.unit}: its files changed, and systemd has not read them`;
    case "unit-not-running":
      return `${drift.unit} should run, but is ${drift.activeState}`;
  }
}
