/** What `pristine probe` found, as tables for people. */

import type { MachineFindings } from "../../fleet/probe.ts";
import type { ProbeAnswer, ProbeProgress } from "../../fleet/probe-machines.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderBytes, renderCount } from "../../base/quantities.ts";
import type { Progress } from "./progress.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Says how many are asked, on a terminal also whose answers are missing, and what came of it. */
export function probeDisplay(progress: Progress): (told: ProbeProgress) => void {
  return ({ pending, found, total }) => {
    const all = renderCount(total, "machine");
    if (pending.length === 0) progress.done("look", `${found} of ${all} looked at`, found === total ? "ok" : "failed");
    else if (pending.length === total) progress.update("look", `asking ${all}`);
    else progress.update("look", `waiting for ${pending.join(", ")}`, { minor: true });
  };
}

export function renderProbes(answers: readonly ProbeAnswer[], terminal: Terminal): string[] {
  const { bold, green, red, yellow } = terminal.colors;
  const verdict = { now: green("now"), later: yellow("later"), no: red("no") };
  return answers.flatMap(({ address, found, bases = [], error }, index) => {
    const title = [...(index === 0 ? [] : [""]), bold(safeText(address))];
    if (found === undefined) {
      const { message = "", code = "", hint } = error ?? {};
      return [
        ...title,
        `  ${red(safeText(message))} [${code}]`,
        ...(hint === undefined ? [] : [`  ${safeText(hint)}`]),
      ];
    }
    const rows = bases.map(({ base, possible, reasons }) => [
      `  ${base}`,
      verdict[possible],
      safeText(reasons.join("; ")),
    ]);
    return [
      ...title,
      ...factsOf(found).map(([name, value]) => `  ${name.padEnd(13)}${safeText(value)}`),
      "",
      ...renderTable(["  base", "possible", "why"], rows),
    ];
  });
}

function factsOf(found: MachineFindings): [name: string, value: string][] {
  const { init, memory, ssh, user, kernelFeatures: features } = found;
  const isPrivileged = user.isRoot ? "root" : `${user.name}, to root by ${found.escalations.join(", ") || "nothing"}`;
  const list = (values: readonly string[]): string => values.join(", ") || "none";
  return [
    ["system", `${found.os.name || "unknown"}, Linux ${found.kernel}, ${found.architecture}`],
    ["machine", `${found.virtualization ?? "unknown"}, ${found.firmware}, ${renderCount(found.cpuCount, "cpu")}`],
    ["init", init.systemdVersion === undefined ? init.name : `systemd ${init.systemdVersion}`],
    [
      "memory",
      `${renderBytes(memory.totalBytes)}, ${renderBytes(memory.availableBytes)} available, ${renderBytes(memory.swapBytes)} swap`,
    ],
    ["disks", list(found.disks.map(({ name, sizeBytes }) => `${name} ${renderBytes(sizeBytes)}`))],
    ...found.filesystems.map(({ mount, type, isReadOnly, sizeBytes, freeBytes }): [string, string] => [
      mount,
      `${type}${isReadOnly ? ", read-only" : ""}, ${renderBytes(freeBytes)} of ${renderBytes(sizeBytes)} free`,
    ]),
    ["network", list(found.addresses.map((one) => `${one.interface} ${one.address}`))],
    ["network by", `${list(found.networkUnits)}; default route over ${found.route ?? "none"}`],
    ["ssh", `${ssh.server}, port ${ssh.port ?? "unknown"}; units: ${list(ssh.units)}`],
    ["login", `${isPrivileged}; groups: ${list(user.groups)}`],
    ["users", list(found.users.map(({ name }) => name))],
    [
      "kernel",
      Object.entries({
        "cgroup 2": features.cgroup2,
        overlayfs: features.overlay,
        "user namespaces": features.userNamespaces,
        kexec: features.kexec,
      })
        .map(([name, has]) => `${has ? "" : "no "}${name}`)
        .join(", "),
    ],
    [
      "store",
      found.store === undefined ? "none" : `/nix/store, ${found.store.hasDaemon ? "with" : "without"} nix-daemon`,
    ],
  ];
}
