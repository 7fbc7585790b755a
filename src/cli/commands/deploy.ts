/** `pristine plan`, `deploy` and `rollback`: what would be done, and doing it. */

import { type Command, Option } from "commander";
import { OperationError } from "../../base/errors.ts";
import { FAILURE_POLICIES } from "../../fleet/rollout/policy.ts";
import { TRANSACTION_GOALS } from "../../machine/transaction.ts";
import { exitCodesHelp, EXIT } from "../exit-codes.ts";
import type { DeployFlags as RequestFlags } from "../deploy-flow.ts";
import { durationMsOf, requireApproval } from "../option-values.ts";
import { action } from "../session.ts";
import { collect, onOption } from "../host-option.ts";

/** `temporary` has an option of its own, which says how long. */
const GOALS = TRANSACTION_GOALS.filter((goal) => goal !== "temporary");

interface DeployFlags extends RequestFlags {
  readonly on: string[];
  readonly yes?: boolean;
  readonly plan?: string;
  readonly resume?: string | true;
}

export function registerDeploy(program: Command): void {
  withRolloutOptions(
    program
      .command("plan")
      .summary("show what a deployment would do")
      .description(
        "Evaluates and builds the hosts' systems, looks at the hosts, and shows per host what would change: packages, units, files of /etc, users, ports, the paths and bytes to copy, and whether you might lock yourself out.\n\n" +
          "Nothing is changed on a host, except that the host kit is placed in its store (6 MB the first time, 0.1 MB for another version of Pristine); a host that somebody has installed gets the store itself first.",
      )
      .argument("[hosts...]", "host names, globs or @tags (default: all)"),
  )
    .addOption(pendingOption())
    .option("--diff", "show the text differences of files in /etc")
    .option("--full", "show everything: long lists to their end, reasons, and the paths to copy")
    .option("--out <file>", "also write the plan to FILE, for 'pristine deploy --plan FILE'")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "planned (whether or not anything would change)",
        usage: "evaluation failed",
        hostsFailed: "a host was not reached, or cannot take what was planned for it",
      }),
    )
    .action(
      action(
        async (session, names: string[], flags: DeployFlags & { diff?: boolean; full?: boolean; out?: string }) => {
          const { requestOf, showPlan } = await import("../deploy-flow.ts");
          const { withPlan } = await import("../../library/plan.ts");
          const { incompleteness } = await import("../../fleet/rollout/rollout-record.ts");
          const { diff: fileDiffs = false, full = false } = flags;
          return withPlan(session, requestOf(names, flags), async ({ approved, context, plan }) => {
            const refusal = incompleteness(approved);
            showPlan(session, plan, { fileDiffs, full, waves: approved.waves, ...(refusal && { refusal }) });
            if (flags.out !== undefined) {
              const { writePlanFile } = await import("../../fleet/plan-file.ts");
              const { keepWanted } = await import("../../fleet/rollout/wanted.ts");
              await keepWanted(approved, context.store, session.signal);
              await writePlanFile(flags.out, approved);
            }
            if (session.options.json) {
              const { planRecord } = await import("../render/plan.ts");
              session.terminal.out(JSON.stringify({ plan: planRecord(plan, { fileDiffs }) }));
            }
            return plan.hosts.some((host) => host.state === "unreachable" || host.state === "failed")
              ? EXIT.hostsFailed
              : EXIT.ok;
          });
        },
      ),
    );

  withRolloutOptions(
    program
      .command("deploy")
      .summary("make hosts what the fleet declares")
      .description(
        "Looks at the hosts before anything is built: that they are reached, are what their declaration says, and have room. Plans, asks, and then per host, in parallel: copies what is missing, activates as one transaction, runs the health checks, and confirms over a fresh connection. A host that is not confirmed in time returns by itself to the system it ran before, also when this program or the network is gone. Hosts do not affect each other.\n\nCtrl-C skips the hosts whose activation has not begun, and watches the others to their end; a second Ctrl-C leaves those to themselves, and they return unless confirmed.\n\n" +
          "Goals:\n" +
          "  switch        activate now, and boot it from now on\n" +
          "  test          activate now; the next reboot returns\n" +
          "  boot          activate at the next reboot\n" +
          "  reboot        reboot into it now, once; without confirmation after that the host reboots into the system before\n" +
          "  dry-activate  only say what would be done to units\n\n" +
          "With --temporary the systems are activated for a time, and then each host returns by itself, as it does at a reboot; 'pristine status' says until when and by whom, and the next deployment takes their place. 'pristine rollback' ends it early.\n\n" +
          "Waves: hosts of a later wave begin when the earlier one is finished. The fleet declares them (meta.rollout, deployment.wave), or --wave does. On failure 'halt' leaves hosts that have not begun as they are, 'rollBackWave' also takes back what the wave has changed, and 'continue' goes on; with waves 'halt' is the default.\n\n" +
          "A host that is not reached becomes pending: 'pristine converge' brings it the newest plan when it is back. A deployment that was interrupted, also by a power cut, goes on with --resume.",
      )
      .argument("[hosts...]", "host names, globs or @tags (default: all)"),
  )
    .addOption(pendingOption())
    .option("-y, --yes", "do not ask")
    .option(
      "--confirm-timeout <seconds>",
      "how long a host waits for confirmation before it returns (default: as declared)",
    )
    .option(
      "--temporary <time>",
      "let the systems run for this long only (90s, 30m, 2h, 1d), then return by themselves",
    )
    .option("--ignore-inhibitors", "go on although the systems' switch inhibitors differ")
    .option("--plan <file>", "execute exactly this plan of 'pristine plan --out', or refuse; asks nothing")
    .option("--resume [id]", "go on with the newest rollout that was interrupted, or with the one named")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "every host is as wanted",
        usage: "usage or evaluation error, or not approved: no host was touched",
        hostsFailed: "a host failed, was not reached, or returned to its previous system",
        cannotStart: "another deployment holds the hosts",
        interrupted: "interrupted; hosts already activating were still reported",
      }),
    )
    .action(
      action(async (session, names: string[], flags: DeployFlags) => {
        const { askForPlan, refuseTogether, requestOf, showExecuted, showPlan, watched } =
          await import("../deploy-flow.ts");
        const { deployHosts, deployPlanFile, resumeRollout } = await import("../../library/deploy.ts");
        refuseOtherGoal(flags);
        refuseTogether(names, flags);
        const request = requestOf(names, flags);
        const watch = <T>(run: (abandon: AbortSignal) => Promise<T>): Promise<T> => watched(session, run);
        if (flags.resume !== undefined) return showExecuted(session, await resumeRollout(session, flags.resume, watch));
        if (flags.plan !== undefined)
          return showExecuted(session, await deployPlanFile(session, flags.plan, request, watch));
        const deployment = await deployHosts(session, request, {
          onPlan: (plan, waves) => showPlan(session, plan, { fileDiffs: false, waves }),
          approve: (plan) => askForPlan(session, plan, flags.yes ?? false),
          watch,
        });
        return showExecuted(session, deployment);
      }),
    );

  withRolloutOptions(
    program
      .command("rollback")
      .summary("return hosts to earlier generations")
      .description(
        "Activates an earlier generation of each host as the same transaction that deploy uses, with health checks and confirmation, in the waves that are declared.\n\n" +
          "Without --to, the newest generation of a host that differs from its running system is taken.",
      )
      .argument("[hosts...]", "host names, globs or @tags; at least one"),
  )
    .option("--to <generation>", "the number of one host's generation, as 'pristine status --json' lists them")
    .option("-y, --yes", "do not ask")
    .option("--ignore-inhibitors", "go on although the systems' switch inhibitors differ")
    .option(
      "--confirm-timeout <seconds>",
      "how long the host waits for confirmation before it returns (default: as declared)",
    )
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "the hosts run these generations",
        usage: "no such generation, no host named, or not approved",
        hostsFailed: "a host failed, was not reached, has nothing to return to, or returned",
        cannotStart: "another deployment holds the hosts",
      }),
    )
    .action(
      action(async (session, names: string[], flags: DeployFlags & { to?: string }) => {
        const { askForPlan, requestOf, showExecuted, showPlan, watched } = await import("../deploy-flow.ts");
        const { rollBackHosts } = await import("../../library/deploy.ts");
        const { hosts = [], ...how } = requestOf(names, flags);
        const deployment = await rollBackHosts(
          session,
          { ...how, hosts, generation: flags.to },
          {
            onPlan: (plan, waves) => showPlan(session, plan, { fileDiffs: false, waves }),
            approve: (plan) => askForPlan(session, plan, flags.yes ?? false),
            watch: (run) => watched(session, run),
          },
        );
        return showExecuted(session, deployment);
      }),
    );

  program
    .command("remove")
    .summary("take everything of ours off a host that somebody else has installed")
    .description(
      'Activates on HOST (deployment.base = "foreign") the system that declares nothing, as the same transaction that deploy uses: services are stopped, files and units go. When that is confirmed, the store and all records are removed, and the host is as it was before. What services have written, below /var/lib for instance, stays.',
    )
    .argument("<host>", "the host's name")
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "nothing of ours is on the host",
        usage: "not approved, or no host of that base",
        hostsFailed: "the host failed or returned",
        cannotStart: "another deployment holds the host",
      }),
    )
    .action(
      action(async (session, name: string, flags: DeployFlags) => {
        const { requestOf, showExecuted, showPlan, watched } = await import("../deploy-flow.ts");
        const { askYesNo } = await import("../../system/prompt.ts");
        const { removeFromHost } = await import("../../library/deploy.ts");
        const { hosts: _hosts, ...how } = requestOf([], { ...flags, goal: "switch" });
        const deployment = await removeFromHost(
          session,
          { ...how, host: name },
          {
            onPlan: (plan) => showPlan(session, plan, { fileDiffs: false }),
            approve: async () => {
              if (flags.yes === true) return true;
              const answer = await askYesNo(`Take everything of ours off ${name}? [y/N] `, session.signal);
              requireApproval(answer, "nothing was changed");
              return true;
            },
            watch: (run) => watched(session, run),
          },
        );
        return showExecuted(session, deployment);
      }),
    );

  program
    .command("converge")
    .summary("bring hosts that were not reached what they should have")
    .description(
      "Deploys to hosts that a deployment did not reach what was planned for them, the newest plan of each, as soon as they are back. What has expired, and what somebody else has deployed since, is dropped. Without --watch, looks once.",
    )
    .argument("[hosts...]", "host names, globs or @tags (default: all)")
    .option("--watch", "go on until no host is pending")
    .option("--every <seconds>", "with --watch: how often to look", "60")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "nothing is pending any more",
        usage: "usage or evaluation error",
        hostsFailed: "a host is still not reached, or has returned to its previous system",
        interrupted: "interrupted",
      }),
    )
    .action(
      action(async (session, names: string[], flags: { watch?: boolean; every: string }) => {
        const { converge } = await import("../converge-flow.ts");
        const everyMs = durationMsOf("--every", flags.every);
        return converge(session, names, flags.watch === true ? everyMs : undefined);
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
        const { rebootHosts } = await import("../../library/reboot.ts");
        const timeoutMs = durationMsOf("--timeout", flags.timeout);
        const hosts = await rebootHosts(session, {
          hosts: [...names, ...flags.on],
          timeoutMs,
          approve: async (meant) => {
            if (flags.yes === true) return;
            const { askYesNo } = await import("../../system/prompt.ts");
            const question = `Reboot ${meant.join(", ")}? What is not persisted is erased. [y/N] `;
            requireApproval(await askYesNo(question, session.signal), "nothing was rebooted");
          },
        });
        if (session.options.json) session.terminal.out(JSON.stringify({ hosts }));
        return hosts.every(({ healthy }) => healthy) ? EXIT.ok : EXIT.hostsFailed;
      }),
    );
}

