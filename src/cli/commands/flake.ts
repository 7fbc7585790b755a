/** `pristine flake`: what a flake provides, where its inputs come from, and its lock file. */

import type { Command } from "commander";
import { currentSystem } from "../../realise/current-system.ts";
import type { EvaluationRequest, EvaluationResult } from "../../realise/evaluate.ts";
import type { FlakeRequest } from "../../realise/flake/flake-request.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { addLockOptions, flakeRequest, type LockOptions } from "../flake-options.ts";
import { safeText } from "../../base/safe-text.ts";
import { action, type Session } from "../session.ts";

interface FlakeOptions extends LockOptions {
  readonly impure?: boolean;
  readonly showTrace?: boolean;
}

const ARGUMENT = "a flake reference (default: the current directory)";

export function registerFlake(program: Command): void {
  const flake = program
    .command("flake")
    .summary("look into flakes, lock and check them")
    .description("Works with flakes: trees with a flake.nix that names its inputs, and a flake.lock that pins them.")
    .addHelpText("after", exitCodesHelp({ ok: "done", usage: "the flake is wrong, or an input cannot be had" }));
  registerShow(flake);
  registerMetadata(flake);
  registerCheck(flake);
  registerLock(flake);
  registerUpdate(flake);
  registerInit(flake);
}

function addCommonOptions(command: Command): Command {
  return addLockOptions(command)
    .option("--impure", "evaluate with environment, time and files")
    .option("--show-trace", "show the whole trace of an error")
    .addHelpText("after", exitCodesHelp({ ok: "done", usage: "the flake is wrong, or an input cannot be had" }));
}

function registerShow(flake: Command): void {
  const command = flake
    .command("show")
    .summary("show the outputs of a flake")
    .argument("[flake]", ARGUMENT, ".")
    .option("--all-systems", "show packages of other systems, too")
    .option("--legacy", "look into legacyPackages, too");
  addCommonOptions(command).action(
    action(async (session, reference: string, options: FlakeOptions & { allSystems?: boolean; legacy?: boolean }) => {
      const task = {
        kind: "show",
        json: session.options.json,
        allSystems: options.allSystems ?? false,
        legacy: options.legacy ?? false,
      } as const;
      const { text } = await ask(session, flakeRequest(reference, task, options), options, { canBuild: false });
      session.terminal.out(text);
      return EXIT.ok;
    }),
  );
}

function registerMetadata(flake: Command): void {
  const command = flake
    .command("metadata")
    .summary("show where a flake and its inputs come from")
    .argument("[flake]", ARGUMENT, ".");
  addCommonOptions(command).action(
    action(async (session, reference: string, options: FlakeOptions) => {
      const task = { kind: "metadata", json: session.options.json } as const;
      const { text } = await ask(session, flakeRequest(reference, task, options), options, { canBuild: false });
      session.terminal.out(text);
      return EXIT.ok;
    }),
  );
}

function registerCheck(flake: Command): void {
  const command = flake
    .command("check")
    .summary("evaluate all outputs of a flake and build its checks")
    .argument("[flake]", ARGUMENT, ".")
    .option("--all-systems", "evaluate the outputs for other systems, too")
    .option("--no-build", "evaluate only");
  addCommonOptions(command).action(
    action(async (session, reference: string, options: FlakeOptions & { allSystems?: boolean; build: boolean }) => {
      const task = { kind: "check", allSystems: options.allSystems ?? false } as const;
      const request = flakeRequest(reference, task, options);
      const { decodeCheckResult } = await import("../../realise/flake/run-flake.ts");
      const result = await ask(session, request, options, { canBuild: options.build });
      const { checks, omittedSystems } = decodeCheckResult(result.text);
      if (options.build && checks.length > 0) {
        const { buildDerivations } = await import("../flake-build.ts");
        const drvPaths = checks.map(({ drvPath }) => drvPath);
        await buildDerivations(session, result, await result.store(), drvPaths);
      }
      const { terminal } = session;
      if (session.options.json) terminal.out(JSON.stringify({ checks, omittedSystems }));
      else terminal.err("all checks passed!");
      if (omittedSystems.length > 0) {
        const systems = omittedSystems.join(", ");
        terminal.err(
          `warning: The check omitted these incompatible systems: ${systems}\nUse '--all-systems' to check all.`,
        );
      }
      return EXIT.ok;
    }),
  );
}

