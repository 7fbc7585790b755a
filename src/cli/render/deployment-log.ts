/** The story of one deployment of a host, from its journal and its receipt. */

import { basename } from "node:path";
import { describeRecord } from "../../fleet/timeline.ts";
import type { DeploymentLog } from "../../fleet/deployment-log.ts";
import { safeText } from "../../base/safe-text.ts";
import type { Terminal } from "./terminal.ts";

export function renderDeploymentLog(host: string, log: DeploymentLog, terminal: Terminal): string[] {
  const { bold, dim, green, red, yellow } = terminal.colors;
  const { receipt, journal } = log;
  const state = receipt?.outcome ?? journal?.state ?? "unknown";
  const isWanted = state === "confirmed" || state === "tested" || state === "planned";
  const styled = isWanted ? green(state) : receipt === undefined ? yellow(state) : red(state);
  const lines = [`${bold(host)}: ${safeText(log.id)} ${styled}`];
  const fact = (label: string, text: string): number => lines.push(`  ${label.padEnd(9)} ${safeText(text)}`);
  if (receipt !== undefined) {
    const { operator, generation } = receipt;
    fact("by", `${operator.user}@${operator.host}: ${receipt.planReason} (${receipt.goal})`);
    fact("from", basename(receipt.previous));
    fact("to", `${basename(receipt.system)}${generation === undefined ? "" : `, generation ${generation}`}`);
    fact("time", `${receipt.beganAt} to ${receipt.endedAt}`);
    if (receipt.reason !== undefined) fact("returned", receipt.reason.message);
    for (const sentence of receipt.data ?? []) fact("data", sentence);
    for (const unit of receipt.failedUnits) fact("failed", unit);
  }
  for (const record of journal?.records ?? []) {
    const described = describeRecord(record);
    if (described !== undefined) lines.push(`  ${dim(record.at)}  ${safeText(described.text)}`);
  }
  if (journal === undefined) lines.push(dim("  the host keeps no journal of it any more"));
  const said = receipt?.reason?.log ?? [];
  if (said.length > 0) lines.push(dim("  last log lines:"), ...said.map((line) => `    ${safeText(line)}`));
  return lines;
}
