/**
 * Profiles beside the system's: their links are moved and their scripts run once the system has been switched to, and they
 * return with it. A link lies on the disk, so a unit returns it at the boot after a power cut, too.
 *
 * Links of users are moved by these users: what leads to a link is theirs.
 */

import { type Hook, type HookMoment, renderHookResult } from "../machine/hook.ts";
import {
  type FoundProfile,
  isWantedProfile,
  type PlacedProfile,
  PROFILE_SCRIPT,
  PROFILE_SECONDS_MAX,
  profileId,
  type ProfileMove,
  type ProfileOwner,
  type WantedProfile,
} from "../machine/profile.ts";
import type { TransactionPlan } from "../machine/transaction.ts";
import { attachUnit, type AttachedUnit, detachUnit, whyNotAttached } from "./attached-unit.ts";
import { runRecordedHook } from "./hooks.ts";
import type { Host } from "./host.ts";
import { KitError, StepFailure } from "./kit-error.ts";
import { isStorePath, type ProfileRoot, readGenerations, removeProfileRoots, setRoot } from "./systems.ts";
import { LOCK, TransactionRecord, useReturnBallast } from "./transaction-record.ts";

const NIX_PROFILES = "/nix/var/nix/profiles/per-user";
const RETURN: AttachedUnit = { name: "pristine-profiles.service", wantedBy: "multi-user.target" };
const COMMAND_SECONDS = 60;
/** Nix's own limit is none; these are for who uses its profile commands, and each keeps a closure. */
const LINKS_KEPT = 10;

/**
 * Run by `sh -c` with a link, the path that it is to lead to or nothing, a path whose numbered links go, and how many of
 * the others stay. Numbers its links as Nix does (nix-env(1), "Profiles").
 */
const MOVE = `
set -eu
umask 022
directory=\${1%/*} name=\${1##*/} path=$2 forget=$3 keep=$4
mkdir -p "$directory"
cd "$directory"
newest=0
numbers=
for one in "$name"-*-link; do
  number=\${one#"$name"-}
  number=\${number%-link}
  case $number in *[!0-9]* | 0* | "") continue ;; esac
  numbers="$numbers $number"
  [ "$number" -le "$newest" ] || newest=$number
done
if [ -n "$path" ]; then
  if [ "$(readlink "$name-$newest-link")" != "$path" ]; then
    newest=$((newest + 1))
    ln -s "$path" "$name-$newest-link"
  fi
  ln -sfn "$name-$newest-link" ".$name.new"
  mv -T ".$name.new" "$name"
else
  rm -f "$name"
fi
for number in $numbers; do
  [ "$number" != "$newest" ] || [ -z "$path" ] || continue
  if [ "$number" -le $((newest - keep)) ] || [ "$(readlink "$name-$number-link")" = "$forget" ]; then
    rm -f "$name-$number-link"
  fi
done
`;

/** As whom something is run. */
interface Account extends ProfileOwner {
  readonly user: string;
  /** Whether the host has the user now. */
  readonly isThere: boolean;
}

/** Refuses profiles that the host cannot take, and keeps what they are to be. */
export function requireProfiles(host: Host, plan: TransactionPlan, base: string | undefined): void {
  const { profiles = [] } = plan;
  const bad = profiles.find((one) => !isWantedProfile(one) || (one.path !== null && !isStorePath(one.path)));
  if (bad !== undefined) throw new KitError("KIT_USAGE", `the profile ${JSON.stringify(bad)} cannot be used`);
  if (profiles.length === 0) return;
  if (base !== "nixos")
    throw new KitError("KIT_SYSTEM_INVALID", "only hosts of NixOS have profiles beside the system's");
  const why = whyNotAttached(host);
  if (why === undefined) return;
  throw new KitError("KIT_STATE", `this host could not return its profiles after a power cut: ${why}`, {
    hint: "a host that has never been rebooted shows it after a reboot; where /etc is made anew at each boot, leave deployment.profiles to deploy-rs",
  });
}

/** Keeps what no link leads to yet. */
export function keepProfiles(host: Host, { profiles = [] }: TransactionPlan): void {
  for (const profile of profiles) if (profile.path !== null) setRoot(host, rootNameOf("next", profile), profile.path);
}

/** No name of a user or of a profile has the colon. */
function rootNameOf(kind: "next" | "before", { name, user }: WantedProfile): ProfileRoot {
  return `profile-${kind}-${user}:${name}`;
}

