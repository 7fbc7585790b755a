/** What a derivation says about the references its outputs may have. */

import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { closureOf } from "../format/closure-graph.ts";
import type { Derivation } from "../format/derivation.ts";
import { StorePath } from "../format/store-path.ts";
import { wordsOf } from "./builder-environment.ts";

export interface CheckedOutput {
  readonly name: string;
  readonly path: StorePath;
  readonly references: readonly StorePath[];
  readonly narSize: number;
}

const RULES = ["allowedReferences", "disallowedReferences", "allowedRequisites", "disallowedRequisites"] as const;
type Rule = (typeof RULES)[number];

interface Checks {
  readonly rules: Partial<Record<Rule, readonly string[]>>;
  readonly maxSize?: number | undefined;
  readonly maxClosureSize?: number | undefined;
}

/** Throws `OUTPUT_REFUSED` for the first output that breaks a rule. */
export function checkOutputs(
  drv: Derivation,
  storeDir: string,
  outputs: readonly CheckedOutput[],
  referencesOf: (path: StorePath) => readonly StorePath[],
  narSizeOf: (path: StorePath) => number,
): void {
  const own = new Map(outputs.map((output) => [output.path.baseName, output]));
  const allReferences = (path: StorePath): readonly StorePath[] =>
    own.get(path.baseName)?.references ?? referencesOf(path);
  const sizeOf = (path: StorePath): number => own.get(path.baseName)?.narSize ?? narSizeOf(path);
  for (const output of outputs) {
    const checks = checksFor(drv, output.name);
    const refuse = (what: string): never => {
      throw new OperationError("OUTPUT_REFUSED", `output '${output.path.render(storeDir)}' ${what}`);
    };
    if (checks.maxSize !== undefined && output.narSize > checks.maxSize) {
      refuse(`is too large at ${output.narSize} bytes; the limit is ${checks.maxSize} bytes`);
    }
    const closure = [...closureOf([output.path], allReferences).values()];
    const closureSize = closure.reduce((sum, path) => sum + sizeOf(path), 0);
    if (checks.maxClosureSize !== undefined && closureSize > checks.maxClosureSize) {
      refuse(`has a closure of ${closureSize} bytes; the limit is ${checks.maxClosureSize} bytes`);
    }
    for (const rule of RULES) {
      const spec = checks.rules[rule];
      if (spec === undefined) continue;
      const named = new Set(spec.map((word) => pathNamed(word, outputs, storeDir)));
      const recursive = rule.endsWith("Requisites");
      const paths = recursive ? closure.filter((path) => !path.equals(output.path)) : output.references;
      const forbids = rule.startsWith("disallowed");
      const bad = paths.filter((path) => named.has(path.baseName) === forbids);
      if (bad.length > 0) {
        const list = bad.map((path) => `\n  ${path.render(storeDir)}`).join("");
        refuse(`is not allowed to refer to the following paths (${rule}):${list}`);
      }
    }
  }
}

function pathNamed(word: string, outputs: readonly CheckedOutput[], storeDir: string): string {
  const output = outputs.find(({ name }) => name === word);
  return output?.path.baseName ?? StorePath.ofFull(word, storeDir).baseName;
}

function checksFor(drv: Derivation, outputName: string): Checks {
  const structured = drv.env.get("__json");
  if (structured === undefined) {
    const rules: Partial<Record<Rule, readonly string[]>> = {};
    for (const rule of RULES) {
      const value = drv.env.get(rule);
      if (value !== undefined) rules[rule] = wordsOf(value);
    }
    return { rules };
  }
  const { outputChecks } = JSON.parse(textOfByteString(structured)) as { outputChecks?: Record<string, unknown> };
  const own = outputChecks?.[outputName] as Record<string, unknown> | undefined;
  const rules: Partial<Record<Rule, readonly string[]>> = {};
  for (const rule of RULES) if (Array.isArray(own?.[rule])) rules[rule] = own[rule] as string[];
  const { maxSize, maxClosureSize } = (own ?? {}) as { maxSize?: number; maxClosureSize?: number };
  return { rules, maxSize, maxClosureSize };
}
