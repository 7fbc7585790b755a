/** `pristine eval`: values of expressions, files and the fleet. */

import { type Command, Option } from "commander";
import { resolve } from "node:path";
import { OperationError } from "../../base/errors.ts";
import type { EvaluationOutput, EvaluationRequest } from "../../realise/evaluate.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { collect } from "../host-option.ts";
import { argumentsOf, pair } from "../option-values.ts";
import { action, type Session } from "../session.ts";
import { addLockOptions, isInstallable, type LockOptions, selectRequest } from "../flake-options.ts";

export interface EvaluationOptions {
  readonly arg: readonly string[];
  readonly argstr: readonly string[];
  readonly include: readonly string[];
  readonly expr?: string;
  readonly file?: string;
  readonly pure?: boolean;
  readonly impure?: boolean;
  readonly showTrace?: boolean;
}

interface EvalOptions extends EvaluationOptions, LockOptions {
  readonly attr?: string;
  readonly apply?: string;
  readonly raw?: boolean;
  readonly xml?: boolean;
  readonly strict?: boolean;
  readonly readOnly?: boolean;
  readonly writeTo?: string;
  readonly profile?: string;
}

/** The options of every command that evaluates what it is given. */
export function addEvaluationOptions(command: Command): Command {
  return command
    .option("-E, --expr <expression>", "evaluate this expression")
    .option("-f, --file <path>", "evaluate this file, or <name> of the search path")
    .addOption(pair("--arg <name expression>", "an argument for functions on the way, as an expression"))
    .addOption(pair("--argstr <name text>", "the same as a string"))
    .addOption(
      new Option("-I, --include <path>", "add a directory, or NAME=PATH, to the search path")
        .argParser(collect)
        .default([], "NIX_PATH"),
    )
    .option("--pure", "evaluate without environment, search path, time and files")
    .option("--impure", "evaluate with all of these (the default, but not for flakes)")
    .option("--show-trace", "show the whole trace of an error");
}

export function registerEval(program: Command): void {
  const command = program
    .command("eval")
    .summary("evaluate a Nix expression, or look into the fleet")
    .description(
      "Evaluates an expression and prints its value. Without --expr or --file the expression is the fleet, which has the attributes hosts.NAME.config, hosts.NAME.options, hosts.NAME.system, inventory and meta. Derivations are printed as their paths, and an error inside a value in its place; --strict makes it an error.",
    )
    .argument("[attribute]", "an attribute path, or an output of a flake: FLAKE#ATTRIBUTE")
    .option("-A, --attr <path>", "the same as an option");
  addLockOptions(addEvaluationOptions(command))
    .option("--apply <function>", "print what this function makes of the value")
    .option("--strict", "evaluate the whole value before printing it")
    .option("--raw", "print a string without quotes")
    .option("--xml", "print the value as XML")
    .option("--write-to <path>", "write a string, or a set of strings, as a file or directory")
    .option("--profile <file>", "write where the time went: FILE.html, FILE.json (speedscope), or collapsed stacks")
    .option("--read-only", "build nothing that evaluation needs")
    .addHelpText(
      "after",
      `${exitCodesHelp({ ok: "evaluated", usage: "the expression is wrong" })}\n\nExample:\n  pristine eval hosts.web1.config.networking.hostName`,
    )
    .action(
      action(async (session, attribute: string | undefined, options: EvalOptions) => {
        const { evaluate } = await import("../../realise/evaluate.ts");
        const { evaluationServices } = await import("../evaluation-services.ts");
        if (attribute !== undefined && options.attr !== undefined) {
          throw new OperationError("USAGE", "the attribute is given twice, as a word and by --attr");
        }
        if (options.writeTo !== undefined) await refuseExisting(options.writeTo);
        const isOutput = attribute !== undefined && isInstallable(attribute);
        const attrPath = isOutput ? undefined : (attribute ?? options.attr);
        const request: EvaluationRequest = {
          ...(isOutput ? outputRequest(attribute, options) : await evaluationRequest(session, options)),
          ...(attrPath === undefined ? {} : { attrPath }),
          ...(options.apply === undefined ? {} : { apply: options.apply }),
          output: outputOf(session, options),
          strict: options.strict ?? session.options.json,
        };
        const { storeRoot, services } = await evaluationServices(session, { canBuild: options.readOnly !== true });
        const { PROFILE_REQUEST, profiledEvaluation } = await import("../profile/profiled-evaluation.ts");
        const { profile: file } = options;
        const located = { ...request, ...storeRoot };
        const result =
          file === undefined
            ? await evaluate(located, session.signal, { ...services, mayBlock: true })
            : await profiledEvaluation(file, async (told) => {
                const profiled = { ...located, profile: PROFILE_REQUEST };
                return await evaluate(profiled, session.signal, { ...services, ...told });
              });
        await show(session, result, options);
        return EXIT.ok;
      }),
    );
}

