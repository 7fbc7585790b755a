/**
 * Users and groups of our making on a host that has others: where they would be in the way, and which of the host's own
 * tools makes, changes or removes the next of them, by what its files say.
 */

import type { SystemGroup, SystemObject, SystemUser } from "./system-object.ts";

/** Whose services run without a session: a file of the login manager's for each. */
export const LINGERING = "/var/lib/systemd/linger";

/** What was made here, noted before it is: what is not noted is never touched. */
export interface OwnAccounts {
  readonly version: 1;
  readonly users: readonly OwnUser[];
  readonly groups: readonly { readonly name: string; readonly gid: number }[];
}

interface OwnUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export const OWN_ACCOUNTS = "/nix/var/pristine/accounts.json";
export const NO_ACCOUNTS: OwnAccounts = { version: 1, users: [], groups: [] };

export function parseOwnAccounts(text: string | undefined): OwnAccounts {
  return text === undefined || text.trim() === "" ? NO_ACCOUNTS : (JSON.parse(text) as OwnAccounts);
}

/** What a system declares, as it is noted. */
export function accountsOf({ base, meta }: SystemObject): OwnAccounts {
  if (base !== "foreign" || meta === undefined) return NO_ACCOUNTS;
  const users = meta.users.map(({ name, uid, gid, home }) => ({ name, uid, gid, home }));
  return { version: 1, users, groups: meta.groups.map(({ name, gid }) => ({ name, gid })) };
}

/** Both of them; of the same name the latter. */
export function withAccounts(one: OwnAccounts, other: OwnAccounts): OwnAccounts {
  const both = <T extends { readonly name: string }>(a: readonly T[], b: readonly T[]): T[] => [
    ...new Map([...a, ...b].map((item) => [item.name, item])).values(),
  ];
  return { version: 1, users: both(one.users, other.users), groups: both(one.groups, other.groups) };
}

/** What is in the one and not in the other. */
export function withoutAccounts(one: OwnAccounts, other: OwnAccounts): OwnAccounts {
  const names = (items: readonly { readonly name: string }[]): Set<string> => new Set(items.map(({ name }) => name));
  const [users, groups] = [names(other.users), names(other.groups)];
  return {
    version: 1,
    users: one.users.filter(({ name }) => !users.has(name)),
    groups: one.groups.filter(({ name }) => !groups.has(name)),
  };
}

type Argv = readonly [string, ...string[]];

/** Commands that say what a host has of what a system would make; undefined when that makes none. */
export function accountQueries({ base, meta }: SystemObject): Record<"passwd" | "group" | "homes", Argv> | undefined {
  if (base !== "foreign" || meta === undefined || meta.users.length + meta.groups.length === 0) return undefined;
  const { users, groups } = meta;
  const wanted = users.flatMap(({ account }) => account?.groups ?? []);
  return {
    passwd: ["getent", "passwd", "root", ...users.flatMap(({ name, uid }) => [name, String(uid)])],
    group: ["getent", "group", "root", ...groups.flatMap(({ name, gid }) => [name, String(gid)]), ...wanted],
    homes: ["stat", "--format=%u %n", "/", ...users.filter(hasHome).map(({ home }) => home)],
  };
}

export const hasHome = ({ account }: SystemUser): boolean => account !== undefined && account.homeMode !== null;

