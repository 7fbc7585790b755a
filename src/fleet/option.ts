/**
 * One option of a host as its modules declare and define it, or the options below a path.
 *
 * `nix/option.nix` finds it; this module asks the evaluator, so that what fails is shown beside what does not.
 */

import { dirname, resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import { evaluate, type EvaluationResult } from "../realise/evaluate.ts";
import { EvalDiagnostic } from "../realise/evaluation-request.ts";
import { fleetExpression, nixDirectory, nixString, requireFleetFile } from "./inventory.ts";
import { selectHosts } from "./selection.ts";

/** Where something is written; `file` may say more than a path, such as for whom it is. */
export interface OptionPlace {
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
}

export interface OptionDefinition extends OptionPlace {
  /** As `lib.mkOverride` takes it: the least one counts. */
  readonly priority: number;
  /** Whether no other definition overrides it. */
  readonly isUsed: boolean;
}

export interface OptionFacts {
  readonly name: string;
  readonly type: string;
  readonly description: string;
  readonly readOnly: boolean;
  /** False where the path has a `<name>` or `*`, which stand for any. */
  readonly hasValue: boolean;
  readonly hasDefault: boolean;
  /** The default as its declaration describes it. */
  readonly defaultText: string | null;
  readonly hasExample: boolean;
  readonly exampleText: string | null;
  readonly declarations: readonly OptionPlace[];
}

export interface OptionAnswer {
  readonly facts: OptionFacts;
  /** The value, the default, the example and what each definition gives, each as a printed list of one. */
  readonly printed: string;
  readonly definitions: readonly OptionDefinition[] | EvalDiagnostic;
  /** The value as JSON, or why it has none. */
  readonly json?: { readonly text: string } | { readonly error: EvalDiagnostic };
}

export interface OptionSummary {
  readonly name: string;
  readonly type: string;
  readonly description: string;
}

export type FoundOption =
  | { readonly kind: "option"; readonly answer: OptionAnswer }
  | { readonly kind: "set"; readonly below: readonly OptionSummary[] };

interface RawFacts {
  readonly hosts?: readonly string[];
  readonly unknown?: { readonly name: string; readonly near: readonly string[]; readonly alike: readonly string[] };
  readonly below?: readonly OptionSummary[];
  readonly option?: OptionFacts;
}

interface RawDefinition {
  readonly file: string;
  readonly place: { readonly file: string; readonly line: number; readonly column: number } | null;
  readonly priority: number;
  readonly isUsed: boolean;
}

/** Looks up the option of a host; `withJson` asks for its value as JSON, too. */
export async function findOption(
  fleetFile: string,
  asked: { readonly host: string; readonly path: readonly string[]; readonly withJson: boolean },
  signal: AbortSignal,
): Promise<FoundOption> {
  const file = resolve(fleetFile);
  await requireFleetFile(file);
  const expression = optionExpression(file, asked.host, asked.path);
  const ask = async (attrPath: string | readonly string[], output: "json" | "printed"): Promise<EvaluationResult> =>
    await evaluate({ expression, baseDir: dirname(file), attrPath, output, strict: output === "json" }, signal);

  const facts = JSON.parse((await ask("facts", "json")).text) as RawFacts;
  if (facts.hosts !== undefined)
    selectHosts(
      facts.hosts.map((name) => ({ name, tags: [] })),
      [asked.host],
    );
  if (facts.unknown !== undefined) throw unknownOption(asked.host, facts.unknown);
  if (facts.below !== undefined) return { kind: "set", below: facts.below };

  const definitions = await orDiagnostic(async () =>
    (JSON.parse((await ask("definitions", "json")).text) as RawDefinition[]).map(definitionOf),
  );
  const given = definitions instanceof EvalDiagnostic ? [] : definitions.map((_, index) => `definitions.${index}`);
  const parts = ["value", "default", "example", ...given].map((part) => `values.${part}`);
  const { text: printed } = await ask(parts, "printed");
  const json = asked.withJson ? await orDiagnostic(async () => (await ask("values.value.0", "json")).text) : undefined;
  return {
    kind: "option",
    answer: {
      facts: facts.option!,
      printed,
      definitions,
      ...(json === undefined ? {} : { json: typeof json === "string" ? { text: json } : { error: json } }),
    },
  };
}

async function orDiagnostic<T>(ask: () => Promise<T>): Promise<T | EvalDiagnostic> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof EvalDiagnostic) return error;
    throw error;
  }
}

/** A definition's file may say for whom it is (`fleet.nix (host web1)`); its place knows the line. */
function definitionOf({ file, place, ...rest }: RawDefinition): OptionDefinition {
  return { file, line: place?.line ?? null, column: place?.column ?? null, ...rest };
}

function unknownOption(host: string, unknown: NonNullable<RawFacts["unknown"]>): OperationError {
  const { near, alike, name } = unknown;
  const meant = near.length > 0 ? near : alike;
  const hint =
    meant.length === 0 ? `list what there is: pristine option ${host}` : `did you mean ${meant.join(" or ")}?`;
  return new OperationError("OPTION_UNKNOWN", `${host} has no option '${name}'`, { hint });
}

function optionExpression(file: string, host: string, path: readonly string[]): string {
  return `
    let
      pristine = import (/. + ${nixString(nixDirectory())}) { };
      inherit (${fleetExpression(file)}) hosts;
    in
    if !(hosts ? ${nixString(host)}) then
      { facts.hosts = builtins.attrNames hosts; }
    else
      import (/. + ${nixString(`${nixDirectory()}/option.nix`)}) {
        inherit (pristine) lib;
        inherit (hosts.${nixString(host)}) options;
        path = [ ${path.map(nixString).join(" ")} ];
      }`;
}
