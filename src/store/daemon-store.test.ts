/** Opening a daemon store where no daemon is; what a real one does is in `test/oracle/daemon-store.test.ts`. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test } from "node:test";
import { StorePath } from "../format/store-path.ts";
import { isProcessAlive } from "../system/process.ts";
import { openCommandStore } from "./daemon-transport.ts";

const signal = AbortSignal.timeout(60_000);

suite("what is not a daemon", () => {
  const cases: Record<string, readonly [readonly string[], { readonly code: string; readonly message: RegExp }]> = {
    "a program that ends": [
      ["sh", "-c", "echo no such host >&2; exit 255"],
      { code: "DAEMON_UNREACHABLE", message: /no such host[^]*exit code 255/ },
    ],
    "a program that is absent": [["/nonexistent/program"], { code: "DAEMON_UNREACHABLE", message: /not found/ }],
    "a host without Nix": [["sh", "-c", "exit 127"], { code: "DAEMON_UNREACHABLE", message: /has no nix-daemon/ }],
    "a login message": [
      ["sh", "-c", "echo Welcome to the machine; sleep 5"],
      { code: "DAEMON_PROTOCOL", message: /Welcome to the machine/ },
    ],
    silence: [["sleep", "10"], { code: "DAEMON_UNREACHABLE", message: /no answer within 0.3 seconds/ }],
  };
  for (const [name, [argv, expected]] of Object.entries(cases)) {
    test(name, async () => {
      const handshakeTimeoutMs = name === "silence" ? 300 : 5000;
      using store = openCommandStore("here", argv, { handshakeTimeoutMs });
      await assert.rejects(store.greet(AbortSignal.timeout(10_000)), expected);
    });
  }

  test("falls silent after its greeting", async () => {
    // Protocol 1.21, and nothing to say.
    const greeting = "oixd\\0\\0\\0\\0\\025\\001\\0\\0\\0\\0\\0\\0stla\\0\\0\\0\\0";
    using store = openCommandStore("here", ["sh", "-c", `printf '${greeting}'; exec sleep 60`], {
      answerDeadlineMs: 300,
    });
    const path = StorePath.of(`${"a".repeat(32)}-a`);
    for (const ask of [store.validPaths([path], signal), store.pathInfo(path, signal)]) {
      await assert.rejects(ask, { code: "DAEMON_CONNECTION_LOST", retryable: true, message: /within 0.3 seconds/ });
    }
  });

  test("closes its output without ending", async () => {
    const startedMs = performance.now();
    using store = openCommandStore("here", ["sh", "-c", "exec >&-; echo bye >&2; sleep 60"]);
    await assert.rejects(store.greet(signal), { code: "DAEMON_UNREACHABLE", message: /bye/ });
    assert.ok(performance.now() - startedMs < 20_000);
  });

  test("is not left running", async () => {
    const directory = mkdtempSync(`${tmpdir()}/daemon-store-`);
    try {
      const program = ["sh", "-c", `echo $$ >${directory}/pid; echo Welcome to the machine; exec sleep 60`];
      using store = openCommandStore("here", program);
      await assert.rejects(store.greet(AbortSignal.timeout(10_000)), { code: "DAEMON_PROTOCOL" });
      const pid = Number(readFileSync(`${directory}/pid`, "utf8"));
      for (let i = 0; i < 100 && isProcessAlive(pid); i++) await sleep(50);
      assert.equal(isProcessAlive(pid), false);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
