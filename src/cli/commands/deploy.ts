/** `pristine plan`, `deploy` and `rollback`: what would be done, and doing it. */

import { type Command, Option } from "commander";
import type { FleetPlan } from "../../fleet/plan.ts";
import type { TransactionGoal } from "../../machine/transaction.ts";
import { exitCodesHelp, EXIT } from "../exit-codes.ts";
import { requireApproval } from "../option-values.ts";
import { action, type Session } from "../session.ts";
import { onOption } from "../host-option.ts";

const GOALS: readonly TransactionGoal[] = ["switch", "boot", "test", "dry-activate"];

interface PlanFlags {
  readonly on: string[];
  readonly goal: TransactionGoal;
  readonly parallel: string;
  readonly adopt?: boolean;
}

interface DeployFlags extends PlanFlags {
  readonly yes?: boolean;
  readonly confirmTimeout?: string;
  readonly ignoreInhibitors?: boolean;
}

export function registerDeploy(program: Command): void {
  withPlanOptions(
    program
      .command("plan")
      .summary("show what a deployment would do")
      .description(
        "Evaluates and builds the hosts' systems, looks at the hosts, and shows per host what would change: packages, units, files of /etc, users, ports, the paths and bytes to copy, and whether you might lock yourself out.\n\n" +
          "Nothing is changed on a host, except that the host kit (3 MB) is placed in its store.",
      )
      .argument("[hosts...]", "host names, globs or @tags (default: all)"),
  )
    .option("--diff", "show the text differences of files in /etc")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "planned (whether or not anything would change)",
        usage: "evaluation or a build failed",
        hostsFailed: "a host was not reached",
      }),
    )
    .action(
      action(async (session, names: string[], flags: PlanFlags & { diff?: boolean }) => {
        const { makePlan } = await import("../deploy-flow.ts");
        return makePlan(session, names, flags, async (plan) => {
          await showPlan(session, plan, { fileDiffs: flags.diff ?? false });
          if (session.options.json) {
            const { planRecord } = await import("../render/plan.ts");
            session.terminal.out(JSON.stringify({ plan: planRecord(plan) }));
          }
          return plan.hosts.some((host) => host.state === "unreachable" || host.state === "failed")
            ? EXIT.hostsFailed
            : EXIT.ok;
        });
      }),
    );

  withPlanOptions(
    program
      .command("deploy")
      .summary("make hosts what the fleet declares")
      .description(
        "Looks at the hosts before anything is built: that they are reached, are what their declaration says, and have room. Plans, asks, and then per host, in parallel: copies what is missing, activates as one transaction, runs the health checks, and confirms over a fresh connection. A host that is not confirmed in time returns by itself to the system it ran before, also when this program or the network is gone. Hosts do not affect each other.\n\nCtrl-C skips the hosts whose activation has not begun, and watches the others to their end; a second Ctrl-C leaves those to themselves, and they return unless confirmed.\n\n" +
          "Goals:\n" +
          "  switch        activate now, and boot it from now on\n" +
          "  test          activate now; the next reboot returns\n" +
          "  boot          activate at the next reboot\n" +
          "  dry-activate  only say what would be done to units",
      )
      .argument("[hosts...]", "host names, globs or @tags (default: all)"),
  )
    .option("-y, --yes", "do not ask")
    .option(
      "--confirm-timeout <seconds>",
      "how long a host waits for confirmation before it returns (default: as declared)",
    )
    .option("--ignore-inhibitors", "go on although the systems' switch inhibitors differ")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "every host is as wanted",
        usage: "usage or evaluation error, a failed build, or not approved: no host was touched",
        hostsFailed: "a host failed, was not reached, or returned to its previous system",
        cannotStart: "another deployment holds the hosts",
        interrupted: "interrupted; hosts already activating were still reported",
      }),
    )
    .action(
      action(async (session, names: string[], flags: DeployFlags) => {
        const { makePlan, executePlan } = await import("../deploy-flow.ts");
        return makePlan(session, names, flags, async (plan, sessions, context) => {
          await showPlan(session, plan, { fileDiffs: false });
          await approve(session, plan, flags.yes ?? false);
          return executePlan(session, plan, sessions, context, { ...flags, reason: "deploy" });
        });
      }),
    );

  withPlanOptions(
    program
      .command("rollback")
      .summary("return a host to an earlier generation")
      .description(
        "Activates an earlier generation of HOST as the same transaction that deploy uses, with health checks and confirmation.\n\n" +
          "Without --to, the newest generation that differs from the running system is taken.",
      )
      .argument("<host>", "the host's name"),
  )
    .option("--to <generation>", "the generation's number, as 'pristine status --json' lists them")
    .option("-y, --yes", "do not ask")
    .option(
      "--confirm-timeout <seconds>",
      "how long the host waits for confirmation before it returns (default: as declared)",
    )
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "the host runs that generation",
        usage: "no such generation, or not approved",
        hostsFailed: "the host failed or returned",
        cannotStart: "another deployment holds the host",
      }),
    )
    .action(
      action(async (session, name: string, flags: DeployFlags & { to?: string }) => {
        const { planRollback, executePlan } = await import("../deploy-flow.ts");
        return planRollback(session, name, flags, async (plan, sessions, context, generation) => {
          await showPlan(session, plan, { fileDiffs: false });
          await approve(session, plan, flags.yes ?? false);
          return executePlan(session, plan, sessions, context, {
            ...flags,
            reason: `rollback to generation ${generation}`,
          });
        });
      }),
    );

  program
    .command("reboot")
    .summary("reboot hosts and wait until they are back")
    .description(
      "Reboots hosts, waits until each answers again with a new boot id, and runs its health checks. What is not persisted is erased: see 'pristine ephemeral' first.",
    )
    .argument("[hosts...]", "host names, globs or @tags (default: all)")
    .addOption(onOption())
    .option("--timeout <seconds>", "how long a host may take to come back", "300")
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "every host is back and healthy",
        usage: "usage or evaluation error, or not approved",
        hostsFailed: "a host did not come back in time, or is unhealthy",
      }),
    )
    .action(
      action(async (session, names: string[], flags: { on: string[]; timeout: string; yes?: boolean }) => {
        const { rebootHosts } = await import("../deploy-flow.ts");
        return rebootHosts(session, names, flags);
      }),
    );
}

function withPlanOptions(command: Command): Command {
  return command
    .addOption(onOption())
    .addOption(new Option("--goal <goal>", "what is to become of the system").choices(GOALS).default("switch"))
    .option("--parallel <count>", "how many hosts at once", "10")
    .option("--adopt", "take over hosts that were deployed under another name or by another fleet");
}

/** Shows a plan to people; programs get it with the command's one answer. */
async function showPlan(session: Session, plan: FleetPlan, options: { readonly fileDiffs: boolean }): Promise<void> {
  if (session.options.json) return;
  const { renderPlan } = await import("../render/plan.ts");
  for (const line of renderPlan(plan, session.terminal, options)) session.terminal.out(line);
}

/** Asks on the terminal; without one, only `--yes` approves. */
async function approve(session: Session, plan: FleetPlan, yes: boolean): Promise<void> {
  if (yes || plan.hosts.every((host) => host.state !== "change")) return;
  const { askYesNo } = await import("../../system/prompt.ts");
  requireApproval(
    await askYesNo(`Deploy plan ${plan.hash.slice(0, 12)}? [y/N] `, session.signal),
    "nothing was changed",
  );
}
