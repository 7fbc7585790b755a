/**
 * The gate: what a deploy user who may do nothing else runs as root (`deployment.restrictedUser`).
 *
 * A rule of sudoers lets that user start `pristine-kit gate COMMAND`. Whoever can have any system activated is root in
 * the end, so the gate takes only systems that a key of the fleet has signed, or that the host has confirmed before;
 * and it runs nothing that is not in such a system.
 */

import type { HookRequest } from "../machine/hook.ts";
import { areProfiles, type WantedProfile } from "../machine/profile.ts";
import { PROGRAM_PATH } from "../machine/programs.ts";
import type { TransactionPlan } from "../machine/transaction.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { isStorePath, readGenerations, runningSystem, setRoot } from "./systems.ts";

/** Of the running system, where it may be a link: who may be let in. */
const GATE_FILE = "/etc/pristine/restricted-deployment.json";

/** Commands that the gate lets through; what they read from standard input is looked at where it says what to run. */
const COMMANDS: ReadonlySet<string> = new Set([
  "facts",
  "begin",
  "journal",
  "confirm",
  "revert",
  "check",
  "check-history",
  "hook",
  "stale",
  "ephemeral",
  "status",
  "history",
  "place-kit",
  "reboot",
]);

/** Whatever the one who came in has in his environment and his home. */
export const NIX: readonly string[] =
  `env -i PATH=${PROGRAM_PATH} HOME=/ nix --extra-experimental-features nix-command`.split(" ");
const ASK_STORE_SECONDS = 60;

/** The command behind the gate. */
export function gated(args: readonly string[]): readonly string[] {
  const [command = ""] = args;
  if (COMMANDS.has(command)) return args;
  throw new KitError("KIT_REFUSED", `the gate of this host lets nobody run '${command}'`, {
    hint: "a restricted deploy user deploys, looks and reboots; for all else log in as somebody who is root",
  });
}

/**
 * A plan that may be begun: the checks and hooks are those of the system, whatever was sent. A system of NixOS has none,
 * and what was sent would be left out unseen.
 */
export function gatedPlan(host: Host, plan: TransactionPlan): TransactionPlan {
  const { system, profiles } = plan;
  const isKnown = system === runningSystem(host) || readGenerations(host).some(({ path }) => path === system);
  if (!isKnown) requireSigned(host, system);
  if (profiles !== undefined) requireConfirmed(host, profiles);
  const { meta } = host.system(system);
  const [brought] = meta === undefined ? [...plan.healthChecks, ...(plan.hooks ?? [])] : [];
  if (brought !== undefined) {
    throw new KitError("KIT_REFUSED", `'${brought.name}' is not part of ${system}, and a restricted user brings none`, {
      hint: "let the deployer run the check (runFrom) or the hook (on), or deploy as somebody who is root",
    });
  }
  return { ...plan, healthChecks: meta?.healthChecks ?? [], hooks: meta?.hooks ?? [] };
}

/** Whose script runs as whom, no signature says: only what somebody who is root has confirmed is taken. */
function requireConfirmed(host: Host, profiles: readonly WantedProfile[]): void {
  const generations = readGenerations(host);
  if (generations.length === 0 && profiles.length === 0) return;
  if (generations.some((generation) => areProfiles(generation.profiles ?? [], profiles))) return;
  throw new KitError("KIT_REFUSED", "the gate of this host takes no profiles but those of an earlier generation", {
    hint: "deploy them as somebody who is root",
  });
}

/** Hooks that belong to no transaction: those of the running system, which hear what deployments tell hooks. */
export function gatedHooks(host: Host, request: HookRequest): HookRequest {
  const running = runningSystem(host);
  const meta = running === undefined ? undefined : host.system(running).meta;
  const declared = new Set((meta?.hooks ?? []).map((hook) => JSON.stringify(hook)));
  for (const hook of request.hooks) {
    if (declared.has(JSON.stringify(hook))) continue;
    throw new KitError("KIT_REFUSED", `the running system of this host has no such hook '${hook.name}'`);
  }
  const told = Object.entries(request.environment).filter(([name]) => name.startsWith("PRISTINE_"));
  return { ...request, environment: Object.fromEntries(told) };
}

/** Makes a kit the one that runs here, which needs a signature as a system does. */
export function placeKit(host: Host, path: string, { isGated }: { readonly isGated: boolean }): void {
  if (!isStorePath(path) || !host.files.exists(`${path}/bin/pristine-kit`)) {
    throw new KitError("KIT_USAGE", `${path} is no kit`);
  }
  if (isGated) requireSigned(host, path);
  setRoot(host, "kit", path);
}

/** Throws unless a trusted key has signed the path; that its contents follow from its name is not enough. */
function requireSigned(host: Host, path: string): void {
  const refuse = (why: string): never => {
    throw new KitError("KIT_REFUSED", `${path} ${why}`, {
      hint: "deploy with deployment.signingKeyFile set to the key whose public part this host trusts",
    });
  };
  if (!isStorePath(path)) refuse("is no store path");
  const keys = trustedKeys(host);
  if (keys.length === 0) refuse("is not taken: this host trusts no key");
  const info = host.run([...NIX, "path-info", "--json", path], { timeoutSeconds: ASK_STORE_SECONDS });
  if (info.code !== 0) refuse("is not valid in the store of this host");
  // A list before Nix 2.19, an object by path since.
  const [found] = Object.values(
    JSON.parse(info.stdout) as Record<string, { readonly narHash?: unknown; readonly ca?: unknown } | null>,
  );
  // A Nix that answers in another way is not understood as saying that there is no `ca`.
  if (found?.narHash === undefined) refuse("is not valid in the store of this host");
  else if (found.ca !== undefined && found.ca !== null) refuse("can be put into the store by anybody");
  const options = ["--no-contents", "--sigs-needed", "1", "--option", "trusted-public-keys", keys.join(" ")];
  const verified = host.run([...NIX, "store", "verify", ...options, path], { timeoutSeconds: ASK_STORE_SECONDS });
  if (verified.code !== 0) refuse(`is signed by no key that this host trusts (${keys.map(nameOfKey).join(", ")})`);
}

function trustedKeys(host: Host): readonly string[] {
  const running = runningSystem(host);
  const text = running === undefined ? undefined : host.system(running).read(GATE_FILE);
  return text === undefined ? [] : (JSON.parse(text) as { readonly trustedKeys: readonly string[] }).trustedKeys;
}

function nameOfKey(key: string): string {
  return key.slice(0, key.indexOf(":"));
}
