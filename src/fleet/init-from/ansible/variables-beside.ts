/** The variables that Ansible reads beside an inventory: `group_vars/NAME` and `host_vars/NAME`, files or directories of them. */

import { dirname, join } from "node:path";
import { exists, isDirectory, namesIn, readText } from "../../../system/files.ts";
import type { Variables } from "./inventory.ts";
import { parseVariables } from "./yaml.ts";

const EXTENSIONS = ["", ".yml", ".yaml", ".json"];
/** Of a file that only ansible-vault can read. */
export const VAULT: RegExp = /^\$ANSIBLE_VAULT;/;

export interface VariablesBeside {
  /** What is said of a group or a host. */
  readonly variablesOf: (kind: "group_vars" | "host_vars", name: string) => Promise<Variables>;
  /** Files that were passed over, being encrypted as a whole. */
  readonly encrypted: Set<string>;
}

export function variablesBeside(inventoryFile: string): VariablesBeside {
  const encrypted = new Set<string>();
  const known = new Map<string, Promise<Variables>>();
  const read = async (path: string): Promise<Variables> => {
    const found: Variables = new Map();
    for (const file of await filesOf(path)) {
      const text = await readText(file);
      if (VAULT.test(text)) encrypted.add(file);
      else for (const [variable, said] of parseVariables(text, file)) found.set(variable, said);
    }
    return found;
  };
  return {
    encrypted,
    variablesOf: async (kind, name) => {
      const path = join(dirname(inventoryFile), kind, name);
      const variables = known.get(path) ?? read(path);
      known.set(path, variables);
      return await variables;
    },
  };
}

/** The first of these that is there counts. */
async function filesOf(path: string): Promise<string[]> {
  for (const extension of EXTENSIONS) {
    const file = path + extension;
    if (await isDirectory(file)) return await filesBelow(file);
    if (await exists(file)) return [file];
  }
  return [];
}

async function filesBelow(directory: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    if (name.startsWith(".") || name.endsWith("~")) continue;
    if (await isDirectory(path)) files.push(...(await filesBelow(path)));
    else if (EXTENSIONS.includes(/(?<=.)\.[^.]*$/.exec(name)?.[0] ?? "")) files.push(path);
  }
  return files;
}