/** Makes profiles what the plan says, and returns those of an interrupted transaction that it says nothing of. */
export function activateProfiles(host: Host, record: TransactionRecord, untilMs: number): void {
  const inherited = inheritedMoves(host, record);
  for (const profile of wantedBy(host, record, inherited)) {
    const older = inherited.find((one) => profileId(one) === profileId(profile));
    const account =
      accountOf(host, profile.user) ??
      (profile.path === null && older !== undefined ? formerAccount(older) : undefined);
    if (account === undefined && profile.path === null) {
      const message = `the link of ${profileId(profile)} stays: the host has no such user any more`;
      record.append({ kind: "note", message });
      continue;
    }
    if (account === undefined) throw new Error(`the host has no user '${profile.user}', whose profile it is`);
    const known = record.profileMoves().find((one) => profileId(one) === profileId(profile));
    const move = known ?? beginMove(host, record, account, profile, inherited);
    if (!isChanged(move, inherited)) continue;
    moveLink(host, account, move.link, { path: move.path, forget: null });
    if (move.path === null || !hasScript(host, move.path)) continue;
    const hook = scriptOf(host, account, move, "postActivation");
    const result = runRecordedHook(host, record, { hook, moment: "postActivation", untilMs });
    if (!result.isOk) throw new StepFailure("post-activation", "hook-failed", renderHookResult(result), result.output);
  }
}

function isChanged(move: ProfileMove, inherited: readonly ProfileMove[]): boolean {
  return move.path !== move.before || inherited.some((one) => profileId(one) === profileId(move));
}

/** In the order of their activation; what is not declared any more comes last. */
function wantedBy(
  host: Host,
  { plan }: TransactionRecord,
  inherited: readonly ProfileMove[],
): readonly WantedProfile[] {
  const wanted = plan.profiles ?? [];
  const ids = new Set(wanted.map(profileId));
  const confirmed = plan.profiles === undefined ? [] : confirmedProfiles(host);
  const gone = confirmed.filter((one) => !ids.has(profileId(one))).map((one) => ({ ...one, path: null }));
  for (const one of gone) ids.add(profileId(one));
  const left = inherited
    .filter((one) => !ids.has(profileId(one)))
    .map(({ before: path, link, name, user }) => ({ name, user, link, path }));
  return [...wanted, ...gone, ...left];
}

function confirmedProfiles(host: Host): readonly PlacedProfile[] {
  return readGenerations(host).find(({ isDefault }) => isDefault)?.profiles ?? [];
}

/** From its record on, the way back is known. */
function beginMove(
  host: Host,
  record: TransactionRecord,
  account: Account,
  profile: WantedProfile,
  inherited: readonly ProfileMove[],
): ProfileMove {
  const known = inherited.find((one) => profileId(one) === profileId(profile));
  const link = known?.link ?? profile.link ?? usualLink(host, account, profile.name);
  const before = known === undefined ? leadsTo(host, link) : known.before;
  if (before === null && host.files.readlink(link) === undefined && host.files.exists(link)) {
    throw new StepFailure("post-activation", "step-failed", `${link} is no link, so no profile can be there`, []);
  }
  const { gid, home, uid } = account;
  const { name, path, user } = profile;
  const move: ProfileMove = { name, user, link, path, before, owner: { uid, gid, home } };
  if (before !== null) setRoot(host, rootNameOf("before", profile), before);
  if (isChanged(move, inherited)) attachReturn(host);
  record.append({ kind: "profile", move });
  return move;
}

/** At a boot, before anybody logs in: what the transaction that was cut off has moved returns, or is confirmed to its end. */
function attachReturn(host: Host): void {
  attachUnit(host, RETURN, [
    "[Unit]",
    "Description=Return the profiles of a deployment that was cut off",
    "After=local-fs.target",
    "Before=systemd-user-sessions.service",
    `ConditionPathExists=${LOCK}`,
    "[Service]",
    "Type=oneshot",
    `ExecStart=${host.kitCommand} status`,
    "TimeoutStartSec=600",
  ]);
}

/** Where Nix has it for the user. */
function usualLink(host: Host, { home, user }: Account, name: string): string {
  const ofUser = `${NIX_PROFILES}/${user}`;
  if (user === "root" || host.files.exists(ofUser)) return `${ofUser}/${name}`;
  if (!host.files.exists(home)) throw new Error(`${home}, the home of ${user}, is not there, and its profile is in it`);
  return `${home}/.local/state/nix/profiles/${name}`;
}

/** The store path that a profile's link leads to. */
function leadsTo(host: Host, link: string): string | null {
  const target = host.files.readlink(link);
  if (target === undefined || isStorePath(target)) return target ?? null;
  const numbered = target.startsWith("/") ? target : `${link.slice(0, link.lastIndexOf("/"))}/${target}`;
  const path = host.files.readlink(numbered);
  return path !== undefined && isStorePath(path) ? path : null;
}

/** Returns profiles to what they were, the last one first. Each is tried; answers what failed. */
export function returnProfiles(host: Host, record: TransactionRecord): string[] {
  const inherited = inheritedMoves(host, record);
  const own = record.profileMoves();
  const ids = new Set(own.map(profileId));
  const moves = [...inherited.filter((one) => !ids.has(profileId(one))), ...own];
  return moves.reverse().flatMap((move) => {
    if (!isChanged(move, inherited)) return [];
    try {
      returnProfile(host, record, move);
      return [];
    } catch (error) {
      return [`profile ${profileId(move)}: ${error instanceof Error ? error.message : String(error)}`];
    }
  });
}

