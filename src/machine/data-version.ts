/**
 * Data of services, which outlives systems: in which format it is, and whether another system can read it.
 *
 * A system declares it for each service (`meta.json`); a host writes down what has run, because a system that was
 * returned from may have rewritten data already.
 */

import { compareVersions } from "../format/debian/version.ts";
import type { Hook } from "./hook.ts";

/** What a system declares of one service. */
export interface DataVersion {
  readonly name: string;
  /** The format that the service of this system writes. */
  readonly version: string;
  /** Formats it can take over by itself besides its own; absent for all that are lower. */
  readonly reads?: readonly string[];
  /** Where the data lies. */
  readonly path?: string;
  /** Saves the data before another version takes it over; run on the host. */
  readonly snapshot?: Pick<Hook, "command" | "timeoutSeconds" | "environment">;
}

/** What a host has written down: the format that a service's data may have by now. */
export interface RecordedVersion extends Pick<DataVersion, "name" | "version" | "path"> {
  /** The system that ran it. */
  readonly system: string;
}

/**
 * - `upgrade`: the wanted version takes the data over by itself; earlier ones may not read it afterwards.
 * - `jump`: the wanted version is higher, and cannot take it over by itself.
 * - `backwards`: the data is in a later format than the wanted version reads.
 */
export interface DataChange {
  readonly name: string;
  readonly kind: "upgrade" | "jump" | "backwards";
  readonly from: string;
  readonly to: string;
  /** What it means. */
  readonly message: string;
  /** The way out; absent when nothing is wrong. */
  readonly hint?: string;
}

/** How data would change if `wanted` ran after `old`; what the host has written down counts for more. */
export function dataChanges(
  old: readonly DataVersion[],
  wanted: readonly DataVersion[],
  recorded: readonly RecordedVersion[] = [],
): DataChange[] {
  return wanted.flatMap((next) => {
    const of = ({ name }: { readonly name: string }): boolean => name === next.name;
    const before = recorded.find(of) ?? old.find(of);
    if (before === undefined || before.version === next.version) return [];
    return [changeOf(before, next)];
  });
}

function changeOf(before: Pick<DataVersion, "version" | "path">, next: DataVersion): DataChange {
  const { name } = next;
  const from = before.version;
  const to = next.version;
  const isHigher = compareVersions(to, from) > 0;
  const isRead = next.reads === undefined ? isHigher : next.reads.includes(from);
  const change = { name, from, to };
  if (isRead) {
    const message = `${name}: its data goes from version ${from} to ${to}; ${from} may not read it afterwards`;
    return { ...change, kind: "upgrade", message };
  }
  const kind = isHigher ? "jump" : "backwards";
  const isApart = before.path !== undefined && next.path !== undefined && before.path !== next.path;
  if (isApart) {
    return {
      ...change,
      kind,
      message: `${name}: version ${to} keeps its data in ${next.path}, and does not see what ${from} has in ${before.path}`,
      hint: isHigher
        ? `take the data over yourself: dump it with ${from} and restore it with ${to}`
        : `what was written with ${from} is missing until it is taken over; stay with ${from}, or restore a dump of it with ${to}`,
    };
  }
  return {
    ...change,
    kind,
    message: isHigher
      ? `${name}: its data is of version ${from}, which ${to} does not take over by itself`
      : `${name}: its data would go backwards: it is of version ${from} by now, and ${to} does not read that`,
    hint: isHigher
      ? `go by a version that reads ${from}, or dump the data with ${from} and restore it with ${to}`
      : `stay with ${from}, or restore data that was saved before ${from} ran; nothing is turned back by itself`,
  };
}

/** What saves data before it changes hands, as hooks; a system that returns to an earlier one may have declared it. */
export function snapshotHooks(
  old: readonly DataVersion[],
  wanted: readonly DataVersion[],
  recorded: readonly RecordedVersion[] = [],
): Hook[] {
  return dataChanges(old, wanted, recorded).flatMap(({ name, from, to }) => {
    const before = old.find((one) => one.name === name);
    const next = wanted.find((one) => one.name === name);
    const snapshot = next?.snapshot ?? before?.snapshot;
    if (snapshot === undefined) return [];
    const path = before?.path ?? next?.path;
    return [
      {
        ...snapshot,
        name: `snapshot-${name}`,
        on: "host",
        when: ["preActivation"],
        onFailure: "abort",
        environment: {
          ...snapshot.environment,
          PRISTINE_DATA: name,
          PRISTINE_DATA_FROM: from,
          PRISTINE_DATA_TO: to,
          ...(path === undefined ? {} : { PRISTINE_DATA_PATH: path }),
        },
      } satisfies Hook,
    ];
  });
}

/** What is recorded once a system's services have run: never less than before, until one is confirmed. */
export function recordedAfter(
  recorded: readonly RecordedVersion[],
  ran: readonly DataVersion[],
  { system, isConfirmed }: { readonly system: string; readonly isConfirmed: boolean },
): RecordedVersion[] {
  const kept = recorded.filter((one) => {
    const next = ran.find(({ name }) => name === one.name);
    return next === undefined || (!isConfirmed && compareVersions(one.version, next.version) >= 0);
  });
  const added = ran.filter(({ name }) => !kept.some((one) => one.name === name));
  return [
    ...kept,
    ...added.map(({ name, version, path }) => ({ name, version, ...(path === undefined ? {} : { path }), system })),
  ].sort((one, other) => (one.name < other.name ? -1 : 1));
}