function registerLock(flake: Command): void {
  const command = flake
    .command("lock")
    .summary("add what is missing to the lock file of a flake")
    .argument("[flake]", ARGUMENT, ".");
  addCommonOptions(command).action(
    action(async (session, reference: string, options: FlakeOptions) => {
      const request = flakeRequest(reference, { kind: "lock" }, options, { failsOnUnlocked: true });
      await ask(session, request, options, { canBuild: false });
      if (session.options.json) session.terminal.out(JSON.stringify({}));
      return EXIT.ok;
    }),
  );
}

function registerUpdate(flake: Command): void {
  const command = flake
    .command("update")
    .summary("lock the inputs of a flake anew")
    .argument("[inputs...]", "inputs to lock anew, such as 'nixpkgs' or 'dep/nixpkgs' (default: all)")
    .option("--flake <flake>", ARGUMENT, ".");
  addCommonOptions(command).action(
    action(async (session, inputs: readonly string[], options: FlakeOptions & { flake: string }) => {
      const lock = { recreates: inputs.length === 0, updates: inputs, writes: true };
      await ask(session, flakeRequest(options.flake, { kind: "lock" }, options, lock), options, { canBuild: false });
      if (session.options.json) session.terminal.out(JSON.stringify({}));
      return EXIT.ok;
    }),
  );
}

function registerInit(flake: Command): void {
  const command = flake
    .command("init")
    .summary("write the files of a template of a flake to the current directory")
    .option("-t, --template <flake>", "the template, FLAKE#NAME", "templates");
  addCommonOptions(command).action(
    action(async (session, options: FlakeOptions & { template: string }) => {
      const { TEMPLATE_REQUEST, TEMPLATE_TASK, writeTemplate } = await import("../flake-template.ts");
      const request = flakeRequest(options.template, TEMPLATE_TASK, options, { writes: false });
      const result = await ask(session, request, options, { canBuild: false }, TEMPLATE_REQUEST);
      const { storeRoot } = result;
      const tell = (line: string): void => session.terminal.err(safeText(line));
      await writeTemplate(result, process.cwd(), { storeRoot, signal: session.signal, tell });
      if (session.options.json) session.terminal.out(JSON.stringify({}));
      return EXIT.ok;
    }),
  );
}

type Asked = EvaluationResult & {
  readonly storeRoot: string;
  readonly store: () => Promise<import("../../store/local-store.ts").LocalStore>;
};

async function ask(
  session: Session,
  flake: FlakeRequest,
  options: FlakeOptions,
  { canBuild }: { readonly canBuild: boolean },
  request: Partial<EvaluationRequest> = {},
): Promise<Asked> {
  const { evaluate } = await import("../../realise/evaluate.ts");
  const { evaluationServices } = await import("../evaluation-services.ts");
  const { services, storeRoot, store } = await evaluationServices(session, { canBuild });
  const result = await evaluate(
    {
      flake,
      baseDir: process.cwd(),
      pure: options.impure !== true,
      system: currentSystem(),
      showTrace: options.showTrace ?? false,
      output: "printed",
      // What is locked anew is asked for anew, however recently it was downloaded.
      ...(flake.task.kind === "lock" ? { fetchSettings: { tarballTtl: 0 } } : {}),
      ...storeRoot,
      ...request,
    },
    session.signal,
    // What is selected has to be at hand, not only remembered.
    flake.task.kind === "select" ? { ...services, remembering: "off" } : services,
  );
  return { ...result, storeRoot: storeRoot.storeRoot ?? "", store };
}
