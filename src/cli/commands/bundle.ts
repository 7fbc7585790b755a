/** `pristine bundle`, `apply` and `receipt`: deploying to a host that nobody can reach over ssh. */

import { type Command, Option } from "commander";
import type { TransactionGoal } from "../../machine/transaction.ts";
import { exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

/** What a host can do without anybody looking after it. */
const GOALS: readonly TransactionGoal[] = ["switch", "test", "boot", "reboot"];

export interface BundleFlags {
  readonly output: string;
  readonly base?: string;
  readonly from?: string;
  readonly goal: TransactionGoal;
  readonly validFor: string;
  readonly confirmTimeout?: string;
  readonly ignoreInhibitors?: boolean;
}

export function registerBundle(program: Command): void {
  program
    .command("bundle")
    .summary("write a deployment of one host into a signed file")
    .description(
      "Evaluates and builds the host's system and writes what the host lacks of it into one file, with the plan, signed by the key of deployment.signingKeyFile. Bring the file to the host by any means and apply it there, as root:\n\n" +
        "  /nix/var/nix/gcroots/pristine/kit/bin/pristine-kit apply FILE\n\n" +
        "The host takes it when it trusts the key (nix.settings.trusted-public-keys), is the host that it is for, runs what it was made against, and has applied nothing newer. Then it is the same transaction as a deployment, confirmed by the host itself once its health checks hold; else it returns. What became of it is in FILE.receipt, signed by the host: see 'pristine receipt'. With --goal reboot the host boots the system once and decides there: apply the file again after that for the receipt.\n\n" +
        "Without --from and --base the file holds the whole closure, and any host of that name takes it that was not deployed to since.",
    )
    .argument("<host>", "the host's name")
    .requiredOption("-o, --output <file>", "the file to write")
    .option("--from <file>", "what the host runs: its last receipt, or what 'pristine-kit facts' printed there")
    .option("--base <system>", "what the host runs: the store path of a system")
    .addOption(new Option("--goal <goal>", "what becomes of the system").choices(GOALS).default("switch"))
    .option("--valid-for <time>", "until when the host takes it (90s, 30m, 2h, 1d)", "30d")
    .option("--ignore-inhibitors", "go on although the systems' switch inhibitors differ")
    .option(
      "--confirm-timeout <seconds>",
      "how long the host waits for its own confirmation before it returns (default: as declared)",
    )
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "the file is written",
        usage: "usage, evaluation or build failed: there is no file",
        hostsFailed: "the host could not take it: there is no file",
      }),
    )
    .action(
      action(async (session, name: string, flags: BundleFlags) => {
        const { makeBundle } = await import("../bundle-flow.ts");
        return await makeBundle(session, name, flags);
      }),
    );

  program
    .command("apply")
    .summary("on a host: deploy what a bundle brings")
    .description(
      "Runs the host kit of this machine, which must be the host that the bundle is for, and ends as that does. Hosts without this program run 'pristine-kit apply FILE'.",
    )
    .argument("<file>", "the file that 'pristine bundle' wrote")
    .option("--receipt <file>", "where the signed receipt goes (default: FILE.receipt)")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "the host runs the bundle's system",
        usage: "usage error",
        hostsFailed: "the bundle was refused, or the host returned to its previous system",
        cannotStart: "this machine is no host",
      }),
    )
    .action(
      action(async (_session, file: string, flags: { receipt?: string }) => {
        const { applyHere } = await import("../bundle-flow.ts");
        return await applyHere(file, flags.receipt);
      }),
    );

  program
    .command("receipt")
    .summary("check and show what a host has answered to a bundle")
    .description(
      "Checks that the host's ssh key has signed the receipt (deployment.hostKey, as 'pristine secrets rekey --enroll' records it) and shows what became of the bundle.",
    )
    .argument("<file>", "the receipt")
    .option("--host-key <file>", "the host's public ssh key, instead of the one that the fleet declares")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "the host runs the bundle's system",
        usage: "the receipt is damaged or signed by another key",
        hostsFailed: "the host returned to its previous system",
      }),
    )
    .action(
      action(async (session, file: string, flags: { hostKey?: string }) => {
        const { showReceipt } = await import("../bundle-flow.ts");
        return await showReceipt(session, file, flags.hostKey);
      }),
    );
}
