/** Whether an sshd as configured lets a user in by a key: what its configuration says before the first `Match`. */

import type { SystemObject } from "./system-object.ts";

/** Who connects to which port and address, as far as that is known. */
export interface Login {
  readonly user: string;
  readonly port: number;
  readonly groups: readonly string[];
  /** The address of the host itself; not a name. */
  readonly address?: string | undefined;
  readonly client?: string | undefined;
}

/** The main file with its included directory, as one text. */
export function sshdConfigOf(system: SystemObject): string | undefined {
  const main = system.read("/etc/ssh/sshd_config");
  if (main === undefined) return undefined;
  const parts = (system.list("/etc/ssh/sshd_config.d") ?? []).filter((name) => name.endsWith(".conf"));
  return [...parts.map((name) => system.read(`/etc/ssh/sshd_config.d/${name}`) ?? ""), main].join("\n");
}

/** The reasons for which it refuses, in words. */
export function sshdRefusals(config: string, login: Login, portDefault: number): string[] {
  const { user } = login;
  const first = (keyword: string): string | undefined => sshdValues(config, keyword)[0];
  const words = (keyword: string): string[] => sshdValues(config, keyword).flatMap((value) => value.split(/\s+/));
  const refusals = [...listening(config, login, portDefault)];
  const rootLogin = first("permitrootlogin");
  if (user === "root" && (rootLogin === "no" || rootLogin === "forced-commands-only")) {
    refusals.push(`the new sshd refuses root (PermitRootLogin ${rootLogin})`);
  }
  if (first("pubkeyauthentication") === "no") refusals.push("the new sshd refuses keys (PubkeyAuthentication no)");
  const methods = words("authenticationmethods");
  if (methods.length > 0 && !methods.some((method) => method === "any" || /^publickey(?:,publickey)*$/.test(method))) {
    refusals.push(`the new sshd wants more than a key (AuthenticationMethods ${methods.join(" ")})`);
  }
  if (matchesUser(words("denyusers"), login)) refusals.push(`DenyUsers of the new sshd names ${user}`);
  const allowed = words("allowusers");
  if (allowed.length > 0 && !matchesUser(allowed, login))
    refusals.push(`AllowUsers of the new sshd does not name ${user}`);
  const inGroup = (patterns: readonly string[]): string | undefined =>
    login.groups.find((group) => patterns.some((pattern) => globToRegExp(pattern).test(group)));
  const denied = inGroup(words("denygroups"));
  if (denied !== undefined) refusals.push(`DenyGroups of the new sshd names ${denied}, a group of ${user}`);
  const allowedGroups = words("allowgroups");
  if (allowedGroups.length > 0 && inGroup(allowedGroups) === undefined)
    refusals.push(`AllowGroups of the new sshd names no group of ${user}`);
  const keyFiles = words("authorizedkeysfile");
  if (keyFiles.length > 0 && !keyFiles.some((file) => file.startsWith("/etc/ssh/authorized_keys.d/")))
    refusals.push(`the new sshd does not read the declared keys (AuthorizedKeysFile ${keyFiles.join(" ")})`);
  return refusals;
}

function* listening(config: string, { port, address }: Login, portDefault: number): Iterable<string> {
  const declared = sshdValues(config, "port").map(Number);
  const ports = declared.length > 0 ? declared : [portDefault];
  const sockets = sshdValues(config, "listenaddress").map((value) => {
    const [, bracketed, plain, own] = /^(?:\[([^\]]+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(value) ?? [];
    return { host: bracketed ?? plain ?? value, ports: own === undefined ? ports : [Number(own)] };
  });
  const all = sockets.length === 0 ? ports : sockets.flatMap((socket) => socket.ports);
  if (!all.includes(port)) {
    yield `the new sshd listens on ${[...new Set(all)].join(", ")}, not on ${port}`;
    return;
  }
  const isAny = (host: string): boolean => host === "0.0.0.0" || host === "::" || host === "*";
  if (address === undefined || sockets.length === 0) return;
  if (sockets.some((socket) => socket.ports.includes(port) && (isAny(socket.host) || socket.host === address))) return;
  yield `the new sshd does not listen on ${address} (ListenAddress ${sockets.map(({ host }) => host).join(", ")})`;
}

/** `USER` and `USER@CLIENT`, with wildcards. */
function matchesUser(patterns: readonly string[], { user, client }: Login): boolean {
  return patterns.some((pattern) => {
    const at = pattern.lastIndexOf("@");
    const name = at < 0 ? pattern : pattern.slice(0, at);
    if (!globToRegExp(name).test(user)) return false;
    // A network or name cannot be told from here: it is taken to fit.
    const from = at < 0 ? "*" : pattern.slice(at + 1);
    return client === undefined || !/^[0-9a-fA-F.:*?]+$/.test(from) || globToRegExp(from).test(client);
  });
}

export function globToRegExp(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`);
}

/** Values of a keyword before the first `Match`, which only holds for some connections. */
export function sshdValues(config: string, keyword: string): string[] {
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
