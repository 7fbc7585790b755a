/** How a host that was found is to be declared, after what it said of itself. */

import { renderBytes, renderCount } from "../../base/quantities.ts";
import type { PrivilegeEscalation } from "../privilege.ts";
import type { MachineFindings } from "../probe.ts";
import type { ProbeAnswer } from "../probe-machines.ts";
import type { FoundHost } from "./found-host.ts";

export interface Declaration extends FoundHost {
  /** Null for a host that cannot be declared, or not by this alone: the file has it as a comment. */
  readonly base: "debian" | "foreign" | null;
  /** Debian's name; absent when the host did not say. */
  readonly architecture?: "amd64" | "arm64";
  readonly privilegeEscalation?: PrivilegeEscalation;
  /** Whom the host lets in, where it would not without being told again. */
  readonly admitted?: { readonly user: string; readonly keys: readonly string[] };
  /** What is known of it, or why nothing is. */
  readonly summary: string;
  /** What is to be known or done before it is deployed to. */
  readonly notes: readonly string[];
  /** What the host answered; absent when it was not asked. */
  readonly answer?: ProbeAnswer;
}

const ARCHITECTURES: Readonly<Record<string, "amd64" | "arm64">> = { x86_64: "amd64", aarch64: "arm64" };
const ASSUMED =
  "Its base is assumed: this one leaves all that is there as it is. 'pristine probe' says what the host is.";

/** `answer` is absent for a host that was not asked. */
export function declarationOf(host: FoundHost, answer: ProbeAnswer | undefined): Declaration {
  const asked = { ...host, ...(answer === undefined ? {} : { answer }) };
  if (host.elsewhere !== undefined) {
    return { ...asked, base: null, summary: `not reached by ssh: ${host.elsewhere}`, notes: [] };
  }
  if (answer?.found === undefined) {
    const summary = answer === undefined ? "not looked at" : `not reached: ${answer.error?.message}`;
    return { ...asked, base: "foreign", summary, notes: [ASSUMED] };
  }
  const { found, bases = [] } = answer;
  const said = { ...asked, ...saidOf(found), summary: summaryOf(found) };
  if (found.base === "nixos") {
    const notes = [
      "It runs NixOS, and its own configuration declares it: make that deployment.system, or have `adopt' take over its flake or hive.",
    ];
    return { ...said, base: null, notes };
  }
  const base = found.base ?? "foreign";
  const { possible, reasons = [] } = bases.find((one) => one.base === base) ?? {};
  if (possible !== "now") return { ...said, base: null, notes: [`It cannot be deployed to: ${reasons.join("; ")}.`] };
  return { ...said, base, ...(found.base === undefined ? { notes: [] } : ours(found, base)) };
}

function saidOf({
  architecture,
  user,
  escalations,
}: MachineFindings): Pick<Declaration, "architecture" | "privilegeEscalation"> {
  const known = ARCHITECTURES[architecture];
  const way = user.isRoot ? "sudo" : (["sudo", "doas", "run0"] as const).find((one) => escalations.includes(one));
  return {
    ...(known === undefined ? {} : { architecture: known }),
    // The default is not repeated.
    ...(way === undefined || way === "sudo" ? {} : { privilegeEscalation: way }),
  };
}

/** A host with a system of ours, which another fleet file declares. */
function ours(found: MachineFindings, base: "debian" | "foreign"): Pick<Declaration, "admitted" | "notes"> {
  const notes = [
    "It runs a system of Pristine's already. What its fleet declares has to be declared here, or a deployment takes it away; one of another fleet is only deployed to with --adopt.",
  ];
  if (base === "foreign") return { notes };
  const { authorizedKeys: keys = [], user } = found;
  const way = user.isRoot ? [] : [`How ${user.name} becomes root there has to be declared, too (security.sudo).`];
  const admitted = keys.length === 0 ? {} : { admitted: { user: user.name, keys } };
  const none =
    keys.length === 0 ? [`The keys that let ${user.name} in were not found: declare them, or nobody comes in.`] : [];
  return { ...admitted, notes: [...notes, ...none, ...way] };
}

function summaryOf(found: MachineFindings): string {
  const { os, architecture, cpuCount, memory, user } = found;
  const system = os.name === "" ? "an unknown system" : os.name;
  return `${system}, ${architecture}, ${renderCount(cpuCount, "cpu")}, ${renderBytes(memory.totalBytes)} of memory; logged in to as ${user.name}`;
}
