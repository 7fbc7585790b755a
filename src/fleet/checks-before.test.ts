/** What must work before an activation: commands on the host over ssh, requests from here. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { run } from "../system/process.ts";
import { type CheckBefore, requireChecksBefore } from "./checks-before.ts";
import type { Command } from "./ssh.ts";

const signal = AbortSignal.timeout(60_000);
const bounds = { timeoutSeconds: 2, retries: 0, intervalSeconds: 1 };

async function check(...checksBefore: readonly CheckBefore[]): Promise<string[]> {
  const notes: string[] = [];
  await requireChecksBefore(
    { name: "web", checksBefore },
    {
      // This machine stands for the host.
      connection: { run: ({ argv }: Command) => run(["env", "WHERE=host", ...argv], { signal }) },
      clock: systemClock,
      signal,
      onNote: (text) => notes.push(text),
    },
  );
  return notes;
}

const command = (name: string, script: string, more: Partial<CheckBefore> = {}): CheckBefore =>
  ({ name, kind: "command", command: ["sh", "-c", script], place: `${name}.nix:1`, ...bounds, ...more }) as CheckBefore;

test("commands run on the host, requests are made from here", async () => {
  const server = createServer((_, answer) => answer.end("ok")).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const page: CheckBefore = { name: "page", kind: "http", url, place: "page.nix:1", ...bounds };
  try {
    const [first, ...results] = await check(command("where", '[ "$WHERE" = host ]'), page);
    assert.equal(first, "checking what must work before");
    assert.match(results[0]!, /^healthy: where/);
    assert.match(results[1]!, /^healthy from the deployer: page/);
  } finally {
    server.close();
  }
});

test("one that does not hold is an error with its place, and without any nothing is asked", async () => {
  await assert.rejects(check(command("good", "true"), command("bad", "echo not today >&2; exit 3")), {
    code: "CHECK_BEFORE_FAILED",
    message: /^health check 'bad' failed: .*not today.*; nothing was activated on web$/,
    hint: /defined in bad\.nix:1$/,
  });
  assert.deepEqual(await check(), []);
});
