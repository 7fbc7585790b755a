/**
 * Secrets on the host: each version of a system's secrets is decrypted into a directory of its own in memory, and one
 * link says which of them is in force.
 *
 * What is decrypted goes from `age` into its file, which has its owner and mode before it has contents; only templates
 * pass through this program.
 */

import {
  filesOf,
  fillTemplate,
  isSameFile,
  ownerOf,
  type SecretPlaces,
  SECRETS,
  secretPlacesOf,
  secretsNamedIn,
  type SecretFile,
  type SecretsManifest,
  secretsOf,
} from "../machine/secrets.ts";
import type { SystemObject } from "../machine/system-object.ts";
import { activeUnits } from "../machine/unit-plan.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { activatedSystem, runningSystem } from "./systems.ts";
import type { TransactionRecord } from "./transaction-record.ts";
import { utf8Of } from "./utf8.ts";

/** Others may go through, and not look around. */
const DIRECTORY_MODE = "0751";
const DECRYPT_TIMEOUT_SECONDS = 20;

/** Why a secret or template could not be made. */
interface SecretProblem {
  readonly name: string;
  readonly message: string;
}

/** Refuses what could not be decrypted or placed, before anything is touched. */
export function requireSecrets(host: Host, system: SystemObject): void {
  const manifest = secretsOf(system);
  if (manifest === undefined) return;
  const problems = [
    ...manifest.secrets.flatMap((secret) => problemOf(secret, decrypt(host, system, manifest, secret))),
    ...[placesOf(system).link, ...linksOf(system).keys()].flatMap((path) =>
      host.files.exists(path) && !isOurs(host, path, placesOf(system))
        ? [{ name: path, message: "something else is there, which would be overwritten" }]
        : [],
    ),
  ];
  if (problems.length > 0) throw new KitError("KIT_SECRETS", describe(problems), { hint: HINT });
}

const HINT =
  "secrets are encrypted for one ssh key of the host: 'pristine secrets rekey --enroll HOST' takes the one that it has now";

function describe(problems: readonly SecretProblem[]): string {
  return problems.map(({ name, message }) => `secret '${name}': ${message}`).join("; ");
}

/** Makes the directory of a system's secrets, unless it is there and whole; throws with all that failed. */
export function decryptSecrets(host: Host, system: SystemObject): void {
  const problems = makeVersion(host, system, { isPartial: false });
  if (problems.length > 0) throw new Error(describe(problems));
}

/** For a boot: each secret that can be had; answers what could not. */
export function provideSecrets(host: Host, system: SystemObject): string | undefined {
  const problems = makeVersion(host, system, { isPartial: true });
  switchSecrets(host, [], system);
  return problems.length === 0 ? undefined : describe(problems);
}

/** Where NixOS's activation script writes which units `switch-to-configuration` is to restart and to reload. */
const REQUESTS = {
  restartUnits: "/run/nixos/activation-restart-list",
  reloadUnits: "/run/nixos/activation-reload-list",
};

/**
 * Inside the activation script of a NixOS system: at boot as `provideSecrets`; else all of them are put in force, and
 * their users asked for, or nothing is. Answers what went wrong.
 */
