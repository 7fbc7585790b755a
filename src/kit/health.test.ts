/** Each kind of health check against the real thing on this machine: an HTTP server, files, filesystems, memory. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { HealthCheck, HealthResult } from "../machine/health-check.ts";
import { unmetNeed } from "../../test/support/needs.ts";
import { startTlsServer } from "../../test/support/tls-server.ts";
import { runHealthChecks } from "./health.ts";
import type { Host, RunOptions } from "./host.ts";

const SERVER = `
  const server = require("node:http").createServer((request, response) => {
    response.setHeader("X-Kind", request.headers["x-ask"] ?? "plain");
    response.statusCode = request.url === "/gone" ? 410 : 200;
    response.end(request.method + " version 42 for " + request.headers.host);
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

let slept = 0;
/** The authority that programs trust. */
let trusted: string | undefined;

/** This machine, with time that passes only where a check waits. */
const host = {
  run: (command: readonly string[], { timeoutSeconds, heldStdin }: RunOptions) => {
    const [program = "", ...args] = command;
    const done = spawnSync(program, args, {
      encoding: "utf8",
      timeout: timeoutSeconds * 1000,
      ...(heldStdin === undefined ? {} : { input: heldStdin }),
      env: { ...process.env, ...(trusted === undefined ? {} : { CURL_CA_BUNDLE: trusted }) },
    });
    const code = done.error === undefined ? (done.status ?? 1) : 127;
    return { code, stdout: done.stdout ?? "", stderr: done.stderr ?? "" };
  },
  which: (program: string) => (program === "curl" ? ["curl"] : undefined),
  files: {
    readFile: (path: string) => (lstatSync(path).isFile() ? readFileSync(path, "utf8") : undefined),
  },
  wallClock: () => new Date().toISOString(),
  uptimeMs: () => slept,
  sleepMs: (milliseconds: number) => {
    slept += milliseconds;
  },
} as unknown as Host;

function checkOf(wish: object): HealthCheck {
  return { name: "c", timeoutSeconds: 10, retries: 0, intervalSeconds: 2, ...wish } as unknown as HealthCheck;
}

function resultOf(wish: object): HealthResult {
  const [result] = runHealthChecks(host, [checkOf(wish)]);
  assert.ok(result !== undefined);
  return result;
}