/** What is taken on a host by others, and what it lacks, in words. */
export function accountObstacles(
  { meta }: SystemObject,
  own: OwnAccounts,
  answers: Record<"passwd" | "group" | "homes", string>,
): string[] {
  const { users = [], groups = [] } = meta ?? {};
  const [passwd, group] = [entriesOf(answers.passwd), entriesOf(answers.group)];
  const homes = new Map(
    answers.homes.split("\n").map((line) => [line.replace(/^\d+ /, ""), Number.parseInt(line, 10)]),
  );
  const taken = (
    kind: "user" | "group",
    { name, id, ours }: { readonly name: string; readonly id: number; readonly ours: number | undefined },
  ): string[] => {
    const there = kind === "user" ? passwd : group;
    const [named, numbered] = [
      there.find(([one]) => one === name),
      there.find(([, , number]) => number === String(id)),
    ];
    const label = kind === "user" ? "uid" : "gid";
    if (named !== undefined && (ours === undefined || named[2] !== String(ours)))
      return [`there is a ${kind} ${name} (${label} ${named[2]}) that is not of our making`];
    if (ours !== undefined && ours !== id)
      return [`the ${kind} ${name} has the ${label} ${ours}, as its files have, and is declared with ${id}`];
    if (numbered !== undefined && numbered[0] !== name)
      return [`the ${label} ${id} of ${name} is the ${kind} ${numbered[0]}'s`];
    return [];
  };
  const known = new Set([...groups, ...group.map(([name]) => ({ name }))].map(({ name }) => name));
  return [
    ...groups.flatMap(({ name, gid }) =>
      taken("group", { name, id: gid, ours: own.groups.find((one) => one.name === name)?.gid }),
    ),
    ...users.flatMap((user) => {
      const { name, uid, home } = user;
      const owner = hasHome(user) ? homes.get(home) : undefined;
      return [
        ...taken("user", { name, id: uid, ours: own.users.find((one) => one.name === name)?.uid }),
        ...(owner === undefined || owner === uid || own.users.some((one) => one.name === name && one.home === home)
          ? []
          : [`${home}, the home of ${name}, is there and of the uid ${owner}`]),
        ...(user.account?.groups ?? []).flatMap((one) =>
          known.has(one) ? [] : [`there is no group ${one}, which ${name} is to be in`],
        ),
      ];
    }),
  ];
}

export const ACCOUNTS_HINT =
  "declare it under another name or number (uid, gid), or change by hand what is there: no account of the host's is changed";

/** The files in which a host has its accounts. */
export const ACCOUNT_FILES = ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] as const;
export type AccountFiles = Record<(typeof ACCOUNT_FILES)[number], string>;

interface Wanted {
  readonly users: readonly SystemUser[];
  readonly groups: readonly SystemGroup[];
}

/**
 * The next command on the way to what is wanted and without what is `gone`; undefined when it is so.
 *
 * Each tool writes several files, one after the other, and may be cut off in between: an account that is only in some of
 * them is removed, or is made whole to be removed, as the tools remove only what is in the first one.
 */
export function nextAccountCommand(files: AccountFiles, wanted: Wanted, gone: OwnAccounts): Argv | undefined {
  for (const { name, gid } of wanted.groups) {
    const entry = entryOf(files.group, name);
    if (entry === undefined) return ["groupadd", "--gid", String(gid), name];
    requireNumber(`group ${name}`, { found: entry[2], wanted: gid });
  }
  for (const user of wanted.users) {
    const command = commandFor(files, user);
    if (command !== undefined) return command;
  }
  for (const { name, uid, gid } of gone.users) {
    const entry = entryOf(files.passwd, name);
    // Removed by hand and made anew by somebody, it is not ours any more.
    if (entry !== undefined && entry[2] !== String(uid)) continue;
    if (entry !== undefined) return removalOf(files, { name, gid });
    if (isLeftIn(files, name)) return ["useradd", "--system", "--uid", String(uid), "--gid", NOGROUP, ...BARE, name];
  }
  for (const { name, gid } of gone.groups) {
    const entry = entryOf(files.group, name);
    if (entry !== undefined && entry[2] !== String(gid)) continue;
    if (entry !== undefined) return ["groupdel", name];
    if (entryOf(files.gshadow, name) !== undefined) return ["groupadd", "--gid", String(gid), name];
  }
  return undefined;
}

const NOGROUP = "65534";
/** Its home is made by us, where it has one. */
const BARE = ["--no-create-home", "--no-log-init"];

