/**
 * Lockout prediction: does a change touch the way the operator comes in?
 *
 * It only warns. What makes a lockout harmless is the transaction: it is confirmed over a fresh connection or reverted.
 */

import { hashBytes } from "../format/hash.ts";
import { globToRegExp, sshdConfigOf, sshdRefusals } from "./sshd-config.ts";
import type { SystemObject } from "./system-object.ts";
import type { UnitPlan } from "./unit-plan.ts";

/** How the deployer reaches the host. */
export interface OperatorAccess {
  readonly user: string;
  /** The program by which a user who is not root becomes root; sudo when absent. */
  readonly becomesRootBy?: string | undefined;
  readonly port: number;
  /** The address connected to, as the host itself has it, or the name that was declared. */
  readonly address?: string | undefined;
  /** The interface of the host that has it. */
  readonly interface?: string | undefined;
  /** Where the connection comes from. */
  readonly client?: string | undefined;
  /** The fingerprint of the ssh key that lets the operator in. */
  readonly key?: string | undefined;
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
  // Of a host that is not wholly ours no file that lets anybody in is touched.
  if (input.old?.path === input.next.path || input.next.base === "foreign") return [];
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
  const { user, port, client } = access;
  const address = isAddress(access.address) ? access.address : undefined;
  const login = { user, port, client, address, groups: groupsOf(next, user) };
  const refusals = sshdRefusals(config, login, next.meta?.sshPort ?? port);
  if (refusals.length > 0) return refusals.map((message) => danger("sshd-config", message));
  if (old === undefined || sshdConfigOf(old) === config) return [];
  return [notice("sshd-config", "the configuration of sshd changes")];
}

function isAddress(text: string | undefined): text is string {
  return text !== undefined && (/^[0-9.]+$/.test(text) || text.includes(":"));
}

function groupsOf(system: SystemObject, user: string): string[] {
  const gid = system.meta?.users.find(({ name }) => name === user)?.gid;
  const groups = system.meta?.groups ?? [];
  return groups.filter((group) => group.gid === gid || group.members.includes(user)).map(({ name }) => name);
}

function firewall({ old, next, access }: LockoutInput): LockoutWarning[] {
  const { meta } = next;
  if (meta?.firewall !== true) return [];
  const opened = meta.openPorts.tcp.includes(access.port)
    ? "yes"
    : opensPort(next.read("/etc/nftables.conf") ?? "", access.port, access.interface);
  const port = `port ${access.port}, on which this host is reached`;
  if (opened === "no") return [danger("firewall", `the new firewall does not open ${port}`)];
  if (opened === "sometimes") return [notice("firewall", `the new firewall opens only under conditions ${port}`)];
  return old?.meta?.firewall === true ? [] : [notice("firewall", "the firewall is switched on")];
}

