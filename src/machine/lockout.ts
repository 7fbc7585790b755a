/**
 * Lockout prediction: does a change touch the way the operator comes in?
 *
 * It only warns. What makes a lockout harmless is the transaction: it is confirmed over a fresh connection or reverted.
 */

import type { SystemObject } from "./system-object.ts";
import type { UnitPlan } from "./unit-plan.ts";

/** How the deployer reaches the host. */
export interface OperatorAccess {
  readonly user: string;
  readonly port: number;
  /** The address connected to, when known. */
  readonly address?: string;
}

export interface LockoutWarning {
  /** `danger`: the operator is very likely locked out. `notice`: the way in is touched. */
  readonly severity: "danger" | "notice";
  readonly kind: "sshd-unit" | "sshd-config" | "firewall" | "network" | "keys" | "user";
  readonly message: string;
}

interface LockoutInput {
  readonly old: SystemObject | undefined;
  readonly next: SystemObject;
  readonly units: UnitPlan;
  readonly access: OperatorAccess;
}

const SSH_UNITS = ["ssh.service", "sshd.service", "ssh.socket"];
const NETWORK_UNITS = ["systemd-networkd.service", "networking.service", "nftables.service", "firewall.service"];

export function predictLockout(input: LockoutInput): LockoutWarning[] {
  if (input.old?.path === input.next.path) return [];
  return [...sshdUnit(input), ...sshdConfig(input), ...firewall(input), ...network(input), ...account(input)];
}

function sshdUnit({ next, units }: LockoutInput): LockoutWarning[] {
  const wanted = next.wanted();
  const runs = SSH_UNITS.some((name) => {
    const unit = next.unit(name);
    return unit !== undefined && !unit.isMasked && wanted.has(name);
  });
  if (!runs) return [danger("sshd-unit", "the new system starts no ssh server")];
  const touched = units.changes.filter((change) => SSH_UNITS.includes(change.unit) && change.action !== "skip");
  return touched.map((change) => notice("sshd-unit", `${change.unit}: ${change.action} (${change.reason})`));
}

function sshdConfig({ old, next, access }: LockoutInput): LockoutWarning[] {
  const config = sshdConfigOf(next);
  if (config === undefined) return [danger("sshd-config", "the new system has no /etc/ssh/sshd_config")];
  const warnings: LockoutWarning[] = [];
  const ports = valuesOf(config, "port").map(Number);
  const port = next.meta?.sshPort ?? access.port;
  if (ports.length > 0 && !ports.includes(access.port)) {
    warnings.push(danger("sshd-config", `the new sshd listens on ${ports.join(", ")}, not on ${access.port}`));
  } else if (ports.length === 0 && port !== access.port) {
    warnings.push(danger("sshd-config", `the new sshd listens on ${port}, not on ${access.port}`));
  }
  if (access.user === "root" && valuesOf(config, "permitrootlogin")[0] === "no") {
    warnings.push(danger("sshd-config", "the new sshd refuses root (PermitRootLogin no)"));
  }
  if (valuesOf(config, "pubkeyauthentication")[0] === "no") {
    warnings.push(danger("sshd-config", "the new sshd refuses keys (PubkeyAuthentication no)"));
  }
  const allowed = valuesOf(config, "allowusers").flatMap((value) => value.split(/\s+/));
  if (allowed.length > 0 && !allowed.some((pattern) => pattern === access.user || /[*?@]/.test(pattern))) {
    warnings.push(danger("sshd-config", `AllowUsers of the new sshd does not name ${access.user}`));
  }
  if (warnings.length === 0 && old !== undefined && sshdConfigOf(old) !== config) {
    warnings.push(notice("sshd-config", "the configuration of sshd changes"));
  }
  return warnings;
}

/** The main file with its included directory, as one text. */
function sshdConfigOf(system: SystemObject): string | undefined {
  const main = system.read("/etc/ssh/sshd_config");
  if (main === undefined) return undefined;
  const parts = (system.list("/etc/ssh/sshd_config.d") ?? []).filter((name) => name.endsWith(".conf"));
  return [...parts.map((name) => system.read(`/etc/ssh/sshd_config.d/${name}`) ?? ""), main].join("\n");
}

/** Values of a keyword before the first `Match`, which only holds for some connections. */
function valuesOf(config: string, keyword: string): string[] {
  const values: string[] = [];
  for (const line of config.split("\n")) {
    const match = /^\s*([A-Za-z]+)(?:\s+|\s*=\s*)(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const name = (match[1] as string).toLowerCase();
    if (name === "match") break;
    if (name === keyword) values.push(match[2] as string);
  }
  return values;
}

function firewall({ old, next, access }: LockoutInput): LockoutWarning[] {
  const meta = next.meta;
  if (meta?.firewall !== true) return [];
  if (!meta.openPorts.tcp.includes(access.port)) {
    return [danger("firewall", `the new firewall does not open port ${access.port}, on which this host is reached`)];
  }
  return old?.meta?.firewall === true ? [] : [notice("firewall", "the firewall is switched on")];
}

function network({ old, next, units, access }: LockoutInput): LockoutWarning[] {
  const warnings: LockoutWarning[] = [];
  const before = old?.meta?.primaryAddress ?? undefined;
  const after = next.meta?.primaryAddress ?? undefined;
  if (before !== undefined && before !== after) {
    warnings.push(
      after === undefined
        ? danger("network", `the address ${before} is no longer declared`)
        : danger("network", `the primary address changes from ${before} to ${after}`),
    );
  } else if (access.address !== undefined && old !== undefined) {
    const isNamed = (system: SystemObject): boolean =>
      networkFilesOf(system).some((text) => text.includes(`${access.address ?? ""}/`));
    if (isNamed(old) && !isNamed(next)) {
      warnings.push(danger("network", `no interface has the address ${access.address} any more`));
    }
  }
  if (warnings.length === 0 && old !== undefined) {
    if (networkFilesOf(old).join("\n\0") !== networkFilesOf(next).join("\n\0")) {
      warnings.push(notice("network", "the configuration of network interfaces changes"));
    } else if (units.changes.some(({ unit, action }) => NETWORK_UNITS.includes(unit) && action !== "skip")) {
      warnings.push(notice("network", "network services are restarted"));
    }
  }
  return warnings;
}

function networkFilesOf(system: SystemObject): string[] {
  const directory = "/etc/systemd/network";
  return (system.list(directory) ?? []).map((name) => `${name}\n${system.read(`${directory}/${name}`) ?? ""}`);
}

function account({ old, next, access }: LockoutInput): LockoutWarning[] {
  const meta = next.meta;
  if (meta !== undefined && !meta.users.some((user) => user.name === access.user)) {
    return [danger("user", `the user ${access.user} does not exist in the new system`)];
  }
  const keysOf = (system: SystemObject | undefined): string[] =>
    (system?.read(`/etc/ssh/authorized_keys.d/${access.user}`) ?? "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"));
  const after = new Set(keysOf(next));
  if (after.size === 0) return [danger("keys", `no ssh key may log in as ${access.user}`)];
  const lost = keysOf(old).filter((key) => !after.has(key));
  if (lost.length === 0) return [];
  return [
    notice("keys", `${lost.length} ssh key${lost.length === 1 ? "" : "s"} of ${access.user} will no longer work`),
  ];
}

function danger(kind: LockoutWarning["kind"], message: string): LockoutWarning {
  return { severity: "danger", kind, message };
}

function notice(kind: LockoutWarning["kind"], message: string): LockoutWarning {
  return { severity: "notice", kind, message };
}
