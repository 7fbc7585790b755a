/** The page of the fault matrix tells of the steps that the code has: one without a row, or with a bad end, fails here. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TRANSACTION_STEPS } from "../src/machine/transaction.ts";
import { FAULTS, matrixPairs } from "./support/faults/cases.ts";
import { FAULT_MATRIX_PAGE } from "./support/faults/page.ts";

const AGAIN = "run 'npm run fault-matrix', which writes docs/fault-matrix.md";

const table = readFileSync(FAULT_MATRIX_PAGE, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("|"))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const first = table.findIndex(([head]) => head === "step");
const [head, , ...rows] = table.slice(first);

test("the rows are the steps, the columns the faults", () => {
  assert.deepEqual(head, ["step", ...FAULTS], AGAIN);
  assert.deepEqual(
    rows.map(([step]) => step),
    TRANSACTION_STEPS.map(({ name }) => `\`${name}\``),
    AGAIN,
  );
});

test("each pair ended well, says why it cannot be, or waits for the next run", () => {
  const pairs = matrixPairs();
  const shown = rows.flatMap((cells) => cells.slice(1));
  assert.equal(shown.length, pairs.length);
  const right = { driven: /^(?:old|new): |^not run$/, impossible: /^– \[\d+\]$/ };
  const kindOf = (pair: (typeof pairs)[number], cell: string): keyof typeof right =>
    // Where it was written there may have been no virtual hosts.
    "reason" in pair || (pair.isVirtual && cell.startsWith("–")) ? "impossible" : "driven";
  const wrong = pairs.filter((pair, index) => !right[kindOf(pair, shown[index]!)].test(shown[index]!));
  assert.deepEqual(wrong, [], AGAIN);
});