/** Reads the rules of `nix/modules/firewall.nix`; whatever else they hold counts as a condition. */
function opensPort(rules: string, port: number, onInterface: string | undefined): "yes" | "sometimes" | "no" {
  let opened: "sometimes" | "no" = "no";
  for (const line of rules.split("\n")) {
    const rule = /^\s*(.*?)\s*(?:tcp dport (?:\{ (.*) \}|([\d-]+)))? accept$/.exec(line);
    if (rule === null) continue;
    const [, head = "", set, single] = rule;
    const ranges = set ?? single;
    const isOpen =
      ranges === undefined
        ? head.startsWith("iifname ")
        : ranges.split(", ").some((range) => {
            const [from = 0, to = from] = range.split("-").map(Number);
            return from <= port && port <= to;
          });
    if (!isOpen) continue;
    const by = /^iifname "([^"]+)"$/.exec(head)?.[1];
    if (head === "" || (by !== undefined && by === onInterface)) return "yes";
    if (by === undefined || (onInterface === undefined && by !== "lo")) opened = "sometimes";
  }
  return opened;
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
    const named = `=${access.address}/`;
    const isNamed = (system: SystemObject): boolean => networkFilesOf(system).some((text) => text.includes(named));
    if (isNamed(old) && !isNamed(next)) {
      warnings.push(danger("network", `no interface has the address ${access.address} any more`));
    }
  }
  const at = access.interface;
  if (at !== undefined && old !== undefined && configures(old, at) && !configures(next, at)) {
    warnings.push(danger("network", `nothing configures the interface ${at} any more, on which this host is reached`));
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

/** Whether a file of systemd-networkd fits an interface; one that matches by something else may. */
function configures(system: SystemObject, name: string): boolean {
  return networkFilesOf(system).some((text) => {
    if (!/^[^\n]*\.network\n/.test(text)) return false;
    const patterns = [...text.matchAll(/^Name=(.*)$/gm)].flatMap((match) => (match[1] ?? "").split(" "));
    return patterns.length === 0 || patterns.some((pattern) => globToRegExp(pattern).test(name));
  });
}

/** Without this file, the program lets nobody become root. */
const WHO_BECOMES_ROOT: Readonly<Record<string, string>> = { sudo: "/etc/sudoers", doas: "/etc/doas.conf" };

function account({ old, next, access }: LockoutInput): LockoutWarning[] {
  const { meta } = next;
  const { user } = access;
  const entry = meta?.users.find(({ name }) => name === user);
  if (meta !== undefined && entry === undefined)
    return [danger("user", `the user ${user} does not exist in the new system`)];
  const warnings: LockoutWarning[] = [];
  if (entry !== undefined && /\/(?:nologin|false)$/.test(entry.shell)) {
    warnings.push(danger("user", `${user} has no login shell in the new system (${entry.shell})`));
  }
  const { becomesRootBy = "sudo" } = access;
  const rules = WHO_BECOMES_ROOT[becomesRootBy];
  if (user !== "root" && rules !== undefined && next.read(rules) === undefined) {
    warnings.push(danger("user", `${user} can no longer become root: the new system has no ${becomesRootBy}`));
  }
  const keysOf = (system: SystemObject | undefined): string[] =>
    (system?.read(`/etc/ssh/authorized_keys.d/${user}`) ?? "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => fingerprintOf(line) ?? line);
  const before = keysOf(old);
  const after = new Set(keysOf(next));
  const lost = before.filter((key) => !after.has(key));
  const ours = access.key !== undefined && before.includes(access.key) ? access.key : undefined;
  // NixOS's sshd also reads those in home directories.
  const isClosed = after.size === 0 && (next.base !== "nixos" || before.length > 0);
  if (isClosed) warnings.push(danger("keys", `no ssh key may log in as ${user}`));
  else if (ours !== undefined && !after.has(ours))
    warnings.push(danger("keys", `the ssh key that lets you in as ${user} will no longer work (${ours})`));
  else if (ours === undefined && lost.length > 0 && lost.length === before.length)
    warnings.push(danger("keys", `none of the ssh keys that let ${user} in until now will work`));
  else if (lost.length > 0)
    warnings.push(
      notice("keys", `${lost.length} ssh key${lost.length === 1 ? "" : "s"} of ${user} will no longer work`),
    );
  return warnings;
}

/** As ssh-keygen shows it; nothing for a line that is no key. */
function fingerprintOf(line: string): string | undefined {
  const blob = /(?:^|\s)(?:ssh|ecdsa|sk)-\S+\s+([A-Za-z0-9+/]+=*)/.exec(line)?.[1];
  if (blob === undefined) return undefined;
  const { bytes } = hashBytes("sha256", Buffer.from(blob, "base64"));
  return `SHA256:${Buffer.from(bytes).toString("base64").replace(/=+$/, "")}`;
}

function danger(kind: LockoutWarning["kind"], message: string): LockoutWarning {
  return { severity: "danger", kind, message };
}

function notice(kind: LockoutWarning["kind"], message: string): LockoutWarning {
  return { severity: "notice", kind, message };
}
