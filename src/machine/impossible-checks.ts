/** Health checks that can never hold on a system, whatever happens on the host. */

import type { HealthCheck } from "./health-check.ts";
import { canRun } from "./programs.ts";
import type { SystemObject } from "./system-object.ts";
import { unitTypeOf } from "./unit-file.ts";

export interface ImpossibleCheck {
  readonly name: string;
  /** Completes `health check 'NAME' …`. */
  readonly problem: string;
}

export function impossibleChecks(system: SystemObject, checks: readonly HealthCheck[]): ImpossibleCheck[] {
  return checks.flatMap((check) => {
    const problem = problemOf(system, check);
    return problem === undefined ? [] : [{ name: check.name, problem }];
  });
}

function problemOf(system: SystemObject, check: HealthCheck): string | undefined {
  switch (check.kind) {
    case "unit":
      return unitProblem(system, check.unit);
    case "command":
      return programProblem(system, check.command[0] ?? "");
    case "http":
      if (!check.url.startsWith("https:") || canRun(system, "curl")) return undefined;
      return "asks by https, which needs 'curl' in the host's packages";
    default:
      return undefined;
  }
}

/** Of other types systemd makes units by itself, for mounts and devices for instance. */
const FILED_TYPES: ReadonlySet<string> = new Set(["service", "socket", "timer", "path", "target"]);

function unitProblem(system: SystemObject, name: string): string | undefined {
  if (!FILED_TYPES.has(unitTypeOf(name))) return undefined;
  const unit = system.unit(name);
  if (unit === undefined) return `wants the unit ${name}, which the host's system does not have`;
  return unit.isMasked ? `wants the unit ${name}, which the host's system masks` : undefined;
}

function programProblem(system: SystemObject, program: string): string | undefined {
  return canRun(system, program) ? undefined : `runs ${program}, which the host's system does not have`;
}
