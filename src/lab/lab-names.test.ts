/** Names of labs' things. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHostName, checkLabName, hostLabel, segmentNames, uplinkName } from "./lab-names.ts";

test("interface names fit into the 15 characters that Linux allows, and differ", () => {
  const names = ["web1", "a-host-with-a-very-long-name", "a-host-with-a-very-long-name-2", "exactly12chr"];
  const made = names.flatMap((name) => [
    ...Object.values(segmentNames(name)),
    uplinkName(name),
    `vb-${hostLabel(name)}`,
  ]);
  for (const name of made) assert.ok(name.length <= 15, name);
  assert.equal(new Set(made).size, made.length);
});

test("names that could leave their directory are refused", () => {
  for (const name of ["", "..", "a/b", "-a", "A", "a".repeat(64), "_delay"]) {
    assert.throws(() => checkHostName(name), { code: "LAB_NAME_INVALID" }, name);
    assert.throws(() => checkLabName(name), { code: "LAB_NAME_INVALID" }, name);
  }
  checkHostName("web-1");
  checkLabName("shop");
});
