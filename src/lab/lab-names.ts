/**
 * What a lab's things are called, and where they are.
 *
 * Every name follows from the lab's and the host's, so that a later run finds and removes what a killed one left.
 */

import { createHash } from "node:crypto";
import { OperationError } from "../base/errors.ts";

/** What may vanish with a reboot of this machine: mounts, process ids, scripts. */
export const RUNTIME_DIRECTORY = "/run/pristine/lab";
/** What a lab keeps: disks, keys, logs. */
export const DATA_DIRECTORY = "/var/lib/pristine/lab";
/** The cgroup that holds all labs, in every hierarchy that is used. */
export const CGROUP = "pristine-lab";

/** Interface names have at most 15 characters; two-letter prefixes with a dash leave 12 for the label. */
const LABEL_LENGTH_MAX = 12;

export interface LabPaths {
  readonly runtime: string;
  readonly data: string;
  /** The record of the lab: `lab-record.ts`. */
  readonly record: string;
  readonly lock: string;
  /** The network namespace of the hosts' switch. */
  readonly netns: string;
  /** The boot id of this machine when the runtime directory was made. */
  readonly bootId: string;
  readonly sshConfig: string;
  readonly knownHosts: string;
  readonly identity: string;
  readonly cgroup: string;
}

export interface HostPaths {
  readonly runtime: string;
  readonly data: string;
  readonly image: string;
  /** Exists once the disk is complete. */
  readonly seeded: string;
  /** Where the host's disk is mounted on this machine. */
  readonly disk: string;
  readonly hostKey: string;
  readonly faults: string;
  readonly console: string;
  readonly script: string;
  readonly network: string;
  readonly cgroup: string;
}

export function labPaths(lab: string): LabPaths {
  const runtime = `${RUNTIME_DIRECTORY}/${lab}`;
  const data = `${DATA_DIRECTORY}/${lab}`;
  return {
    runtime,
    data,
    record: `${data}/lab.json`,
    lock: `${RUNTIME_DIRECTORY}/.${lab}.lock`,
    netns: `${runtime}/netns`,
    bootId: `${runtime}/boot-id`,
    sshConfig: `${data}/ssh_config`,
    knownHosts: `${data}/known_hosts`,
    identity: `${data}/id_ed25519`,
    cgroup: `${CGROUP}/${lab}`,
  };
}

export function hostPaths(lab: string, host: string): HostPaths {
  const paths = labPaths(lab);
  const runtime = `${paths.runtime}/hosts/${host}`;
  const data = `${paths.data}/hosts/${host}`;
  return {
    runtime,
    data,
    image: `${data}/disk.ext4`,
    seeded: `${data}/seeded`,
    disk: `${runtime}/disk`,
    hostKey: `${data}/ssh_host_ed25519_key`,
    faults: `${data}/faults.json`,
    console: `${data}/console.log`,
    script: `${runtime}/supervisor.sh`,
    network: `${runtime}/70-lab.network`,
    cgroup: `${paths.cgroup}/${host}`,
  };
}

/** The interface through which this machine reaches a lab's hosts. */
export function uplinkName(lab: string): string {
  return `prs-${shortened(lab, 11)}`;
}

/** A host's name as far as it fits into the names of its interfaces. */
export function hostLabel(host: string): string {
  return shortened(host, LABEL_LENGTH_MAX);
}

/** The interfaces of a host's segment: the cable's two ends, and the bridge that the host itself is plugged into. */
export function segmentNames(host: string): {
  readonly switchEnd: string;
  readonly hostEnd: string;
  readonly bridge: string;
} {
  const label = hostLabel(host);
  return { switchEnd: `w-${label}`, hostEnd: `h-${label}`, bridge: `s-${label}` };
}

export function checkLabName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,30}$/.test(name)) return;
  throw new OperationError("LAB_NAME_INVALID", `'${name}' cannot be the name of a lab`, {
    hint: "use lower-case letters, digits and dashes, at most 31, starting with a letter",
  });
}

export function checkHostName(name: string): void {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) return;
  throw new OperationError("LAB_NAME_INVALID", `'${name}' cannot be the name of a lab host`, {
    hint: "use lower-case letters, digits and inner dashes, at most 63",
  });
}

function shortened(name: string, lengthMax: number): string {
  if (name.length <= lengthMax) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 6);
  return `${name.slice(0, lengthMax - 7)}-${digest}`;
}
