/** `pristine probe`: what machines are, and what can be made of them. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

export function registerProbe(program: Command): void {
  program
    .command("probe")
    .summary("look at machines that no fleet declares yet")
    .description(
      "Looks over ssh at each machine (a name of your ssh configuration, USER@NAME or ssh://USER@NAME:PORT): architecture, memory, disks, network, ssh, users, init and kernel, and says which bases its system could have and why. It only reads: no program is copied there, no file is written, sudo is not asked. No fleet file is needed.",
    )
    .argument("<addresses...>", "the machines, as ssh understands them")
    .addHelpText(
      "after",
      `${exitCodesHelp({
        ok: "every machine can be deployed to now or later",
        usage: "usage error",
        hostsFailed: "a machine was not reached, or is fit for no base",
      })}\n\nExample:\n  pristine probe root@db.example.org`,
    )
    .action(
      action(async (session, addresses: string[]) => {
        const { probeMachines } = await import("../../fleet/probe-machines.ts");
        const { probeDisplay, renderProbes } = await import("../render/probe.ts");
        const { terminal, signal, observer, progress, options } = session;
        const targets = addresses.map((host) => ({ host }));
        const answers = await probeMachines(targets, {
          configFile: options.sshConfig,
          onCommand: observer.command,
          onProgress: probeDisplay(progress),
          signal,
        });
        if (options.json) terminal.out(JSON.stringify({ hosts: answers }));
        else for (const line of renderProbes(answers, terminal)) terminal.out(line);
        const isFit = answers.every(({ bases }) => bases?.some(({ possible }) => possible !== "no"));
        return isFit ? EXIT.ok : EXIT.hostsFailed;
      }),
    );
}
