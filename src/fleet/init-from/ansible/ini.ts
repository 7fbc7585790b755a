/** Inventories of Ansible in its own kind of INI. What a line means is what Ansible takes it for. */

import { splitWords } from "../../../base/shell-words.ts";
import { AnsibleInventory, invalid, setVariable } from "./inventory.ts";

const SECTION = /^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$/;

export function parseIni(text: string, file: string): AnsibleInventory {
  const inventory = new AnsibleInventory(`${file}:1`);
  /** Groups that lines speak of, and that a section of their own must declare. */
  const wanted = new Map<string, { readonly place: string; readonly what: string }>();
  const declared = new Set(["all", "ungrouped"]);
  let group = "ungrouped";
  let kind = "hosts";
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const place = `${file}:${index + 1}`;
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
    const section = SECTION.exec(line);
    if (section !== null) {
      [, group = "", kind = "hosts"] = section;
      if (!["hosts", "vars", "children"].includes(kind)) {
        throw invalid(place, `[${group}:${kind}] is none of [GROUP], [GROUP:vars] and [GROUP:children]`);
      }
      if (kind === "vars") wanted.set(group, { place, what: `[${group}:vars]` });
      else declared.add(group);
      inventory.addGroup(group, place);
    } else if (line.startsWith("[") && line.endsWith("]")) {
      throw invalid(place, `'${line}' is no section: a name of a group has no blanks, brackets or colons`);
    } else if (kind === "vars") {
      const [name, value] = assigned(line, place);
      setVariable(inventory.addGroup(group, place).variables, name.trim(), { value: literal(value.trim()), place });
    } else if (kind === "children") {
      const child = line.split(/\s*#/)[0]!;
      if (!wanted.has(child)) wanted.set(child, { place, what: `'${child}' in [${group}:children]` });
      inventory.addChild(group, child, place);
    } else {
      addHostLine(inventory, line, { group, place });
    }
  }
  for (const [name, { place, what }] of wanted) {
    if (!declared.has(name)) throw invalid(place, `${what} is a group that no section declares`);
  }
  return inventory;
}

/** `PATTERN VARIABLE=VALUE…`, in words as of a shell. */
function addHostLine(
  inventory: AnsibleInventory,
  line: string,
  at: { readonly group: string; readonly place: string },
): void {
  const words = splitWords(line, { comments: true });
  if (words === undefined) throw invalid(at.place, "a quote is not closed");
  const [pattern = "", ...variables] = words;
  if (pattern.startsWith("---")) throw invalid(at.place, "'---' begins YAML; the name of such a file ends in .yml");
  const assignments = variables.map((word) => assigned(word, at.place));
  for (const host of inventory.addHosts(pattern, at.group, at.place)) {
    for (const [name, value] of assignments)
      setVariable(host.variables, name, { value: literal(value), place: at.place });
  }
}

function assigned(text: string, place: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 0) throw invalid(place, `'${text}' is no VARIABLE=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Ansible takes a value for one of Python's where it can: in quotes, or a number, with a comment behind it. */
function literal(value: string): string {
  const found = /^(?:'([^'\\]*)'|"([^"\\]*)"|(\d+))\s*(?:#.*)?$/.exec(value);
  return found === null ? value : (found[1] ?? found[2] ?? found[3] ?? "");
}