function withPlanOptions(command: Command): Command {
  return command
    .addOption(onOption())
    .addOption(new Option("--goal <goal>", "what becomes of the systems").choices(GOALS).default("switch"))
    .option("--parallel <count>", "how many hosts at once (default: as declared, else 10)")
    .option("--adopt", "take over hosts that were deployed under another name or by another fleet");
}

function withRolloutOptions(command: Command): Command {
  return withPlanOptions(command)
    .option(
      "--wave <patterns>",
      "hosts of one wave; more of these make more waves, and the rest comes last",
      collect,
      [],
    )
    .option("--canaries <count>", "how many hosts of the first wave go ahead of it")
    .option("--pause <seconds>", "how long to wait between waves")
    .option("--max-failures <count>", "how many hosts may fail before --on-failure applies")
    .addOption(
      new Option("--on-failure <policy>", "what a failing host means for the others").choices(FAILURE_POLICIES),
    );
}

/** Not for going back: which generation that is only a host that is reached can say. */
function pendingOption(): Option {
  return new Option("--pending-for <seconds>", "how long a host that is not reached stays pending; 0: not at all");
}

/** `--temporary` is a goal of its own. */
function refuseOtherGoal(flags: DeployFlags): void {
  if (flags.temporary === undefined) return;
  const other = flags.goal !== "switch" ? `--goal ${flags.goal}` : flags.plan !== undefined ? "--plan" : undefined;
  if (other !== undefined) throw new OperationError("USAGE", `--temporary and ${other} exclude each other`);
}
