/**
 * An approved plan as a file: what `plan --out` writes and `deploy --plan` executes exactly, or refuses.
 *
 * The file is JSON with a digest of its `plan`, so that what is executed is what was shown. It holds no secrets, and the
 * systems themselves stay in the local store.
 */

import { OperationError } from "../base/errors.ts";
import { hashBytes } from "../format/hash.ts";
import { readText, writeFileAtomic } from "../system/files.ts";
import type { ApprovedPlan } from "./rollout/rollout-record.ts";

interface PlanFile {
  readonly format: "pristine-plan";
  readonly digest: string;
  readonly plan: ApprovedPlan;
}

export async function writePlanFile(path: string, plan: ApprovedPlan): Promise<void> {
  const file: PlanFile = { format: "pristine-plan", digest: digestOf(plan), plan };
  await writeFileAtomic(path, `${JSON.stringify(file, undefined, 2)}\n`);
}

/** Reads a plan; rejects with `PLAN_INVALID` for anything that `writePlanFile` did not write as it is. */
export async function readPlanFile(path: string): Promise<ApprovedPlan> {
  const file = parse(await readText(path));
  if (file?.format !== "pristine-plan" || file.plan?.version !== 1) {
    throw new OperationError("PLAN_INVALID", `${path} is no plan that this version of Pristine wrote`, {
      hint: "make one with 'pristine plan --out FILE'",
    });
  }
  if (digestOf(file.plan) !== file.digest) {
    throw new OperationError("PLAN_INVALID", `the plan in ${path} is not as it was written`, {
      hint: "make it again with 'pristine plan --out FILE'",
    });
  }
  return file.plan;
}

function parse(text: string): Partial<PlanFile> | undefined {
  try {
    return JSON.parse(text) as Partial<PlanFile>;
  } catch {
    // No JSON is no plan, which the caller says.
    return undefined;
  }
}

function digestOf(plan: ApprovedPlan): string {
  return hashBytes("sha256", Buffer.from(JSON.stringify(plan))).toBase16();
}
