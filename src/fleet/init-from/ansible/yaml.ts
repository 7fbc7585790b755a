/** Inventories of Ansible in YAML or JSON, and its files of variables. */

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { AnsibleInventory, invalid, isOfConnections, setVariable, unreadable, type Variables } from "./inventory.ts";

/** Deeper than anybody nests groups; aliases could nest without end. */
const DEPTH_MAX = 100;

interface Entry {
  readonly place: string;
  readonly value: Node | undefined;
}

/** One file of YAML, whose values know where they stand. */
class YamlFile {
  readonly root: Node | undefined;
  readonly #document: Document;
  readonly #lines = new LineCounter();
  readonly #file: string;

  constructor(text: string, file: string) {
    this.#file = file;
    const document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const [error] = document.errors;
    if (error !== undefined) throw invalid(this.#placeAt(error.pos[0]), error.message);
    this.#document = document;
    this.root = document.contents ?? undefined;
  }

  #placeAt(offset: number): string {
    return `${this.#file}:${Math.max(1, this.#lines.linePos(offset).line)}`;
  }

  placeOf(node: Node | undefined): string {
    return this.#placeAt(node?.range?.[0] ?? 0);
  }

  /** The entries of a mapping, in their order; merged ones (`<<`) first, as its own win over them. */
  entries(map: YAMLMap, depth: number = 0): Map<string, Entry> {
    const merged = new Map<string, Entry>();
    const own = new Map<string, Entry>();
    for (const { key, value } of map.items) {
      const at = key as Node;
      const place = this.placeOf(at);
      if (depth > DEPTH_MAX) throw invalid(place, "aliases that lead to themselves");
      if (!isScalar(at)) throw invalid(place, "a key that is no text");
      const resolved = this.#resolved((value as Node | null) ?? undefined);
      const name = textOf(at);
      if (name !== "<<") own.set(name, { place, value: resolved });
      else {
        for (const source of isSeq(resolved) ? resolved.items.toReversed() : [resolved]) {
          const one = this.#resolved(source as Node | undefined);
          if (!isMap(one)) throw invalid(place, "<< merges mappings only");
          for (const [inner, entry] of this.entries(one, depth + 1)) merged.set(inner, entry);
        }
      }
    }
    return new Map([...merged, ...own]);
  }

  #resolved(node: Node | undefined): Node | undefined {
    if (!isAlias(node)) return node;
    const target = node.resolve(this.#document);
    if (target === undefined)
      throw invalid(this.placeOf(node), `there is no anchor '${node.source}' before this alias`);
    return target;
  }

  /** Keeps those variables that say how hosts are reached. */
  setVariables(variables: Variables, map: YAMLMap): void {
    for (const [name, { place, value }] of this.entries(map)) {
      if (!isOfConnections(name) || value === undefined) continue;
      if (value.tag === "!vault" || (isMap(value) && value.has("__ansible_vault"))) {
        throw unreadable(place, `${name} is encrypted by ansible-vault`);
      }
      if (!isScalar(value)) throw invalid(place, `${name} is no text`);
      if (value.value !== null) setVariable(variables, name, { value: textOf(value), place });
    }
  }
}

/** A text as it is, and a number as it is written. */
function textOf({ value, source }: { readonly value: unknown; readonly source?: string }): string {
  return typeof value === "string" ? value : (source ?? String(value));
}

export function parseYaml(text: string, file: string): AnsibleInventory {
  const yaml = new YamlFile(text, file);
  const place = yaml.placeOf(yaml.root);
  if (!isMap(yaml.root)) throw invalid(place, "an inventory is a mapping of groups");
  const groups = yaml.entries(yaml.root);
  const plugin = groups.get("plugin");
  if (plugin !== undefined)
    throw unreadable(plugin.place, "it configures a plugin, which asks elsewhere for the hosts");
  const inventory = new AnsibleInventory(place);
  const done = new Map<Node, Set<string>>();
  for (const [name, entry] of groups) addGroup(name, entry);
  return inventory;

  function addGroup(name: string, { place: at, value }: Entry): void {
    inventory.addGroup(name, at);
    if (isEmpty(value)) return;
    if (!isMap(value)) throw invalid(at, `the group '${name}' is no mapping`);
    // By an alias it can stand at several places.
    if (done.get(value)?.has(name) === true) return;
    done.set(value, (done.get(value) ?? new Set()).add(name));
    for (const [key, part] of yaml.entries(value)) {
      if (!["hosts", "vars", "children"].includes(key)) {
        throw invalid(part.place, `'${key}' in the group '${name}' is none of hosts, vars and children`);
      }
      if (isEmpty(part.value)) continue;
      if (key === "hosts" && isScalar(part.value))
        addHosts(textOf(part.value), name, { place: part.place, value: undefined });
      else if (key === "children" && isScalar(part.value))
        addChild(textOf(part.value), name, { ...part, value: undefined });
      else if (!isMap(part.value)) throw invalid(part.place, `'${key}' of the group '${name}' is no mapping`);
      else if (key === "vars") yaml.setVariables(inventory.addGroup(name, at).variables, part.value);
      else
        for (const [inner, entry] of yaml.entries(part.value))
          (key === "hosts" ? addHosts : addChild)(inner, name, entry);
    }
  }

  function addChild(child: string, parent: string, entry: Entry): void {
    inventory.addChild(parent, child, entry.place);
    addGroup(child, entry);
  }

  function addHosts(pattern: string, group: string, { place: at, value }: Entry): void {
    for (const host of inventory.addHosts(pattern, group, at)) {
      if (isEmpty(value)) continue;
      if (!isMap(value)) throw invalid(at, `the variables of '${pattern}' are no mapping`);
      yaml.setVariables(host.variables, value);
    }
  }
}

/** A file of `group_vars` or `host_vars`: variables and nothing else. */
export function parseVariables(text: string, file: string): Variables {
  const yaml = new YamlFile(text, file);
  const variables: Variables = new Map();
  if (isEmpty(yaml.root)) return variables;
  if (!isMap(yaml.root)) throw invalid(yaml.placeOf(yaml.root), "variables are a mapping");
  yaml.setVariables(variables, yaml.root);
  return variables;
}

function isEmpty(node: Node | undefined): boolean {
  return node === undefined || (isScalar(node) && node.value === null);
}
