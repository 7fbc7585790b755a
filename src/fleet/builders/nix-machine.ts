/** Nix's remote builders, as `builders` of nix.conf and /etc/nix/machines describe them. */

import { OperationError } from "../../base/errors.ts";
import { type Derivation } from "../../format/derivation.ts";

/** A machine that builds, reached over ssh as whoever deploys is let in there. */
export interface NixMachine {
  /** As it was written, for messages. */
  readonly uri: string;
  readonly host: string;
  readonly user?: string | undefined;
  readonly port?: string | undefined;
  readonly systems: readonly string[];
  /** A private key to log in with. */
  readonly keyFile?: string | undefined;
  readonly jobsMax: number;
  readonly speedFactor: number;
  readonly supportedFeatures: readonly string[];
  /** It builds only what needs all of these. */
  readonly mandatoryFeatures: readonly string[];
  /** Its host key as a line of known_hosts has it, without the names. */
  readonly hostKey?: string | undefined;
}

/** Files may name files; one that names itself would never end. */
const DEPTH_MAX = 8;

export interface MachineSources {
  /** The platform of machines that name none. */
  readonly system: string;
  /** Where the text was written, for messages. */
  readonly place: string;
  /** The text of a file; undefined when it is not there, which as with Nix is as if it were empty. */
  readonly read: (path: string) => Promise<string | undefined>;
}

/** The machines in a text, in its order. */
export async function parseMachines(text: string, sources: MachineSources): Promise<NixMachine[]> {
  return await machinesIn(text, sources, 0);
}

async function machinesIn(text: string, sources: MachineSources, depth: number): Promise<NixMachine[]> {
  if (depth > DEPTH_MAX) throw invalid(sources.place, "its files name each other without end");
  const machines: NixMachine[] = [];
  const entries = text.split("\n").flatMap((line) => line.replace(/#.*/, "").split(";"));
  for (const entry of entries.map((one) => one.trim())) {
    if (entry === "") continue;
    if (!entry.startsWith("@")) {
      machines.push(parseMachine(entry, sources));
      continue;
    }
    const path = entry.slice(1).trim();
    if (!path.startsWith("/")) throw invalid(sources.place, `the file '${path}' must be an absolute path`);
    const content = (await sources.read(path)) ?? "";
    machines.push(...(await machinesIn(content, { ...sources, place: path }, depth + 1)));
  }
  return machines;
}

const URI = /^(?:ssh(?:-ng)?:\/\/)?(?:([^@/\s]+)@)?(\[[^\]]+\]|[^@:/?#[\]]+)(?::(\d+))?\/?$/;
/** Words that are stores of this machine to Nix. */
const OWN_STORES = new Set(["auto", "daemon", "local"]);

function parseMachine(entry: string, { place, system }: MachineSources): NixMachine {
  const bad = (why: string): OperationError => invalid(place, `${why}, in '${entry}'`);
  const [uri = "", ...columns] = entry.split(/\s+/);
  const column = (index: number): string | undefined => {
    const text = columns[index];
    return text === undefined || text === "-" ? undefined : text;
  };
  const list = (index: number): string[] => (column(index) ?? "").split(",").filter((word) => word !== "");
  const [, user, host, port] = URI.exec(uri) ?? [];
  if (host === undefined || OWN_STORES.has(uri) || host.startsWith("-"))
    throw bad(`'${uri}' is no machine that is reached over ssh (ssh://USER@HOST:PORT)`);
  const jobs = column(2) ?? "1";
  if (!/^\d+$/.test(jobs)) throw bad(`'${jobs}' is not a number of jobs`);
  const speed = column(3) ?? "1";
  if (!/^\d+(?:\.\d+)?$/.test(speed)) throw bad(`'${speed}' is not a speed factor`);
  const hostKey = column(6);
  const decoded = hostKey === undefined ? undefined : Buffer.from(hostKey, "base64").toString("utf8").trim();
  if (decoded !== undefined && !/^(?:ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/]+=*(?: [^\n]*)?$/.test(decoded))
    throw bad(`'${hostKey}' is not the base64 of a public host key`);
  return {
    uri,
    host: host.replace(/^\[(.*)\]$/, "$1"),
    user,
    port,
    systems: column(0) === undefined ? [system] : list(0),
    keyFile: column(1),
    jobsMax: Number(jobs),
    // As Nix takes it.
    speedFactor: Number(speed) || 1,
    supportedFeatures: list(4),
    mandatoryFeatures: list(5),
    hostKey: decoded,
  };
}

function invalid(place: string, why: string): OperationError {
  return new OperationError("BUILDERS_INVALID", `${place}: ${why}`, {
    hint: "a machine is URI SYSTEMS KEY JOBS SPEED FEATURES MANDATORY-FEATURES HOST-KEY, separated by spaces, with - for what is not said",
  });
}

/** What a derivation needs of the machine that builds it. */
export function requiredFeatures({ env }: Pick<Derivation, "env">): readonly string[] {
  const structured = env.get("__json");
  if (structured === undefined) return (env.get("requiredSystemFeatures") ?? "").split(/\s+/).filter(Boolean);
  const { requiredSystemFeatures } = JSON.parse(structured) as { requiredSystemFeatures?: unknown };
  return Array.isArray(requiredSystemFeatures) ? requiredSystemFeatures.map(String) : [];
}

/** Why a machine does not build a derivation; undefined when it does. */
export function unfitness(
  { mandatoryFeatures, supportedFeatures, systems }: NixMachine,
  drv: Pick<Derivation, "env" | "name" | "system">,
): string | undefined {
  if (drv.system !== "builtin" && !systems.includes(drv.system))
    return `builds for ${systems.join(", ")}, and ${drv.name} is for ${drv.system}`;
  const required = requiredFeatures(drv);
  const lacking = required.find((one) => !supportedFeatures.includes(one) && !mandatoryFeatures.includes(one));
  if (lacking !== undefined) return `has no feature '${lacking}', which ${drv.name} needs`;
  const unmet = mandatoryFeatures.find((one) => !required.includes(one));
  return unmet === undefined ? undefined : `builds only what needs the feature '${unmet}', which ${drv.name} does not`;
}

/**
 * The machines in the order in which they are to be tried: first the one with the least to do for its speed, then the
 * fastest, then as they were written.
 */
export function inOrder(machines: readonly NixMachine[], loadOf: (machine: NixMachine) => number): NixMachine[] {
  const load = (machine: NixMachine): number => loadOf(machine) / machine.speedFactor;
  return machines.toSorted((a, b) => load(a) - load(b) || b.speedFactor - a.speedFactor);
}