suite("health checks", () => {
  const directory = mkdtempSync(join(tmpdir(), "health-"));
  const file = join(directory, "file");
  let server: ChildProcess;
  let url = "";
  before(async () => {
    server = spawn(process.execPath, ["-e", SERVER], { stdio: ["ignore", "pipe", "inherit"] });
    writeFileSync(file, "first line\nstate: ready\n", { mode: 0o640 });
    utimesSync(file, new Date(), new Date(Date.now() - 1000_000));
    symlinkSync(file, join(directory, "link"));
    const port = await new Promise<string>((resolve) => {
      server.stdout?.once("data", (data: Buffer) => resolve(String(data).trim()));
    });
    url = `http://127.0.0.1:${port}`;
  });
  after(() => {
    server.kill();
    rmSync(directory, { recursive: true });
  });

  /** What is asked, and what the message says of a check that fails; null is healthy. */
  const cases: readonly [what: string, wish: () => object, failure: RegExp | null][] = [
    ["http", () => ({ kind: "http", url }), null],
    ["http: another status", () => ({ kind: "http", url: `${url}/gone` }), /^status 410$/],
    ["http: the wanted status", () => ({ kind: "http", url: `${url}/gone`, status: 410 }), null],
    ["http: a text", () => ({ kind: "http", url, body: "version 42" }), null],
    ["http: no such text", () => ({ kind: "http", url, body: "version 43" }), /not contain 'version 43'/],
    ["http: an expression", () => ({ kind: "http", url, body: { matches: "^GET[[:space:]]version [0-9]+" } }), null],
    ["http: no fit", () => ({ kind: "http", url, body: { matches: "version [[:alpha:]]" } }), /what fits/],
    ["http: a header", () => ({ kind: "http", url, headers: { "x-kind": "plain" } }), null],
    ["http: a header's whole value", () => ({ kind: "http", url, headers: { "X-Kind": "pla" } }), /has 'plain' as/],
    ["http: a header fits", () => ({ kind: "http", url, headers: { "X-Kind": { matches: "^pl" } } }), null],
    ["http: no such header", () => ({ kind: "http", url, headers: { "X-Other": "a" } }), /has no header X-Other/],
    [
      "http: headers and a method of the request",
      () => ({
        kind: "http",
        url,
        method: "POST",
        requestHeaders: { Host: "shop", "X-Ask": "told" },
        headers: { "X-Kind": "told" },
        body: { matches: "^POST .* for shop$" },
      }),
      null,
    ],
    ["dns", () => ({ kind: "dns", query: "localhost" }), null],
    ["dns: no such name", () => ({ kind: "dns", query: "none.invalid" }), /does not resolve/],
    ["dns: another address", () => ({ kind: "dns", query: "localhost", addresses: ["192.0.2.9"] }), /not 192\.0\.2\.9/],
    ["file", () => ({ kind: "file", path: file, exists: true, mode: "0640", user: "root" }), null],
    ["file: through a link", () => ({ kind: "file", path: join(directory, "link"), exists: true, mode: "640" }), null],
    ["file: another mode", () => ({ kind: "file", path: file, exists: true, mode: "0600" }), /640, not 0600/],
    ["file: another owner", () => ({ kind: "file", path: file, exists: true, user: "daemon" }), /not daemon/],
    ["file: absent", () => ({ kind: "file", path: `${file}x`, exists: true }), /does not exist/],
    ["file: wanted absent", () => ({ kind: "file", path: `${file}x`, exists: false }), null],
    ["file: present, though wanted absent", () => ({ kind: "file", path: file, exists: false }), /exists$/],
    ["file: too old", () => ({ kind: "file", path: file, exists: true, maxAgeSeconds: 60 }), /10\d\d s ago, more/],
    ["file: a text", () => ({ kind: "file", path: file, exists: true, contains: "ready" }), null],
    ["file: no such text", () => ({ kind: "file", path: file, exists: true, contains: "done" }), /not contain 'done'/],
    ["file: what has no end", () => ({ kind: "file", path: "/dev/zero", exists: true, contains: "a" }), /is not read/],
    ["disk", () => ({ kind: "disk", mountPoint: "/", free: { count: 1 }, inodes: { percent: 0 } }), null],
    ["disk: not that much", () => ({ kind: "disk", mountPoint: "/", free: { count: 2 ** 60 } }), /are wanted/],
    ["disk: all of it", () => ({ kind: "disk", mountPoint: "/", free: { percent: 100 } }), /\(100 %\) are wanted/],
    ["disk: not mounted", () => ({ kind: "disk", mountPoint: directory }), /nothing is mounted/],
    ["memory: all of it", () => ({ kind: "memory", available: { percent: 100 } }), /bytes available/],
    ["memory", () => ({ kind: "memory", available: { count: 1024 } }), null],
  ];
  for (const [what, wish, failure] of cases) {
    test(what, () => {
      const { healthy, message } = resultOf(wish());
      assert.equal(healthy, failure === null, message);
      if (failure !== null) assert.match(message, failure);
    });
  }

  test(
    "https: a server is asked whose certificate is trusted, and no other",
    { skip: unmetNeed("openssl", "curl") },
    async () => {
      using tls = await startTlsServer();
      const at = (path: string): object => ({ kind: "http", url: `https://localhost:${tls.port}${path}` });
      assert.match(resultOf(at("/")).message, /certificate/);
      trusted = tls.authority;
      assert.deepEqual([resultOf(at("/204")).healthy, resultOf(at("/")).healthy], [true, true]);
      assert.equal(resultOf({ ...at("/503") }).message, "status 503");
      assert.equal(resultOf({ ...at("/"), requestHeaders: { Host: "shop" }, body: "GET for shop" }).healthy, true);
      assert.match(resultOf({ kind: "http", url: `https://127.0.0.1:${tls.port}/` }).message, /127\.0\.0\.1/);
      assert.match(resultOf({ kind: "http", url: url.replace("http:", "https:") }).message, /SSL|TLS/);
      trusted = undefined;
    },
  );

  test("a check settles first, is tried again, and ends when its time is up", () => {
    slept = 1000;
    const check = checkOf({ kind: "command", command: ["false"], retries: 4, settleSeconds: 3 });
    const [whole] = runHealthChecks(host, [check], { activatedAtMs: 1000 });
    assert.equal(whole?.attempts, 5);
    assert.equal(slept, 1000 + 3000 + 4 * 2000);
    slept = 0;
    const results = runHealthChecks(host, [check, check], { activatedAtMs: 0, untilMs: 6000 });
    assert.deepEqual(
      results.map(({ attempts, healthy }) => [attempts, healthy]),
      [
        [2, false],
        [0, false],
      ],
    );
    assert.equal(results[1]?.message, "no time was left for it");
    assert.equal(slept, 6000);
  });
});
