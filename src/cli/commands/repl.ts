/** `pristine repl`: an interactive session of the Nix language. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";
import { addEvaluationOptions, type EvaluationOptions, evaluationRequest } from "./eval.ts";

export function registerRepl(program: Command): void {
  const command = program
    .command("repl")
    .summary("evaluate Nix expressions interactively")
    .description(
      "Reads expressions, definitions and commands from the terminal, or from a file or pipe, and prints values. The attributes of files named, and of --expr and --file, are variables from the start; so is 'fleet', when there is a fleet file. ':?' lists the commands.",
    )
    .argument("[files...]", "files to load, and flakes: FLAKE#ATTRIBUTE");
  addEvaluationOptions(command)
    .addHelpText("after", exitCodesHelp({ ok: "the session was left", usage: "a usage error" }))
    .action(
      action(async (session, words: string[], options: EvaluationOptions) => {
        const { ReplClient } = await import("../../realise/repl/repl-client.ts");
        const { evaluationServices } = await import("../evaluation-services.ts");
        const { performAction } = await import("../repl/repl-actions.ts");
        const { runReplLoop } = await import("../repl/repl-loop.ts");
        const { BuildCounts } = await import("../../library/build-counts.ts");
        const { fleetExpression } = await import("../../fleet/inventory.ts");
        const { exists } = await import("../../system/files.ts");
        const { terminal, signal } = session;
        const { expression, file, ...request } = await evaluationRequest(session, options);
        const { storeRoot, services, store } = await evaluationServices(session, { canBuild: true });
        const out = (text: string): void => void process.stdout.write(text);
        const error = (text: string): void => terminal.err(text.replace(/^error:/, terminal.colors.red("error:")));
        const client = new ReplClient(
          {
            request: { ...request, ...storeRoot },
            canRealise: true,
            colors: terminal.colors.isColorSupported && process.stdout.isTTY,
            isCompatible: false,
            flakes: words.filter(isFlake),
            files: [...words.filter((word) => !isFlake(word)), ...(file === undefined ? [] : [file])],
            expressions: options.expr === undefined ? [] : [{ text: expression ?? "", what: "--expr" }],
            variables: (await exists(session.fleetFile)) ? { fleet: fleetExpression(session.fleetFile) } : {},
          },
          services,
          { out, error, notice: (text) => terminal.err(text) },
        );
        await runReplLoop({
          client,
          prompt: "pristine> ",
          banner: "The Nix language. ':?' lists commands, Tab completes, Ctrl-D leaves.",
          echoes: false,
          out,
          error,
          act: async (wanted, reader) => {
            const display = new BuildCounts(session.observer);
            const markdown = { columns: Math.max(terminal.columns - 5, 60), colors: terminal.colors };
            await performAction(wanted, reader, {
              store,
              signal,
              out,
              onBuildEvent: (event) => display.take(event),
              markdown,
            });
          },
        });
        return EXIT.ok;
      }),
    );
}

/** Whether a word names a flake, or what is in it, rather than a file. */
function isFlake(word: string): boolean {
  return word.includes("#") || /^[a-z][a-z+]*:/.test(word);
}