export function activateSecrets(host: Host, system: SystemObject): string | undefined {
  // The script says last what runs.
  const current = activatedSystem(host);
  if (current === undefined) return provideSecrets(host, system);
  const from = [host.system(current)];
  try {
    decryptSecrets(host, system);
    requestUsers(host, [...changedSecrets(host, from, system), ...notInForce(host, system)]);
    switchSecrets(host, from, system);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What differs from what is in force: an activation that failed is not of the system that says it runs. */
function notInForce(host: Host, system: SystemObject): SecretFile[] {
  const manifest = secretsOf(system);
  const places = placesOf(system);
  const current = host.files.readlink(places.link);
  if (manifest === undefined || current === undefined) return [];
  const read = (directory: string, name: string): string => host.secretFiles.read(`${directory}/${name}`);
  return filesOf(manifest).filter(({ name }) => read(current, name) !== read(versionOf(places, manifest), name));
}

/** Those that run: what is started afterwards reads what is in force then. */
function requestUsers(host: Host, changed: readonly SecretFile[]): void {
  const running = activeUnits(host.units.list());
  for (const key of ["restartUnits", "reloadUnits"] as const) {
    const units = [...new Set(changed.flatMap((file) => file[key]))].filter((unit) => running.has(unit));
    if (units.length > 0) host.files.appendDurably(REQUESTS[key], units.map((unit) => `${unit}\n`).join(""));
  }
}

function makeVersion(
  host: Host,
  system: SystemObject,
  { isPartial }: { readonly isPartial: boolean },
): SecretProblem[] {
  const manifest = secretsOf(system);
  if (manifest === undefined) return [];
  const { versions } = placesOf(system);
  const directory = versionOf(placesOf(system), manifest);
  if (isWhole(host, directory, manifest)) return [];
  const { secretFiles } = host;
  const made = `${directory}.new`;
  host.files.removeTree(made);
  host.files.makeDirectory(versions.slice(0, versions.lastIndexOf("/")));
  secretFiles.makeDirectory(versions, DIRECTORY_MODE);
  secretFiles.makeDirectory(made, DIRECTORY_MODE);
  secretFiles.make(
    filesOf(manifest).map((file) => ({ path: `${made}/${file.name}`, owner: ownerOf(file), mode: file.mode })),
  );
  const problems = manifest.secrets.flatMap((secret) =>
    problemOf(secret, decrypt(host, system, manifest, secret, `${made}/${secret.name}`)),
  );
  const failed = new Set(problems.map(({ name }) => name));
  for (const { name, content = "" } of manifest.templates) {
    const lacking = secretsNamedIn(content).filter((named) => failed.has(named));
    if (lacking.length > 0) problems.push({ name, message: `it needs ${lacking.join(", ")}` });
    else
      secretFiles.write(
        `${made}/${name}`,
        fillTemplate(bytesOf(content), (named) => secretFiles.read(`${made}/${named}`)),
      );
  }
  if (problems.length > 0 && !isPartial) {
    host.files.removeTree(made);
    return problems;
  }
  for (const { name } of problems) host.files.remove(`${made}/${name}`, { durable: false });
  host.files.removeTree(directory);
  secretFiles.rename(made, directory);
  return problems;
}

/** A text as its bytes, each as one character, as secrets are. */
function bytesOf(text: string): string {
  return Array.from(utf8Of(text), (byte) => String.fromCharCode(byte)).join("");
}

function placesOf({ base }: SystemObject): SecretPlaces {
  return secretPlacesOf(base);
}

function versionOf({ versions }: SecretPlaces, { id }: SecretsManifest): string {
  return `${versions}/${id}`;
}

function isWhole(host: Host, directory: string, manifest: SecretsManifest): boolean {
  const present = new Set(host.files.list(directory));
  return filesOf(manifest).every(({ name }) => present.has(name));
}

/** Decrypts one secret into a file that is there, or to nowhere; answers what went wrong. */
function decrypt(
  host: Host,
  system: SystemObject,
  { age = system.resolve("/usr/bin/age").path, identities }: SecretsManifest,
  { name }: SecretFile,
  stdoutFile: string = "/dev/null",
): string | undefined {
  const encrypted = system.resolve(`${SECRETS}/${name}.age`).path;
  const present = identities.filter((identity) => host.files.exists(identity));
  if (present.length === 0) return `the host has none of its ssh keys ${identities.join(", ")}`;
  const command = [
    ...(typeof age === "string" ? [age] : age),
    "--decrypt",
    ...present.flatMap((identity) => ["--identity", identity]),
    encrypted,
  ];
  const { code, stderr } = host.run(command, { timeoutSeconds: DECRYPT_TIMEOUT_SECONDS, stdoutFile });
  if (code === 0) return undefined;
  return code === 124
    ? "age did not end in time"
    : (/^age: error: (.*)$/m.exec(stderr)?.[1] ?? `age ended with ${code}`);
}

function problemOf({ name }: SecretFile, message: string | undefined): SecretProblem[] {
  return message === undefined ? [] : [{ name, message }];
}

/** Secrets and templates of a system that are not as those of the systems left behind, whose users have to know. */
export function changedSecrets(host: Host, from: readonly SystemObject[], to: SystemObject): SecretFile[] {
  const next = secretsOf(to);
  if (next === undefined) return [];
  const places = placesOf(to);
  // What was never decrypted was never in use.
  const old = from
    .flatMap((system) => secretsOf(system) ?? [])
    .filter((manifest) => host.files.exists(versionOf(places, manifest)));
  const read = (manifest: SecretsManifest, name: string): string =>
    host.secretFiles.read(`${versionOf(places, manifest)}/${name}`);
  return filesOf(next).filter(
    (file) =>
      old.length === 0 ||
      old.some((manifest) => {
        const was = filesOf(manifest).find(({ name }) => name === file.name);
        if (was === undefined || !isSameFile(was, file)) return true;
        return manifest.id !== next.id && read(manifest, file.name) !== read(next, file.name);
      }),
  );
}

/** Puts a system's secrets in force: the link, and links where it wants them elsewhere. May be repeated. */
export function switchSecrets(host: Host, from: readonly SystemObject[], to: SystemObject): void {
  const { files } = host;
  const manifest = secretsOf(to);
  const places = placesOf(to);
  const wanted = linksOf(to);
  const gone = from.flatMap((system) => [...linksOf(system).keys()]);
  if (manifest !== undefined) files.replaceLink(places.link, versionOf(places, manifest), { durable: false });
  for (const [path, target] of wanted) {
    if (files.readlink(path) === target) continue;
    if (files.exists(path) && !isOurs(host, path, places))
      throw new Error(`${path} is not a link to a secret: it is left as it is`);
    files.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    files.replaceLink(path, target, { durable: false });
  }
  for (const path of gone) {
    if (!wanted.has(path) && isOurs(host, path, places)) files.remove(path, { durable: false });
  }
  if (manifest === undefined && isOurs(host, places.link, places)) files.remove(places.link, { durable: false });
}

/** Removes the versions that are not in force; where no system of a transaction has secrets, they are somebody else's. */
export function pruneSecrets(host: Host, { facts, plan }: Pick<TransactionRecord, "facts" | "plan">): void {
  const systems = [plan.system, facts.previous, ...facts.partial].map((path) => host.system(path));
  const withSecrets = systems.filter((system) => secretsOf(system) !== undefined);
  if (withSecrets.length === 0) return;
  const running = host.system(runningSystem(host) ?? facts.previous);
  // A system of NixOS that has none does not take away what the one before had.
  if (secretsOf(running) === undefined) switchSecrets(host, withSecrets, running);
  const { link, versions } = placesOf(running);
  const current = host.files.readlink(link);
  for (const name of host.files.list(versions) ?? []) {
    if (`${versions}/${name}` !== current) host.files.removeTree(`${versions}/${name}`);
  }
}

/** Links to a system's secrets beside the one to their version; those of `/etc`, and all of a foreign host's root, are the system's. */
function linksOf(system: SystemObject): ReadonlyMap<string, string> {
  const { link, names } = placesOf(system);
  return new Map(
    filesOf(secretsOf(system))
      .map(({ name, path }) => [names === undefined ? path : `${names}/${name}`, `${link}/${name}`] as const)
      .filter(([path, target]) => path !== target && !path.startsWith("/etc/")),
  );
}

function isOurs(host: Host, path: string, { link, versions }: SecretPlaces): boolean {
  const target = host.files.readlink(path);
  return target !== undefined && (target.startsWith(`${link}/`) || target.startsWith(`${versions}/`));
}
