/** `pristine mesh`: the keys by which users of hosts reach each other over ssh. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { onOption } from "../host-option.ts";
import { action } from "../session.ts";

const HOSTS = "host names, globs or @tags (default: all)";

export function registerMesh(program: Command): void {
  const mesh = program
    .command("mesh")
    .summary("collect, list and renew the keys of users who reach each other over ssh")
    .description(
      "Users of a mesh (deployment.sshMesh, pristine.sshMesh on NixOS) have keys that are made on their hosts and stay there. Their public parts, and what the others must know of each host, are kept in pristine.mesh.d beside the fleet file; commit it. What they open, deployments declare. See docs/manual/ssh-mesh.md.",
    )
    .addHelpText("after", exitCodesHelp({ ok: "done", usage: "something is missing or wrong; the message says what" }));

  mesh
    .command("list")
    .summary("show who is in which mesh, and whose key is known")
    .argument("[hosts...]", HOSTS)
    .addOption(onOption())
    .addHelpText("after", exitCodesHelp({ ok: "listed, whatever is known" }))
    .action(
      action(async (session, names: string[], options: { on: string[] }) => {
        const { openContext } = await import("../../library/context.ts");
        const { listMembers, renderMembers } = await import("../mesh-flow.ts");
        const members = listMembers((await openContext(session, { hosts: [...names, ...options.on] })).hosts);
        session.progress.close();
        if (session.options.json) session.terminal.out(JSON.stringify({ members }));
        else for (const line of renderMembers(members, session.terminal)) session.terminal.out(line);
        return EXIT.ok;
      }),
    );

  for (const { name, isNew, summary, description } of [
    {
      name: "collect",
      isNew: false,
      summary: "make keys on hosts where they are missing, and write down their public parts",
      description:
        "Asks each host for the public parts of its users' keys, after it has made those that it does not have: a new host's, a replaced one's. The host's own ssh key is asked for, too, where none is declared or enrolled. What is written counts from the next deployment on.",
    },
    {
      name: "rotate",
      isNew: true,
      summary: "make new keys, and write down their public parts",
      description:
        "The old keys stay on their hosts, for the generations that use them, and open nothing that was deployed after.",
    },
  ]) {
    mesh
      .command(name)
      .summary(summary)
      .description(description)
      .argument("[hosts...]", HOSTS)
      .addOption(onOption())
      .option("-y, --yes", "enrol hosts' ssh keys without asking")
      .addHelpText(
        "after",
        exitCodesHelp({
          ok: "all keys are known",
          usage: "a key cannot be made or was not approved; what was collected before is written",
          hostsFailed: "a host was not reached",
        }),
      )
      .action(
        action(async (session, names: string[], options: { on: string[]; yes?: boolean }) => {
          const { openContext } = await import("../../library/context.ts");
          const { collectMesh, renderCollected } = await import("../mesh-flow.ts");
          const context = await openContext(session, { hosts: [...names, ...options.on] });
          const collected = await collectMesh(session, context, { isNew, yes: options.yes === true });
          session.progress.close();
          if (session.options.json) session.terminal.out(JSON.stringify({ hosts: collected }));
          else for (const line of renderCollected(collected)) session.terminal.out(line);
          return EXIT.ok;
        }),
      );
  }
}
