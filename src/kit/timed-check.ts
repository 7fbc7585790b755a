/** Checks that the host's own timers run, and what they saw: a file per check, which is replaced as a whole. */

import { type CheckHistory, type CheckSpan, spansAfter, unhealthySince } from "../machine/check-history.ts";
import { type HealthCheck, type HealthResult, secondsMaxOf } from "../machine/health-check.ts";
import { runHealthChecks } from "./health.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { runningSystem } from "./systems.ts";
import { STATE_DIRECTORY } from "./transaction-record.ts";

const DIRECTORY = `${STATE_DIRECTORY}/checks`;
/** Of checks that are not declared any more, those that ran last are kept. */
const FILES_MAX = 100;
/** As `nix/modules/health-checks.nix` has it, for checks that have a timer. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/;

/** What the running system declares. */
export function declaredChecks(host: Host): readonly HealthCheck[] {
  const system = runningSystem(host);
  return system === undefined ? [] : (host.system(system).meta?.healthChecks ?? []);
}

/** Runs one check of the running system and notes what it saw; `undefined` when that system has no such check. */
export function runTimedCheck(host: Host, name: string): HealthResult | undefined {
  const check = declaredChecks(host).find((declared) => declared.name === name);
  if (check === undefined) return undefined;
  const untilMs = host.uptimeMs() + secondsMaxOf(check) * 1000;
  const [result] = runHealthChecks(host, [check], { untilMs });
  if (result === undefined) return undefined;
  try {
    noteResult(host, check, result);
    return result;
  } catch (error) {
    // A full disk makes nothing unhealthy that is not.
    const why = error instanceof Error ? error.message : String(error);
    return { ...result, message: `${result.message} (not noted: ${why})` };
  }
}

/** Results with the time since when they are so, as far as the host's timers have seen it. */
export function withSince(host: Host, results: readonly HealthResult[]): HealthResult[] {
  return results.map((result) => {
    if (result.healthy || !NAME.test(result.name)) return result;
    const since = unhealthySince(readSpans(host, result.name));
    return since === undefined ? result : { ...result, since };
  });
}

export function readHistories(host: Host): CheckHistory[] {
  const names = (host.files.list(DIRECTORY) ?? []).filter((file) => file.endsWith(".json"));
  return names
    .map((file) => file.slice(0, -".json".length))
    .sort()
    .map((name) => ({ name, spans: readSpans(host, name) }));
}

function noteResult(host: Host, check: HealthCheck, { healthy, message }: HealthResult): void {
  const path = pathOf(check.name);
  const before = readSpans(host, check.name);
  const seen = { at: host.wallClock(), healthy, message };
  const spans = spansAfter(before, seen, { everySeconds: check.everySeconds ?? 0 });
  if (spans === before) return;
  const isNew = !host.files.exists(path);
  if (isNew) host.files.makeDirectory(DIRECTORY);
  host.files.writeDurably(path, `${JSON.stringify({ version: 1, name: check.name, spans })}\n`);
  if (isNew) prune(host);
}

function pathOf(name: string): string {
  if (!NAME.test(name)) throw new KitError("KIT_USAGE", `'${name}' is no name of a check with a timer`);
  return `${DIRECTORY}/${name}.json`;
}

function readSpans(host: Host, name: string): readonly CheckSpan[] {
  try {
    const text = host.files.readFile(pathOf(name));
    return text === undefined ? [] : (JSON.parse(text) as CheckHistory).spans;
  } catch (error) {
    // Nothing of ours: it is written anew.
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** Removes the files that were written longest ago, when there are too many. */
function prune(host: Host): void {
  const files = (host.files.list(DIRECTORY) ?? []).map((file) => `${DIRECTORY}/${file}`);
  const newest = files.toSorted((one, other) => (host.files.modifiedAt(one) < host.files.modifiedAt(other) ? 1 : -1));
  for (const path of newest.slice(FILES_MAX)) host.files.remove(path, { durable: false });
}
