/** What `status --watch` shows over several rounds, and how it ends. */

import assert from "node:assert/strict";
import { test } from "node:test";
import picocolors from "picocolors";
import type { Clock } from "../../base/clock.ts";
import type { HostStatus } from "../../fleet/status.ts";
import type { HostFacts } from "../../machine/facts.ts";
import type { Terminal } from "./terminal.ts";
import { showRound, watch } from "./watch.ts";

interface Told {
  readonly host: string;
  readonly uptime?: number;
  readonly failed?: readonly string[];
  readonly isUnreachable?: boolean;
}

function statusOf({ host, uptime = 1, failed = [], isUnreachable = false }: Told): HostStatus {
  const facts = { systems: {}, failedUnits: failed, uptimeSeconds: uptime, transaction: null, lastReceipt: null };
  return {
    host,
    address: host,
    tags: [],
    asDeclared: failed.length === 0 && !isUnreachable,
    declared: "",
    generation: 3,
    differs: false,
    health: [],
    drift: [],
    ...(isUnreachable
      ? { error: { code: "HOST_UNREACHABLE", message: "no route" } }
      : { facts: facts as unknown as HostFacts }),
  };
}

const ROUNDS: readonly (readonly Told[])[] = [
  [{ host: "web" }, { host: "db" }],
  [
    { host: "web", uptime: 6 },
    { host: "db", uptime: 6 },
  ],
  [
    { host: "web", uptime: 11, failed: ["nginx.service"] },
    { host: "db", isUnreachable: true },
  ],
  [
    { host: "web", uptime: 16, failed: ["nginx.service"] },
    { host: "db", uptime: 1 },
  ],
];

/** Shows all rounds, then the interrupt comes while waiting for the next one. */
async function watched(options: { json: boolean; redraws: boolean }): Promise<{ lines: string[]; code: number }> {
  const lines: string[] = [];
  const out = (line: string): void => void lines.push(line);
  const terminal: Terminal = { out, err: out, live: false, columns: 80, colors: picocolors.createColors(false) };
  const abort = new AbortController();
  let round = 0;
  const clock: Clock = {
    nowMs: () => round,
    wallClock: () => new Date(Date.UTC(2026, 0, 1, 0, 0, 5 * (round - 1))),
    sleep: () => {
      if (round < ROUNDS.length) return Promise.resolve();
      abort.abort();
      return Promise.reject(abort.signal.reason as Error);
    },
  };
  const show = showRound(terminal, { ...options, everyMs: 5000, clock });
  const ask = (): Promise<HostStatus[]> => Promise.resolve(ROUNDS[round++]!.map(statusOf));
  const code = await watch({ ask, show, everyMs: 5000, clock, signal: abort.signal });
  return { lines, code };
}

test("piped, only what changed is printed", async () => {
  assert.deepEqual(await watched({ json: false, redraws: false }), {
    code: 130,
    lines: [
      "2026-01-01 00:00:00 web: as declared, generation 3, health no checks, drift none",
      "2026-01-01 00:00:00 db: as declared, generation 3, health no checks, drift none",
      "2026-01-01 00:00:10 web: as declared, generation 3, health 1 failed units, drift none; ✗ unit nginx.service has failed",
      "2026-01-01 00:00:10 db: unreachable: no route",
      "2026-01-01 00:00:15 db: as declared, generation 3, health no checks, drift none",
    ],
  });
});

test("in JSON, a line has the hosts that changed", async () => {
  const { lines } = await watched({ json: true, redraws: false });
  const told = lines.map((line) => JSON.parse(line) as { time: string; hosts: HostStatus[] });
  assert.deepEqual(
    told.map(({ time, hosts }) => [time.slice(17, 19), ...hosts.map(({ host }) => host)]),
    [
      ["00", "web", "db"],
      ["10", "web", "db"],
      ["15", "db"],
    ],
  );
});

test("on a terminal, each round is a page", async () => {
  const { lines } = await watched({ json: false, redraws: true });
  assert.equal(lines.length, ROUNDS.length);
  assert.ok(lines.every((page) => page.startsWith("\u001b[H\u001b[2J")));
  assert.match(
    lines[1]!,
    /2 of 2 as declared at 2026-01-01 00:00:05 UTC, every 5 s; Ctrl-C ends\n\nhost .*\nweb .* 6\.0 s\n/,
  );
  assert.match(lines[2]!, /0 of 2 as declared[^]*db +unreachable[^]*✗ unit nginx\.service has failed/);
});

test("a failure that is no interrupt ends it", async () => {
  const failure = new Error("a bug");
  const { signal } = new AbortController();
  const clock = { sleep: () => Promise.resolve() } as unknown as Clock;
  const ask = (): Promise<never> => Promise.reject(failure);
  await assert.rejects(watch({ ask, show: () => undefined, everyMs: 1, clock, signal }), failure);
});
