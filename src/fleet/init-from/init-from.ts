/** `pristine init --from`: a fleet file for hosts that are there, from sources that are read and hosts that are only looked at. */

import { dirname, join } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { ensureDirectory, exists, writeFileAtomic } from "../../system/files.ts";
import { loadAdopted } from "../adopted.ts";
import { probeMachines, type ProbeOptions } from "../probe-machines.ts";
import { readAnsible } from "./ansible/hosts.ts";
import { type Declaration, declarationOf } from "./declaration.ts";
import { type Adopted, fleetText } from "./fleet-text.ts";
import { type FoundHost, requireDistinct, requireOneAddressEach } from "./found-host.ts";
import { sourceOf } from "./source.ts";

export interface InitFromOptions extends ProbeOptions {
  readonly sources: readonly string[];
  /** Whether hosts are asked what they are; without, nothing is contacted. */
  readonly probes: boolean;
}

export interface InitializedFrom {
  readonly fleetFile: string;
  readonly hosts: readonly Declaration[];
  readonly adopted: readonly Adopted[];
  /** What was not read, with its place. */
  readonly notes: readonly string[];
}

/** Writes `fleet.nix` below a directory, once all sources were read and all hosts asked. */
export async function initFleetFrom(directory: string, options: InitFromOptions): Promise<InitializedFrom> {
  const fleetFile = join(directory, "fleet.nix");
  await requireFree(fleetFile);
  const found: FoundHost[] = [];
  const adopted: Adopted[] = [];
  const notes: string[] = [];
  for (const text of options.sources) {
    const source = await sourceOf(text);
    if (source.kind === "ssh") found.push({ name: source.name, origin: text, target: source.target, tags: [] });
    else if (source.kind === "ansible") {
      const read = await readAnsible(source.file);
      found.push(...read.hosts);
      notes.push(...read.notes);
    } else adopted.push(await adoptedFrom(source.kind, source.file, options.signal));
  }
  const ofTools = adopted.flatMap(({ file, hosts }) => hosts.map((name) => ({ name, origin: file })));
  requireDistinct([...found, ...ofTools], "each needs a name of its own: of hosts for ssh, write NAME=ADDRESS");
  requireOneAddressEach(found);
  const hosts = await declare(found, options);
  await requireFree(fleetFile);
  await ensureDirectory(dirname(fleetFile));
  await writeFileAtomic(fleetFile, fleetText(fleetFile, { sources: options.sources, adopted, hosts, notes }));
  return { fleetFile, hosts, adopted, notes };
}

async function declare(found: readonly FoundHost[], options: InitFromOptions): Promise<Declaration[]> {
  if (!options.probes) return found.map((host) => declarationOf(host, undefined));
  const reached = found.filter(({ elsewhere }) => elsewhere === undefined);
  const answers = await probeMachines(
    reached.map(({ target }) => target),
    options,
  );
  return found.map((host) => declarationOf(host, answers[reached.indexOf(host)]));
}

async function adoptedFrom(kind: Adopted["kind"], file: string, signal: AbortSignal): Promise<Adopted> {
  const { hosts } = await loadAdopted(file, signal);
  return {
    kind,
    file,
    hosts: hosts.filter(({ left }) => left === null).map(({ name }) => name),
    left: hosts.flatMap(({ name, left }) => (left === null ? [] : [{ name, reason: left }])),
  };
}

async function requireFree(fleetFile: string): Promise<void> {
  if (!(await exists(fleetFile))) return;
  throw new OperationError("FILE_IN_THE_WAY", `${fleetFile} exists already`, {
    hint: "choose another directory: pristine init DIRECTORY --from SOURCE",
  });
}
