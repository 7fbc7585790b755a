/** Which health checks are refused because the system cannot meet them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import type { HealthCheck } from "./health-check.ts";
import { impossibleChecks } from "./impossible-checks.ts";

const FILES: Readonly<Record<string, string>> = {
  "usr/bin/test": "->/nix/store/coreutils/bin/test",
  "/nix/store/coreutils/bin/test": "ELF",
  "usr/bin/gone": "->/nix/store/coreutils/bin/gone",
  "usr/sbin/nginx": "ELF",
  "sw/bin/nixos-program": "ELF",
  "usr/lib/systemd/system/nginx.service": "[Service]\nExecStart=/usr/sbin/nginx\n",
  "usr/lib/systemd/system/getty@.service": "[Service]\nExecStart=/sbin/agetty\n",
  "etc/systemd/system/masked.service": "->/dev/null",
};
const CURL = { "usr/bin/curl": "ELF" };

/** A check, and why it cannot hold; null when it can. */
const CASES: readonly [wish: object, problem: string | null][] = [
  [{ kind: "unit", unit: "nginx.service" }, null],
  [{ kind: "unit", unit: "getty@tty1.service" }, null],
  [{ kind: "unit", unit: "nginix.service" }, "wants the unit nginix.service, which the host's system does not have"],
  [{ kind: "unit", unit: "masked.service" }, "wants the unit masked.service, which the host's system masks"],
  [{ kind: "unit", unit: "persist.mount" }, null],
  [{ kind: "command", command: ["/usr/bin/test", "-e", "/x"] }, null],
  [{ kind: "command", command: ["/bin/test"] }, null],
  [{ kind: "command", command: ["test"] }, null],
  [{ kind: "command", command: ["nginx"] }, null],
  [{ kind: "command", command: ["nixos-program"] }, null],
  [{ kind: "command", command: ["/run/current-system/sw/bin/nixos-program"] }, null],
  [{ kind: "command", command: ["/var/lib/app/check"] }, null],
  [{ kind: "command", command: ["/usr/bin/tset"] }, "runs /usr/bin/tset, which the host's system does not have"],
  [{ kind: "command", command: ["/usr/bin/gone"] }, "runs /usr/bin/gone, which the host's system does not have"],
  [{ kind: "command", command: ["tset"] }, "runs tset, which the host's system does not have"],
  [
    { kind: "command", command: ["/run/current-system/sw/bin/x"] },
    "runs /run/current-system/sw/bin/x, which the host's system does not have",
  ],
  [{ kind: "http", url: "http://localhost/" }, null],
  [{ kind: "http", url: "https://localhost/" }, "asks by https, which needs 'curl' in the host's packages"],
  [{ kind: "tcp", host: "localhost", port: 1 }, null],
];

for (const [wish, problem] of CASES) {
  test(`${JSON.stringify(wish)}: ${problem ?? "can hold"}`, () => {
    const checks = [{ name: "c", ...wish } as unknown as HealthCheck];
    assert.deepEqual(impossibleChecks(systemOf("s", FILES), checks), problem === null ? [] : [{ name: "c", problem }]);
    if (wish === CASES.at(-2)?.[0])
      assert.deepEqual(impossibleChecks(systemOf("s", { ...FILES, ...CURL }), checks), []);
  });
}
