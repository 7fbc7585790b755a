/** `switch-inhibitors` of a system: what cannot change under a running host, as a JSON record of names and values. */

import type { SystemObject } from "./system-object.ts";

/** An inhibitor that differs, which makes a switch refuse; absent where a system has none of that name. */
export interface InhibitorChange {
  readonly name: string;
  readonly before?: string;
  readonly after?: string;
}

/** The inhibitors that keep a host from switching from one system to another, sorted by name. */
export function differingInhibitors(old: SystemObject, next: SystemObject): InhibitorChange[] {
  const before = inhibitorsOf(old);
  const after = inhibitorsOf(next);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .sort()
    .map((name) => {
      const [was, is] = [before.get(name), after.get(name)];
      return { name, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) };
    });
}

/** One inhibitor for people: `dbus (dbus-daemon → dbus-broker)`. */
export function describeInhibitor({ name, before = "absent", after = "absent" }: InhibitorChange): string {
  return `${name} (${before} → ${after})`;
}

/** Why a host does not switch, and how it gets there all the same. */
export function describeInhibition(changes: readonly InhibitorChange[]): {
  readonly message: string;
  readonly hint: string;
} {
  return {
    message: `this change needs a reboot: ${changes.map(describeInhibitor).join(", ")}`,
    hint: `deploy with --goal reboot, or with --goal boot and reboot the host later`,
  };
}

function inhibitorsOf(system: SystemObject): ReadonlyMap<string, string> {
  const text = system.topEntry("switch-inhibitors");
  return new Map(text === undefined || text.trim() === "" ? [] : Object.entries(JSON.parse(text) as object));
}
