/** What the deployer asks of hosts, against real servers of this machine. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, suite, test } from "node:test";
import { type Clock, systemClock } from "../base/clock.ts";
import type { DeployerCheck, HealthResult } from "../machine/health-check.ts";
import { unmetNeed } from "../../test/support/needs.ts";
import { startTlsServer } from "../../test/support/tls-server.ts";
import { runDeployerChecks } from "./deployer-checks.ts";

const never = new AbortController().signal;

function checkOf(wish: object): DeployerCheck {
  return { name: "c", timeoutSeconds: 5, retries: 0, intervalSeconds: 2, ...wish } as unknown as DeployerCheck;
}

async function resultOf(wish: object): Promise<HealthResult> {
  const options = { clock: systemClock, signal: never, withinMs: 20_000, settles: false };
  const [result] = await runDeployerChecks([checkOf(wish)], options);
  assert.ok(result !== undefined);
  return result;
}

suite("checks from the deployer", () => {
  const server = createServer((request, response) => {
    response.setHeader("X-Kind", "plain");
    if (request.url === "/slow") return;
    response.statusCode = request.url === "/moved" ? 302 : 200;
    response.end(`${request.method} version 42 for ${request.headers.host}`);
  });
  let url = "";
  let port = 0;
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
    url = `http://127.0.0.1:${port}`;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  /** What is asked, and what the message says of a check that fails; null is healthy. */
  const cases: readonly [what: string, wish: () => object, failure: RegExp | null][] = [
    ["http", () => ({ kind: "http", url, body: "version 42", headers: { "X-Kind": "plain" } }), null],
    ["http: another status", () => ({ kind: "http", url: `${url}/moved`, status: 200 }), /^status 302, not 200$/],
    ["http: as another host", () => ({ kind: "http", url, requestHeaders: { Host: "shop" }, body: "for shop" }), null],
    ["http: a method", () => ({ kind: "http", url, method: "POST", body: { matches: "^POST" } }), null],
    ["http: no answer", () => ({ kind: "http", url: `${url}/slow`, timeoutSeconds: 0.2 }), /^no answer after 0\.2 s$/],
    ["http: nobody there", () => ({ kind: "http", url: "http://127.0.0.1:1/" }), /ECONNREFUSED/],
    ["tcp", () => ({ kind: "tcp", host: "127.0.0.1", port }), null],
    ["tcp: nobody there", () => ({ kind: "tcp", host: "127.0.0.1", port: 1 }), /^127\.0\.0\.1:1 refuses$/],
    ["dns", () => ({ kind: "dns", query: "localhost", addresses: ["127.0.0.1"] }), null],
    ["dns: another address", () => ({ kind: "dns", query: "localhost", addresses: ["192.0.2.9"] }), /not 192\.0\.2\.9/],
    ["dns: a server that is none", () => ({ kind: "dns", query: "a.example", server: "127.0.0.1" }), /not resolve/],
    ["command", () => ({ kind: "command", command: ["test", "$HOME", "=", "$HOME"] }), null],
    ["command: it fails", () => ({ kind: "command", command: ["sh", "-c", "echo why >&2; exit 3"] }), /^exit 3: why$/],
    ["command: it does not end", () => ({ kind: "command", command: ["sleep", "9"], timeoutSeconds: 0.2 }), /^no end/],
    ["command: there is none", () => ({ kind: "command", command: ["/no/such"] }), /no\/such/],
  ];
  for (const [what, wish, failure] of cases) {
    test(what, async () => {
      const { healthy, message, from } = await resultOf(wish());
      assert.equal(healthy, failure === null, message);
      assert.equal(from, "deployer");
      if (failure !== null) assert.match(message, failure);
    });
  }

  test("https: a server is asked whose certificate is trusted", { skip: unmetNeed("openssl") }, async () => {
    using tls = await startTlsServer();
    // Read once, at the first request of this process.
    process.env["SSL_CERT_FILE"] = tls.authority;
    const seen = async (where: string): Promise<string> => {
      return (await resultOf({ kind: "http", url: `https://${where}/503`, status: 503 })).message;
    };
    assert.equal(await seen(`localhost:${tls.port}`), "status 503");
    assert.match(await seen(`127.0.0.1:${tls.port}`), /does not match certificate's altnames/);
    assert.match(await seen(`127.0.0.1:${port}`), /SSL|wrong version|packet/);
    const asShop = { url: `https://localhost:${tls.port}/`, requestHeaders: { Host: "shop" }, body: "for shop" };
    assert.equal((await resultOf({ kind: "http", ...asShop })).message, "status 200");
    using other = await startTlsServer();
    assert.match(await seen(`localhost:${other.port}`), /certificate/);
  });

  test("a check settles, is tried again, and ends when its time is up", async () => {
    let nowMs = 0;
    const clock: Clock = {
      nowMs: () => nowMs,
      wallClock: () => new Date(nowMs),
      sleep: (durationMs) => {
        nowMs += durationMs;
        return Promise.resolve();
      },
    };
    const check = checkOf({ kind: "command", command: ["false"], retries: 4, settleSeconds: 3 });
    const run = async (withinMs: number): Promise<readonly [attempts: number, nowMs: number]> => {
      nowMs = 0;
      const [result] = await runDeployerChecks([check], { clock, signal: never, withinMs, settles: true });
      return [result?.attempts ?? 0, nowMs];
    };
    assert.deepEqual(await run(60_000), [5, 3_000 + 4 * 2_000]);
    assert.deepEqual(await run(6_000), [2, 6_000]);
    assert.deepEqual(await run(2_000), [0, 2_000]);
  });

  test("an interrupted check is no failure of the host", async () => {
    const signal = AbortSignal.timeout(50);
    const options = { clock: systemClock, signal, withinMs: 20_000, settles: false };
    const hung = checkOf({ kind: "command", command: ["sleep", "9"], timeoutSeconds: 9 });
    await assert.rejects(runDeployerChecks([hung], options), { name: "TimeoutError" });
  });
});
