/** Users and groups on hosts that have others: made, changed and removed by the host's own tools, and noted before. */

import {
  ACCOUNT_FILES,
  accountObstacles,
  accountQueries,
  accountsOf,
  hasHome,
  isAnothers,
  LINGERING,
  NO_ACCOUNTS,
  nextAccountCommand,
  OWN_ACCOUNTS,
  parseOwnAccounts,
  usersWithUid,
  withAccounts,
  withoutAccounts,
  type AccountFiles,
  type OwnAccounts,
} from "../machine/accounts.ts";
import { AUTHORIZED_KEYS } from "../machine/foreign-files.ts";
import type { SystemObject, SystemUser } from "../machine/system-object.ts";
import type { Host } from "./host.ts";

const COMMAND_TIMEOUT_SECONDS = 60;
const QUERY_TIMEOUT_SECONDS = 30;
const SESSIONS_TIMEOUT_SECONDS = 10;
/** What a removed user runs may first end by itself; what starts anew meanwhile is met again. */
const SIGNALS = ["TERM", "KILL", "KILL", "KILL"] as const;
const SIGNAL_PAUSE_MS = 500;
/** Far more than there are accounts: a tool that changes nothing would be run forever. */
const COMMANDS_MAX = 2000;

export function ownAccounts(host: Host): OwnAccounts {
  return parseOwnAccounts(host.files.readFile(OWN_ACCOUNTS));
}

/** What on the host keeps the accounts of a system from being made, in words. */
export function obstaclesOfAccounts(host: Host, system: SystemObject): string[] {
  const queries = accountQueries(system);
  if (queries === undefined) return [];
  const ask = (argv: readonly string[]): string => host.run(argv, { timeoutSeconds: QUERY_TIMEOUT_SECONDS }).stdout;
  const answers = { passwd: ask(queries.passwd), group: ask(queries.group), homes: ask(queries.homes) };
  return accountObstacles(system, ownAccounts(host), answers);
}

/** Makes what a system declares, or puts it right; what others declare stays. */
export function makeAccounts(host: Host, to: SystemObject, makeHome: (user: SystemUser) => void): void {
  const own = ownAccounts(host);
  const wanted = accountsOf(to);
  if (own.users.length + own.groups.length + wanted.users.length + wanted.groups.length === 0) return;
  note(host, withAccounts(own, wanted));
  settle(host, to, NO_ACCOUNTS);
  for (const user of to.meta?.users ?? []) {
    if (hasHome(user)) makeHome(user);
    if (user.keys > 0) linkKeys(host, user);
    else unlinkKeys(host, user);
    setLingering(host, user.name, user.account?.isLingering === true);
  }
}

/** Removes what was made and none of the systems declares; the users' files stay. */
export function removeAccounts(host: Host, kept: readonly SystemObject[]): void {
  const own = ownAccounts(host);
  const left = kept.map(accountsOf).reduce(withAccounts, NO_ACCOUNTS);
  const gone = withoutAccounts(own, left);
  if (gone.users.length + gone.groups.length === 0) return;
  for (const user of gone.users) {
    unlinkKeys(host, user);
    if (!isAnothers(readAccounts(host).passwd, user)) setLingering(host, user.name, false);
    endProcesses(host, user);
  }
  settle(host, undefined, gone);
  note(host, withoutAccounts(own, gone));
}

