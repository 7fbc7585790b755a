/** What a rollout knows of those that came before and after it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Receipt } from "../../machine/transaction.ts";
import { laterDeployment } from "./rollout-record.ts";

test("a confirmed deployment of a later time, or of the same second, is not undone", () => {
  const rollout = { id: "20261128T100153-ann01" };
  const operator = { user: "ben", host: "desk", pid: 1 };
  const isLater = (id: string, outcome: Receipt["outcome"] = "confirmed"): boolean =>
    laterDeployment([{ id, outcome, operator, planReason: "deploy" } as Receipt], rollout) !== undefined;
  assert.equal(isLater("20261128T100154-ben02-web"), true);
  assert.equal(isLater("20261128T100153-ben02-web"), true);
  assert.equal(isLater("20261128T100152-ben02-web"), false);
  assert.equal(isLater("20261128T100154-ben02-web", "reverted"), false);
  assert.equal(isLater("20261128T100153-ann01-web"), false, "its own");
  assert.equal(isLater("by-hand"), false);
});
