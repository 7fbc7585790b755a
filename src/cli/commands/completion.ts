/** `pristine completion`: completes commands, options, hosts and tags in shells. */

import { Argument, type Command } from "commander";
import type { HostInventory } from "../../fleet/inventory.ts";
import type { FleetWords } from "../completion.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

const SHELLS = ["bash", "zsh", "fish"];

/** A fleet that takes longer to evaluate gets no names completed this time; the next press finds it remembered. */
const FLEET_DEADLINE_MS = 10_000;

export function registerCompletion(program: Command): void {
  program
    .command("completion")
    .summary("print the script that completes commands in a shell")
    .description(
      "Prints a script for a shell, which then completes commands, options, their values, the hosts and @tags of the fleet, and names of options.\n\n" +
        '  bash  in ~/.bashrc: eval "$(pristine completion bash)"\n' +
        '  zsh   in ~/.zshrc, after compinit: eval "$(pristine completion zsh)"\n' +
        "  fish  in ~/.config/fish/config.fish: pristine completion fish | source",
    )
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText("after", exitCodesHelp({ ok: "printed", usage: "another shell" }))
    .action(
      action(async (session, shell: string) => {
        const { readText } = await import("../../system/files.ts");
        const { programFile } = await import("../../system/program-files.ts");
        session.terminal.out((await readText(programFile(`bin/completion/pristine.${shell}`))).trimEnd());
        return EXIT.ok;
      }),
    );

  program
    .command("complete", { hidden: true })
    .description("Answers the scripts of 'pristine completion'.")
    .argument("[words...]", "the words of the line, after --")
    .action(
      action(async (session, words: string[]) => {
        const { complete, renderCompletions } = await import("../completion.ts");
        const file = fleetFileOf(words) ?? session.options.fleet;
        const signal = AbortSignal.any([session.signal, AbortSignal.timeout(FLEET_DEADLINE_MS)]);
        for (const line of renderCompletions(await complete(program, words, fleetWords(file, signal)))) {
          session.terminal.out(line);
        }
        return EXIT.ok;
      }),
    );
}

function fleetFileOf(words: readonly string[]): string | undefined {
  const at = words.indexOf("--fleet");
  return at >= 0 && at + 1 < words.length - 1
    ? words[at + 1]
    : words.find((word) => word.startsWith("--fleet="))?.slice("--fleet=".length);
}

/** A fleet that cannot be evaluated has no names to offer; saying why is not for a key. */
function fleetWords(fleetFile: string, signal: AbortSignal): FleetWords {
  const orNone = async <T>(ask: () => Promise<readonly T[]>): Promise<readonly T[]> => {
    try {
      return await ask();
    } catch {
      return [];
    }
  };
  const hosts = (): Promise<readonly HostInventory[]> =>
    orNone(async () => {
      const { loadInventory } = await import("../../fleet/inventory.ts");
      return (await loadInventory(fleetFile, "none", signal)).hosts;
    });
  return {
    hosts,
    secrets: async () => [
      ...new Set((await hosts()).flatMap(({ secrets }) => secrets?.secrets.map(({ name }) => name) ?? [])),
    ],
    options: (host) =>
      orNone(async () => {
        const { findOption } = await import("../../fleet/option.ts");
        const found = await findOption(fleetFile, { host, path: [], withJson: false }, signal);
        return found.kind === "set" ? found.below.map(({ name }) => name) : [];
      }),
  };
}