/** The login manager acts at once; where it does not answer, as at a boot before it runs, its file is all that it takes. */
function setLingering(host: Host, name: string, isWanted: boolean): void {
  const file = `${LINGERING}/${name}`;
  if (host.files.exists(file) === isWanted) return;
  const command = ["loginctl", isWanted ? "enable-linger" : "disable-linger", name];
  host.run(command, { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
  if (host.files.exists(file) === isWanted) return;
  if (!isWanted) host.files.remove(file, { durable: true });
  else {
    host.files.makeDirectory(LINGERING);
    host.files.writeDurably(file, "");
  }
}

/** The tools remove a user by force, and what it runs would go on; not everything is in a session that systemd knows. */
function endProcesses(host: Host, { name, uid }: { readonly name: string; readonly uid: number }): void {
  if (usersWithUid(readAccounts(host).passwd, uid).some((other) => other !== name)) return;
  host.units.stop([`user-${uid}.slice`], SESSIONS_TIMEOUT_SECONDS);
  for (const signal of SIGNALS) {
    const pids = processesOf(host, uid);
    if (pids.length === 0) return;
    const kill = [...(host.which("busybox") ?? []), "kill", `-${signal}`, ...pids];
    host.run(kill, { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
    host.sleepMs(SIGNAL_PAUSE_MS);
  }
}

/** What has ended already and is only to be noticed by its parent is none. */
function processesOf(host: Host, uid: number): string[] {
  const real = new RegExp(`^Uid:\\s+${uid}\\s`, "m");
  return (host.files.list("/proc") ?? []).filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const status = host.files.readFile(`/proc/${pid}/status`) ?? "";
    return real.test(status) && !/^State:\s+Z/m.test(status);
  });
}

/**
 * At a boot, before services start: whoever held a lock that is on the disk is gone, and the tools would believe the
 * number in it when another process has that now.
 */
export function removeStaleLocks(host: Host): void {
  const own = ownAccounts(host);
  if (own.users.length + own.groups.length === 0) return;
  for (const file of ACCOUNT_FILES) host.files.remove(`/etc/${file}.lock`, { durable: false });
}

function note(host: Host, accounts: OwnAccounts): void {
  const text = `${JSON.stringify(accounts)}\n`;
  if (host.files.readFile(OWN_ACCOUNTS) !== text) host.files.writeDurably(OWN_ACCOUNTS, text);
}

function settle(host: Host, to: SystemObject | undefined, gone: OwnAccounts): void {
  const wanted = { users: to?.meta?.users ?? [], groups: to?.meta?.groups ?? [] };
  let before = "";
  for (let count = 0; count < COMMANDS_MAX; count++) {
    const command = nextAccountCommand(readAccounts(host), wanted, gone);
    if (command === undefined) return;
    const line = command.join(" ");
    const { code, stderr } = host.run(command, { timeoutSeconds: COMMAND_TIMEOUT_SECONDS });
    const said = stderr.trim().split("\n").at(-1) ?? "";
    if (code !== 0) throw new Error(`'${line}' ended with ${code}: ${said}`);
    if (line === before) throw new Error(`'${line}' has changed nothing: ${said}`);
    before = line;
  }
}

function readAccounts(host: Host): AccountFiles {
  return Object.fromEntries(
    ACCOUNT_FILES.map((file) => [file, host.files.readFile(`/etc/${file}`) ?? ""]),
  ) as AccountFiles;
}

/** As the user itself: root would follow whatever link the user puts in its home. */
function asUser(
  host: Host,
  { uid, gid }: { readonly uid: number; readonly gid: number },
  script: string,
  args: string[],
) {
  const command = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "sh", "-c", script, "sh", ...args];
  return host.run(command, { timeoutSeconds: QUERY_TIMEOUT_SECONDS });
}

/** The keys are the running system's: one rename changes them for all users. */
function linkKeys(host: Host, user: SystemUser): void {
  const script = `[ "$(readlink "$1")" = "$2" ] || { umask 077; mkdir -p "\${1%/*}" && ln -s "$2" "$1"; }`;
  const { code, stderr } = asUser(host, user, script, [keysFileOf(user), `${AUTHORIZED_KEYS}/${user.name}`]);
  if (code !== 0) throw new Error(`the ssh keys of ${user.name} cannot be put in its home: ${stderr.trim()}`);
}

/** Nothing of a user that does not exist, or has no home. */
function unlinkKeys(
  host: Host,
  user: { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string },
): void {
  if (host.files.list(user.home) === undefined) return;
  const script = `[ "$(readlink "$1")" != "$2" ] || { rm "$1"; rmdir "\${1%/*}" || true; }`;
  asUser(host, user, script, [keysFileOf(user), `${AUTHORIZED_KEYS}/${user.name}`]);
}

const keysFileOf = ({ home }: { readonly home: string }): string => `${home}/.ssh/authorized_keys`;
