/** Uses what most starts use, so that its compiled code can be kept (scripts/code-cache.ts). Changes nothing. */

import { EvalDiagnostic, type EvaluationRequest } from "../realise/evaluation-request.ts";
import { runEvaluation } from "../realise/run-evaluation.ts";
import type { CodeGroup } from "../system/bundle.ts";
import { hasDeepStack } from "../system/main-thread.ts";
import { programFile } from "../system/program-files.ts";

/** What an ordinary program does: options and modules, sets, lists, strings, files, derivations. */
const PROGRAM = `
  let
    inherit (import ./nix { }) lib;
    modules = lib.evalModules {
      modules = [
        ({ config, lib, ... }: {
          options.names = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ ]; };
          options.users = lib.mkOption {
            default = { };
            type = lib.types.attrsOf (lib.types.submodule { options.shell = lib.mkOption { type = lib.types.str; }; });
          };
          config.names = lib.mkIf (config.users != { }) (builtins.attrNames config.users);
        })
        { users.a.shell = lib.mkDefault "sh"; names = lib.mkForce [ "b" ]; }
      ];
    };
    package = args: derivation ({ system = builtins.currentSystem; builder = "/bin/sh"; } // args);
    tool = package { name = "tool-1.2"; args = [ "-c" (builtins.toFile "script" ''echo \${lib.concatStringsSep " " [ "a" "b" ]}'') ]; };
    overridable = f: args: f args // { override = new: overridable f (args // new); };
    made = (overridable package { name = "made"; src = ./nix/lib; inherit tool; }).override { FLAGS = [ 1 true null ]; };
  in
  {
    inherit (modules.config) names users;
    drvPath = made.drvPath;
    numbers = builtins.foldl' (a: b: a + b) 0 (builtins.genList (n: n * 2) 50);
    matched = builtins.match "([a-z]+)-([0-9.]+)" tool.name;
    parts = builtins.split "[,;]" "a,b;c";
    version = builtins.parseDrvName tool.name // { newer = builtins.compareVersions "1.10" "1.9"; };
    replaced = builtins.replaceStrings [ "a" ] [ "b" ] (builtins.substring 0 5 "banana");
    json = builtins.fromJSON (builtins.toJSON { a = [ 1 2.5 "x" null { b = true; } ]; });
    failing = (builtins.tryEval (throw "no")).success;
    mapped = builtins.mapAttrs (_: value: value + 1) (builtins.listToAttrs [ { name = "x"; value = 1; } ]);
    sorted = builtins.sort builtins.lessThan (builtins.filter (n: n > 1) [ 3 1 2 ]);
    entries = builtins.attrNames (builtins.readDir ./nix);
  }
`;

/** What evaluation in the first thread uses. */
function warmUpEvaluation(): void {
  const baseDir = programFile(".");
  const requests: readonly EvaluationRequest[] = [
    { baseDir, expression: "1", output: "value" },
    { baseDir, expression: PROGRAM, output: "value", strict: true },
    { baseDir, expression: PROGRAM, attrPath: "drvPath", output: "raw" },
    { baseDir, expression: "let x = { a = 1; }; in x.b", output: "value" },
  ];
  for (const request of requests) {
    try {
      runEvaluation(request);
    } catch (error) {
      // The last one is there to fail.
      if (!(error instanceof EvalDiagnostic) || request !== requests.at(-1)) throw error;
    }
  }
}

/** What the Nix-compatible programs and the threads that evaluate start with. */
async function warmUpEvaluators(): Promise<void> {
  warmUpEvaluation();
  await import("./compat/nix-main.ts");
  await import("./compat/nix-instantiate-main.ts");
  const { parseArguments } = await import("./compat/nix-instantiate-arguments.ts");
  parseArguments(["--eval", "-E", "1"]);
}

/** What `pristine` starts with; `pristine eval` is started with a deep stack, and evaluates where it is. */
async function warmUpCommands(options: { readonly evaluates: boolean }): Promise<void> {
  const { makeProgram } = await import("./program.ts");
  makeProgram().helpInformation();
  if (!options.evaluates) return;
  await import("./evaluation-services.ts");
  await import("../fleet/inventory.ts");
  warmUpEvaluation();
}

export async function warmUp(group: CodeGroup): Promise<void> {
  if (group === "cli") await warmUpCommands({ evaluates: hasDeepStack() });
  else await warmUpEvaluators();
}
