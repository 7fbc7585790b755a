/** What a rollout knows of those that came before and after it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Receipt } from "../../machine/transaction.ts";
import type { FailurePolicy } from "./policy.ts";
import { type ApprovedPlan, incompleteness, laterDeployment } from "./rollout-record.ts";

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

test("a plan with hosts that could not be made is executed only when that was said", () => {
  const planOf = (onFailure: FailurePolicy, failuresMax: number): ApprovedPlan =>
    ({
      hosts: [{}, {}, {}],
      policy: { onFailure, failuresMax },
      refused: [
        { host: "db", code: "HOST_EVALUATION", message: "attribute 'x' missing", isUnmade: true },
        { host: "web", code: "HOST_ARCHITECTURE", message: "it is another" },
      ],
    }) as unknown as ApprovedPlan;
  assert.equal(incompleteness(planOf("halt", 0))?.message, "1 of 3 hosts cannot be evaluated or built: db");
  assert.equal(incompleteness(planOf("rollBackWave", 0))?.code, "FLEET_INCOMPLETE");
  assert.equal(incompleteness(planOf("halt", 1)), undefined);
  assert.equal(incompleteness(planOf("continue", 0)), undefined);
});
