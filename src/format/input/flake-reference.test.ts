/** Flake references, against what Nix 2.34 says to each (`test/oracle/flake-references.test.ts` asks it again). */
import assert from "node:assert/strict";
import { test } from "node:test";
import rows from "../../../test/vectors/flake-references.json" with { type: "json" };
import { FormatError } from "../../base/errors.ts";
import {
  flakeReferenceAttributes,
  flakeReferenceOfAttributes,
  parseFlakeReference,
  renderFlakeReference,
} from "./flake-reference.ts";

function outcomeOf(reference: string): object {
  try {
    const attributes = flakeReferenceAttributes(parseFlakeReference(reference));
    const printed = renderFlakeReference(flakeReferenceOfAttributes(attributes));
    return { reference, attributes: Object.fromEntries(attributes), printed };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { reference, error: error.reason };
  }
}

for (const row of rows) test(`flake reference ${row.reference}`, () => assert.deepEqual(outcomeOf(row.reference), row));
