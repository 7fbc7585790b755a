/**
 * Units of ours for the boots to come of a host whose system is not ours: they lie in a directory that systemd searches and
 * no system generates.
 */

import type { Host } from "./host.ts";
import { uptimeSeconds } from "./measures.ts";

const ETC_SYSTEMD = "/etc/systemd";
const UNITS = `${ETC_SYSTEMD}/system.attached`;
/** What was booted is noted right after the start; when that seems to be before it, somebody has set the clock. */
const CLOCK_TOLERANCE_SECONDS = 60;

export interface AttachedUnit {
  readonly name: string;
  readonly wantedBy: string;
}

/** Why a unit there would not be there at the next boot: some hosts make `/etc` anew at each. */
export function whyNotAttached(host: Host): string | undefined {
  const { code, stdout } = host.run(["stat", "--format=%W", ETC_SYSTEMD], { timeoutSeconds: 10 });
  const bornAt = code === 0 ? Number(stdout) : 0;
  const startedAt = Date.parse(host.wallClock()) / 1000 - uptimeSeconds(host);
  const bootedAt = Date.parse(host.files.modifiedAt("/run/booted-system")) / 1000;
  if (bootedAt < startedAt - CLOCK_TOLERANCE_SECONDS) {
    return "its clock was set since it has booted, so that nothing shows whether /etc outlives a reboot";
  }
  return bornAt > 0 && bornAt < startedAt ? undefined : "nothing in /etc shows that it outlives a reboot";
}

/** Starts the unit at the boots to come. */
export function attachUnit(host: Host, { name, wantedBy }: AttachedUnit, lines: readonly string[]): void {
  host.files.makeDirectory(wantsOf(wantedBy));
  host.files.writeDurably(`${UNITS}/${name}`, [...lines, ""].join("\n"));
  host.files.replaceLink(`${wantsOf(wantedBy)}/${name}`, `../${name}`, { durable: true });
}

/** Leaves nothing of the unit. */
export function detachUnit(host: Host, { name, wantedBy }: AttachedUnit): void {
  if (host.files.list(UNITS) === undefined) return;
  const wants = wantsOf(wantedBy);
  host.files.remove(`${wants}/${name}`, { durable: false });
  host.files.remove(`${UNITS}/${name}`, { durable: true });
  for (const directory of [wants, UNITS]) {
    if (host.files.list(directory)?.length === 0) host.files.remove(directory, { durable: true });
  }
}

function wantsOf(target: string): string {
  return `${UNITS}/${target}.wants`;
}
