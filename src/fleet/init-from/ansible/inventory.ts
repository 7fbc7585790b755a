/** What an inventory of Ansible declares, however it is written: groups, hosts, and of variables those of connections. */

import { OperationError } from "../../../base/errors.ts";
import { parseHostPattern } from "./host-pattern.ts";

/** A value, and where it stands (`FILE:LINE`). */
export interface Said {
  readonly value: string;
  readonly place: string;
}

export type Variables = Map<string, Said>;

export interface Group {
  readonly name: string;
  readonly place: string;
  readonly variables: Variables;
  readonly parents: Set<string>;
}

export interface InventoryHost {
  readonly name: string;
  readonly place: string;
  readonly variables: Variables;
  readonly groups: Set<string>;
}

/** How a host is reached, and which of its groups come first. All others are Ansible's own business. */
const OF_CONNECTIONS = new Set(
  ["host", "port", "user", "private_key_file"]
    .flatMap((name) => [`ansible_${name}`, `ansible_ssh_${name}`])
    .concat("ansible_connection", "ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_group_priority"),
);

/** Ansible itself says what no reader of files can. */
export const RESOLVED_HINT =
  "let Ansible resolve it, and name what that wrote: ansible-inventory -i INVENTORY --list --yaml --output resolved.yml";

export function invalid(place: string, message: string): OperationError {
  return new OperationError("INVENTORY_INVALID", `${place}: ${message}`);
}

export function unreadable(place: string, message: string): OperationError {
  return new OperationError("INVENTORY_UNREADABLE", `${place}: ${message}`, { hint: RESOLVED_HINT });
}

export function isOfConnections(name: string): boolean {
  return OF_CONNECTIONS.has(name);
}

/** Keeps a variable of connections; the last value stays. */
export function setVariable(variables: Variables, name: string, { value, place }: Said): void {
  if (!isOfConnections(name)) return;
  if (/\{\{|\{%/.test(value)) throw unreadable(place, `${name} is a template, whose value only Ansible knows`);
  variables.set(name, { value, place });
}

export class AnsibleInventory {
  readonly groups: Map<string, Group> = new Map();
  readonly hosts: Map<string, InventoryHost> = new Map();

  constructor(place: string) {
    this.addGroup("all", place);
    this.addGroup("ungrouped", place);
  }

  addGroup(name: string, place: string): Group {
    let group = this.groups.get(name);
    if (group === undefined) this.groups.set(name, (group = { name, place, variables: new Map(), parents: new Set() }));
    return group;
  }

  /** Adds the hosts of an entry to a group; what is said of them more than once adds up. */
  addHosts(pattern: string, group: string, place: string): InventoryHost[] {
    const parsed = parseHostPattern(pattern);
    if (!parsed.ok) throw invalid(place, parsed.error);
    const { names, port } = parsed.value;
    return names.map((name) => {
      let host = this.hosts.get(name);
      if (host === undefined) this.hosts.set(name, (host = { name, place, variables: new Map(), groups: new Set() }));
      host.groups.add(group);
      if (port !== undefined) setVariable(host.variables, "ansible_port", { value: String(port), place });
      return host;
    });
  }

  /** Puts one group into another. */
  addChild(parent: string, child: string, place: string): void {
    this.addGroup(child, place).parents.add(parent);
    if (this.#above([parent]).has(child)) throw invalid(place, `the group '${child}' would be in itself`);
  }

  /** The groups of a host in the order in which their variables count, `all` first; later ones win. */
  groupsOf(host: InventoryHost): Group[] {
    const names = this.#above(["all", ...host.groups]);
    const depths = new Map([["all", 0]]);
    const priority = ({ variables }: Group): number => Number(variables.get("ansible_group_priority")?.value ?? 1);
    return [...names]
      .map((name) => ({ group: this.groups.get(name)!, depth: this.#depth(name, depths) }))
      .sort(
        (a, b) => a.depth - b.depth || priority(a.group) - priority(b.group) || (a.group.name < b.group.name ? -1 : 1),
      )
      .map(({ group }) => group);
  }

  /** These groups and all that they are in. */
  #above(names: Iterable<string>): Set<string> {
    const found = new Set(names);
    // What is added while it is gone through is gone through, too.
    for (const name of found) for (const parent of this.groups.get(name)?.parents ?? []) found.add(parent);
    return found;
  }

  /** How far below `all` a group is, by its longest way. */
  #depth(name: string, known: Map<string, number>): number {
    const parents = this.groups.get(name)?.parents ?? [];
    const depth = known.get(name) ?? 1 + Math.max(0, ...[...parents].map((parent) => this.#depth(parent, known)));
    known.set(name, depth);
    return depth;
  }
}
