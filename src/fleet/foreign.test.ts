/** What a change may do to the user by which the deployer comes in. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { NamedChange } from "../machine/system-diff.ts";
import { requireWayIn } from "./foreign.ts";

const change = (kind: NamedChange["kind"], details: readonly string[] = [], name = "alice"): NamedChange => ({
  name,
  kind,
  details,
});

const CHANGES: Readonly<Record<string, readonly [change: NamedChange, refusal?: RegExp]>> = {
  "is made": [change("added")],
  "stays, and another one goes": [change("removed", [], "bob")],
  "gets other keys, which the confirmation by a fresh connection is for": [change("changed", ["ssh keys: 1 → 2"])],
  "is removed": [change("removed"), /old is deployed to as alice, which this would remove/],
  "is changed": [change("changed", ["ssh keys: 1 → 2", "groups: sudo → "]), /as alice, which this would change/],
};
for (const [title, [one, message]] of Object.entries(CHANGES)) {
  test(`the user of the deployer ${title}: ${message === undefined ? "allowed" : "refused"}`, () => {
    const check = (): void => {
      requireWayIn("old", "alice", [one]);
    };
    if (message === undefined) check();
    else assert.throws(check, { code: "HOST_IN_THE_WAY", message });
  });
}
