/** The secrets of a system, as its manifest lists them: what the planner tells of them and the kit decrypts. No plaintext. */

import type { SystemBase, SystemObject } from "./system-object.ts";
import { activeUnits, type UnitChange, type UnitPlan, type UnitState } from "./unit-plan.ts";

/** Where a system has its manifest, and the age file of each secret. */
export const SECRETS: string = "/etc/pristine/secrets";

/** Where a host has its decrypted secrets. */
export interface SecretPlaces {
  /** Whose directories have the versions' names. */
  readonly versions: string;
  /** The link to the version that is in force. */
  readonly link: string;
  /**
   * A directory of links by their names, where services have a view of their own: a link that is bound there would be what
   * it led to when they started.
   */
  readonly names?: string;
}

const PLACES: SecretPlaces = { versions: "/run/secrets.d", link: "/run/secrets" };
/** Services see what is below this directory as the host does. */
export const FOREIGN_SECRETS: Required<SecretPlaces> = {
  versions: "/run/pristine/foreign/secrets.d",
  link: "/run/pristine/foreign/secrets-in-force",
  names: "/run/pristine/foreign/secrets",
};

export function secretPlacesOf(base: SystemBase | undefined): SecretPlaces {
  return base === "foreign" ? FOREIGN_SECRETS : PLACES;
}

/** A file that the host makes. */
export interface SecretFile {
  readonly name: string;
  readonly path: string;
  readonly owner: string;
  readonly group: string;
  /** `null` where only the host knows the number of `owner` and of `group`. */
  readonly uid: number | null;
  readonly gid: number | null;
  /** Octal. */
  readonly mode: string;
  readonly restartUnits: readonly string[];
  readonly reloadUnits: readonly string[];
  /** Of a secret: the SHA-256 of its age file. */
  readonly sha256?: string;
  /** Of a template: the text, with placeholders. */
  readonly content?: string;
}

export interface SecretsManifest {
  readonly version: 1;
  /** Names this version of all of them. */
  readonly id: string;
  /** The host's private ssh keys. */
  readonly identities: readonly string[];
  /** The program that decrypts, or the words that start it; `age` of the system's packages where none is named. */
  readonly age?: string | readonly string[];
  readonly secrets: readonly SecretFile[];
  readonly templates: readonly SecretFile[];
}

/** `undefined` for a system without secrets. */
export function secretsOf(system: SystemObject | undefined): SecretsManifest | undefined {
  const text = system?.read(`${SECRETS}/manifest.json`);
  return text === undefined ? undefined : (JSON.parse(text) as SecretsManifest);
}

export function filesOf(manifest: SecretsManifest | undefined): readonly SecretFile[] {
  return manifest === undefined ? [] : [...manifest.secrets, ...manifest.templates];
}

const PLACEHOLDER = /@pristine-secret:([^@\n]*)@/g;

/** Puts secrets where their placeholders stand. */
export function fillTemplate(content: string, secretOf: (name: string) => string): string {
  // A replacement as a function: `$&` in a secret means nothing.
  return content.replace(PLACEHOLDER, (_, name: string) => secretOf(name).replace(/\r?\n$/, ""));
}

export function secretsNamedIn(content: string): string[] {
  return [...content.matchAll(PLACEHOLDER)].map(([, name]) => name as string);
}

/** Whose a file is, as `chown` takes it. */
export function ownerOf({ uid, owner, gid, group }: SecretFile): string {
  return `${uid ?? owner}:${gid ?? group}`;
}

/** Whether anybody who uses the file sees a difference, its contents aside. */
export function isSameFile(one: SecretFile, other: SecretFile): boolean {
  return one.path === other.path && one.mode === other.mode && ownerOf(one) === ownerOf(other);
}

/** A secret or template that differs between two systems. */
export interface SecretChange {
  readonly name: string;
  readonly kind: "added" | "removed" | "changed";
  readonly isTemplate: boolean;
  /** Such as `mode: 0400 → 0440`; `file` for other bytes, which may be the same secret for another key. */
  readonly details: readonly string[];
  /** What may restart and reload: only the host can tell whether the secret itself differs. */
  readonly restartUnits: readonly string[];
  readonly reloadUnits: readonly string[];
}

export function diffSecrets(old: SecretsManifest | undefined, next: SecretsManifest | undefined): SecretChange[] {
  const before = new Map(filesOf(old).map((file) => [file.name, file]));
  const after = new Map(filesOf(next).map((file) => [file.name, file]));
  const bytesDiffer = (name: string): boolean => before.get(name)?.sha256 !== after.get(name)?.sha256;
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((name): SecretChange[] => {
    const was = before.get(name);
    const is = after.get(name);
    const isTemplate = (is ?? was)?.content !== undefined;
    if (is === undefined)
      return [{ name, kind: "removed", isTemplate, details: [], restartUnits: [], reloadUnits: [] }];
    const { restartUnits, reloadUnits } = is;
    if (was === undefined) return [{ name, kind: "added", isTemplate, details: [], restartUnits, reloadUnits }];
    const details = [
      ...(["path", "owner", "group", "mode"] as const).flatMap((key) =>
        was[key] === is[key] ? [] : [`${key}: ${was[key]} → ${is[key]}`],
      ),
      ...(was.content === is.content ? [] : ["content"]),
      ...(bytesDiffer(name) ? ["file"] : []),
      ...secretsNamedIn(is.content ?? "").filter(bytesDiffer),
    ];
    return details.length === 0 ? [] : [{ name, kind: "changed", isTemplate, details, restartUnits, reloadUnits }];
  });
}

/** Adds the users of secrets that changed: those that run, and that nothing else stops or starts. */
export function withSecretUnits(
  plan: UnitPlan,
  changed: readonly SecretFile[],
  states: readonly UnitState[],
  isDefined: (unit: string) => boolean,
): UnitPlan {
  const running = activeUnits(states);
  const restarted = new Set([...plan.stop, ...plan.start, ...plan.restart]);
  const reasons = new Map<string, UnitChange>();
  const take = (action: "restart" | "reload", busy: ReadonlySet<string>): string[] => {
    const units = new Set<string>();
    for (const { name, restartUnits, reloadUnits } of changed) {
      for (const unit of action === "restart" ? restartUnits : reloadUnits) {
        if (!running.has(unit) || busy.has(unit) || !isDefined(unit)) continue;
        units.add(unit);
        if (!reasons.has(unit)) reasons.set(unit, { unit, action, reason: `its secret '${name}' changed` });
      }
    }
    return [...units];
  };
  const restart = take("restart", restarted);
  const reload = take("reload", new Set([...restarted, ...restart, ...plan.reload]));
  if (restart.length + reload.length === 0) return plan;
  return {
    ...plan,
    restart: [...plan.restart, ...restart].sort(),
    reload: [...plan.reload.filter((unit) => !restart.includes(unit)), ...reload].sort(),
    changes: [...plan.changes.filter(({ unit }) => !reasons.has(unit)), ...reasons.values()].sort((one, other) =>
      one.unit < other.unit ? -1 : 1,
    ),
  };
}