function returnProfile(host: Host, record: TransactionRecord, move: ProfileMove): void {
  const { before, link, path, user } = move;
  const account = accountOf(host, user) ?? formerAccount(move);
  if (leadsTo(host, link) !== before) {
    useReturnBallast(host, () => {
      moveLink(host, account, link, { path: before, forget: path });
    });
  }
  if (before === null || !account.isThere || !hasScript(host, before)) return;
  const untilMs = host.uptimeMs() + PROFILE_SECONDS_MAX * 1000;
  const hook = scriptOf(host, account, move, "postRollback");
  const result = runRecordedHook(host, record, { hook, moment: "postRollback", untilMs });
  if (!result.isOk) throw new Error(renderHookResult(result));
}

/** Whether profiles are what they were before the transaction. */
export function areProfilesBack(host: Host, record: TransactionRecord): boolean {
  return [...inheritedMoves(host, record), ...record.profileMoves()].every(
    ({ before, link }) => leadsTo(host, link) === before,
  );
}

/** Leaves nothing of a transaction that has ended but the links. */
export function releaseProfiles(host: Host): void {
  detachUnit(host, RETURN);
  removeProfileRoots(host, "profile-");
}

/** What a transaction has made of profiles, for its generation; nothing when it leaves them as they are. */
export function profilesOf(record: TransactionRecord): readonly PlacedProfile[] | undefined {
  if (record.plan.profiles === undefined) return undefined;
  return record
    .profileMoves()
    .flatMap(({ link, name, path, user }) => (path === null ? [] : [{ name, user, link, path }]));
}

/** The confirmed profiles, and where their links lead. */
export function findProfiles(host: Host): FoundProfile[] {
  return confirmedProfiles(host).map((one) => ({ ...one, found: leadsTo(host, one.link) }));
}

/** What the transactions that this one took over from have moved; each has noted what was there before all of them. */
function inheritedMoves(host: Host, { facts }: TransactionRecord): readonly ProfileMove[] {
  const older = facts.supersedes === undefined ? undefined : TransactionRecord.open(host, facts.supersedes);
  if (older === undefined) return [];
  const first = inheritedMoves(host, older);
  const own = older.profileMoves().filter((one) => isChanged(one, first));
  const ids = new Set(own.map(profileId));
  return [...first.filter((one) => !ids.has(profileId(one))), ...own];
}

function accountOf(host: Host, user: string): Account | undefined {
  const isTheirs = (line: string): boolean => line.startsWith(`${user}:`);
  const line =
    host.files.readFile("/etc/passwd")?.split("\n").find(isTheirs) ??
    host.run(["getent", "passwd", user], { timeoutSeconds: COMMAND_SECONDS }).stdout;
  const [, , uid, gid, , home] = line.trim().split(":");
  if (uid === undefined || gid === undefined || home === undefined) return undefined;
  return { user, uid, gid, home, isThere: true };
}

/** Who a user was that the host does not have any more. */
function formerAccount({ owner, user }: ProfileMove): Account {
  return { ...owner, user, isThere: false };
}

function asUser(account: Account, command: readonly string[], more: readonly string[] = []): string[] {
  const { user, uid, gid, home, isThere } = account;
  const environment = [`HOME=${home}`, `USER=${user}`, `LOGNAME=${user}`, ...more];
  const own = ["env", ...environment, ...command];
  if (uid === "0") return own;
  return isThere
    ? ["runuser", "-u", user, "--", ...own]
    : ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--", ...own];
}

function moveLink(
  host: Host,
  account: Account,
  link: string,
  { path, forget }: { readonly path: string | null; readonly forget: string | null },
): void {
  const keep = path === null ? 0 : LINKS_KEPT;
  const command = ["sh", "-c", MOVE, "profile", link, path ?? "", forget ?? "", String(keep)];
  const { code, stderr } = host.run(asUser(account, command), { timeoutSeconds: COMMAND_SECONDS });
  if (code !== 0) throw new Error(`${link} cannot be moved: ${stderr.trim().split("\n").at(-1) || `exit ${code}`}`);
  host.files.syncFileSystem(link.slice(0, link.lastIndexOf("/")));
}

function hasScript(host: Host, path: string): boolean {
  return host.files.exists(`${path}/${PROFILE_SCRIPT}`);
}

/** What activates the path that a profile's link leads to, as a hook of its user's. */
function scriptOf(host: Host, account: Account, { link, ...profile }: ProfileMove, moment: HookMoment): Hook {
  const runtime = `/run/user/${account.uid}`;
  const environment = [
    `PROFILE=${link}`,
    `PATH=/run/wrappers/bin:${account.home}/.nix-profile/bin:/etc/profiles/per-user/${account.user}/bin:/run/current-system/sw/bin:/usr/bin:/bin`,
    ...(host.files.exists(runtime) ? [`XDG_RUNTIME_DIR=${runtime}`] : []),
  ];
  return {
    name: `profile ${profileId(profile)}`,
    on: "host",
    when: [moment],
    command: asUser(account, ["sh", "-c", 'cd "$PROFILE" && exec "$0"', `${link}/${PROFILE_SCRIPT}`], environment),
    timeoutSeconds: PROFILE_SECONDS_MAX,
    environment: {},
    onFailure: "abort",
  };
}