/** An output of a flake, evaluated purely unless that is not wanted. */
function outputRequest(installable: string, options: EvalOptions): Omit<EvaluationRequest, "output"> {
  if (options.expr !== undefined || options.file !== undefined) {
    throw new OperationError(
      "USAGE",
      `'${installable}' is an output of a flake; --expr and --file name something else`,
    );
  }
  if (options.arg.length + options.argstr.length > 0) {
    throw new OperationError("USAGE", "'--arg' and '--argstr' are incompatible with flakes");
  }
  return {
    flake: selectRequest(installable, options),
    baseDir: process.cwd(),
    pure: options.impure !== true,
    showTrace: options.showTrace ?? false,
    ...(options.attr === undefined ? {} : { attrPath: options.attr }),
  };
}

/** What the options ask to be evaluated, and with what; the fleet when they name nothing. */
export async function evaluationRequest(
  session: Session,
  options: EvaluationOptions,
): Promise<Omit<EvaluationRequest, "output">> {
  if (options.expr !== undefined && options.file !== undefined) {
    throw new OperationError("USAGE", "--expr and --file exclude each other");
  }
  const source =
    options.file === undefined
      ? { expression: options.expr ?? (await expressionOfFleet(session.fleetFile)) }
      : { file: options.file };
  return {
    ...source,
    baseDir: process.cwd(),
    args: argumentsOf(options),
    searchPath: options.include,
    pure: options.pure ?? false,
    showTrace: options.showTrace ?? false,
  };
}

async function expressionOfFleet(fleetFile: string): Promise<string> {
  const { fleetExpression } = await import("../../fleet/inventory.ts");
  return fleetExpression(fleetFile);
}

function outputOf(session: Session, options: EvalOptions): EvaluationOutput {
  const forms: readonly (readonly [string, boolean, EvaluationOutput])[] = [
    ["--write-to", options.writeTo !== undefined, "tree"],
    ["--raw", options.raw === true, "raw"],
    ["--xml", options.xml === true, "xml"],
    ["--json", session.options.json, "json"],
  ];
  const [first, second] = forms.filter(([, isGiven]) => isGiven);
  if (first !== undefined && second !== undefined && first[0] !== "--write-to") {
    throw new OperationError("USAGE", `${first[0]} and ${second[0]} exclude each other`);
  }
  return first?.[2] ?? "printed";
}

async function refuseExisting(path: string): Promise<void> {
  const { exists } = await import("../../system/files.ts");
  if (await exists(path)) throw new OperationError("USAGE", `'${path}' is there already; --write-to makes it`);
}

async function show(
  session: Session,
  result: { readonly text: string; readonly tree?: unknown },
  options: EvalOptions,
): Promise<void> {
  const { terminal } = session;
  if (options.writeTo !== undefined) {
    const { writeTextTree } = await import("../../system/text-tree.ts");
    writeTextTree(resolve(options.writeTo), result.tree as Parameters<typeof writeTextTree>[1]);
    if (session.options.json) terminal.out(JSON.stringify({ path: resolve(options.writeTo) }));
  } else terminal.out(options.xml === true ? result.text.trimEnd() : result.text);
}