function commandFor(files: AccountFiles, user: SystemUser): Argv | undefined {
  const { name, uid, gid, home, shell } = user;
  const { description = "", groups = [], isLocked = false, isSystem = true } = user.account ?? {};
  const entry = entryOf(files.passwd, name);
  if (entry === undefined) {
    const numbers = ["--uid", String(uid), "--gid", String(gid)];
    const fields = ["--home-dir", home, "--shell", shell, "--comment", description, "--password", "*"];
    return ["useradd", ...(isSystem ? ["--system"] : []), ...numbers, ...fields, ...BARE, name];
  }
  requireNumber(`user ${name}`, { found: entry[2], wanted: uid });
  const password = entryOf(files.shadow, name)?.[1];
  if (password === undefined && files.shadow !== "") return removalOf(files, { name, gid });
  const changes = [
    ...(entry[3] === String(gid) ? [] : ["--gid", String(gid)]),
    ...(entry[4] === description ? [] : ["--comment", description]),
    ...(entry[5] === home ? [] : ["--home", home]),
    ...(entry[6] === shell ? [] : ["--shell", shell]),
    ...(isIn(files, name, groups) ? [] : ["--groups", groups.join(",")]),
  ];
  if (changes.length > 0) return ["usermod", ...changes, name];
  // What was set by hand stays, locked or not.
  if (password !== undefined && password.startsWith("!") !== isLocked)
    return ["usermod", isLocked ? "--lock" : "--unlock", name];
  return undefined;
}

/** By force also when somebody is logged in; then the tool would not ask whether the group of its name is needed. */
function removalOf(files: AccountFiles, { name, gid }: { readonly name: string; readonly gid: number }): Argv {
  const isShared = entriesOf(files.passwd).some((other) => other[0] !== name && other[3] === String(gid));
  return isShared ? ["userdel", name] : ["userdel", "--force", name];
}

function isLeftIn(files: AccountFiles, name: string): boolean {
  const isThere = (["shadow", "subuid", "subgid"] as const).some((file) => entryOf(files[file], name) !== undefined);
  return isThere || groupsWith(files.group, name).length > 0 || groupsWith(files.gshadow, name).length > 0;
}

/** Whether it is in these groups and in no others, also in the file that not every group is in. */
function isIn(files: AccountFiles, name: string, groups: readonly string[]): boolean {
  const shadowed = groups.filter((group) => entryOf(files.gshadow, group) !== undefined);
  const same = (found: readonly string[], wanted: readonly string[]): boolean =>
    found.join() === wanted.toSorted().join();
  return same(groupsWith(files.group, name), groups) && same(groupsWith(files.gshadow, name), shadowed);
}

function requireNumber(what: string, numbers: { readonly found: string | undefined; readonly wanted: number }): void {
  if (numbers.found === String(numbers.wanted)) return;
  throw new Error(`the ${what} has the number ${numbers.found}, not ${numbers.wanted}: somebody has made it anew`);
}

/** Who has a number: more than one may. */
export function usersWithUid(passwd: string, uid: number): string[] {
  return entriesOf(passwd).flatMap(([name = "", , number]) => (number === String(uid) ? [name] : []));
}

/** Lines of fields, as all of these files have them. */
function entriesOf(text: string): string[][] {
  return text.split("\n").flatMap((line) => (line === "" ? [] : [line.split(":")]));
}

/** Whether the name is a user's of another number: somebody has made it anew. */
export function isAnothers(passwd: string, { name, uid }: { readonly name: string; readonly uid: number }): boolean {
  const entry = entryOf(passwd, name);
  return entry !== undefined && entry[2] !== String(uid);
}

function entryOf(text: string, name: string): string[] | undefined {
  return entriesOf(text).find((entry) => entry[0] === name);
}

/** The names of groups with such a member, sorted. */
function groupsWith(text: string, member: string): string[] {
  const found = entriesOf(text).filter((entry) => (entry[3] ?? "").split(",").includes(member));
  return found.map(([name = ""]) => name).sort();
}
