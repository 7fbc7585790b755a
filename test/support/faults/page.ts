/** The page of the fault matrix: a row for each step of the transaction, a column for each fault. */

import { join } from "node:path";
import { TRANSACTION_STEPS } from "../../../src/machine/transaction.ts";
import { CHECKOUT } from "../shop.ts";
import { FAULTS, type Fault, type MatrixCase } from "./cases.ts";

/** Written by scripts/fault-matrix.ts. */
export const FAULT_MATRIX_PAGE: string = join(CHECKOUT, "docs/fault-matrix.md");

const INTRODUCTION = `# The fault matrix

<!-- Written by scripts/fault-matrix.ts from runs on hosts of the lab. Do not edit. -->

What a host serves after a fault has struck at a step of the activation transaction: \`npm run fault-matrix\` deploys to
real hosts of the lab, lets every fault strike at every step, and looks. In each case with \`old\` or \`new\`, the host's
page, files, services, running system and boot default are all of that one system, \`pristine status\` says which, and the
next deployment makes the host what is declared then. Beside it is what the host's receipt says of the transaction. What
is \`not run\` has a way to be driven, and waits for the next run.

Steps are those of \`src/machine/transaction.ts\`, in order; those that only a reboot has are driven by \`--goal reboot\`,
those of a temporary system by \`--temporary\` until after its end. Those with \`switch-to-configuration\` or
\`boot-loader\` in their names are NixOS's, and driven on hosts that are shaped like it. A fault strikes between what the step
does and the record of it, a full disk before both. On the way back the change is one that fails its health check, or shuts
the deployer out.

Power cuts and clocks are for virtual hosts: the lab's host, its disk, address and keys, with a kernel of Debian's in QEMU
in place of the container. That kernel writes nothing to the disk but what a program has synced, and killing QEMU loses the
rest. These pairs need \`qemu-system-x86\` and the package of the kernel, which is downloaded from this machine's mirror.
`;

const MEANINGS: Readonly<Record<Fault, string>> = {
  "deployer-killed": "`pristine deploy` is killed, and does not come back",
  "ssh-cut": "the host's cable is pulled, and put back when the host has ended the transaction by itself",
  "power-cut": "the host loses power, what it had not synced to its disk is lost, and it boots again",
  "executor-killed": "the process on the host that takes the step is killed",
  "disk-full":
    "every free byte of the host's disk is taken until the deployment has ended; what the host itself had set aside for its records stays",
  "sshd-broken": "the change itself shuts the deployer out: new connections to the ssh server do not get through",
  "clock-forwards": "the host's wall clock jumps by three years; the deployment must not see it",
  "clock-backwards":
    "the host's wall clock jumps back by six hours, and the deployer is killed; the host must be back in time",
};

export function faultMatrixPage(cases: readonly MatrixCase[]): string {
  const reasons = [...new Set(cases.flatMap((one) => ("reason" in one ? [one.reason] : [])))];
  const cell = (one: MatrixCase | undefined): string => {
    if (one === undefined) return "not run";
    return "reason" in one ? `– [${reasons.indexOf(one.reason) + 1}]` : `${one.serves}: ${one.receipt}`;
  };
  const rows = TRANSACTION_STEPS.map(({ name }) => [
    `\`${name}\``,
    ...FAULTS.map((fault) => cell(cases.find((one) => one.step === name && one.fault === fault))),
  ]);
  const head = ["step", ...FAULTS];
  const table = renderTable([head, ...rows]);
  const meanings = renderTable([["fault", "is"], ...FAULTS.map((fault) => [`\`${fault}\``, MEANINGS[fault]])]);
  return [
    INTRODUCTION,
    ...meanings,
    "",
    ...table,
    "",
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    "",
  ].join("\n");
}

/** A table of Markdown, its columns aligned. */
function renderTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, column) => text.padEnd(widths[column]!)).join(" | ")} |`;
  const [head, ...body] = rows.map(line);
  return [head!, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body];
}
