/** The hosts of an inventory of Ansible's, as hosts of a fleet: how they are reached, and their groups as tags. */

import { splitWords } from "../../../base/shell-words.ts";
import { readText } from "../../../system/files.ts";
import { type FoundHost, nameOf, targetProblem } from "../found-host.ts";
import { AnsibleInventory, type InventoryHost, invalid, type Said, unreadable, type Variables } from "./inventory.ts";
import { parseIni } from "./ini.ts";
import { VAULT, variablesBeside, type VariablesBeside } from "./variables-beside.ts";
import { parseYaml } from "./yaml.ts";

/** The kinds of connections that are ssh. */
const BY_SSH = /^(?:ansible\.(?:builtin|netcommon)\.)?(?:ssh|smart|paramiko|paramiko_ssh|libssh)$/;
const TAG = /^[a-zA-Z0-9_.-]+$/;

export interface AnsibleHosts {
  readonly hosts: readonly FoundHost[];
  /** What was not read, with its place. */
  readonly notes: readonly string[];
}

/** Reads an inventory, and the variables that lie beside it. */
export async function readAnsible(file: string): Promise<AnsibleHosts> {
  const inventory = parseAnsible(await readText(file), file);
  const beside = variablesBeside(file);
  const hosts: FoundHost[] = [];
  for (const host of inventory.hosts.values()) hosts.push(await foundHost(inventory, host, beside));
  if (hosts.length === 0) throw invalid(`${file}:1`, "there is no host in this inventory");
  const notes = [...beside.encrypted].map((path) => `${path}:1: encrypted by ansible-vault, and not read`);
  return { hosts, notes };
}

/** What kind of inventory it is follows from the name of the file, as with Ansible. */
export function parseAnsible(text: string, file: string): AnsibleInventory {
  const place = `${file}:1`;
  if (VAULT.test(text)) throw unreadable(place, "the inventory is encrypted by ansible-vault");
  if (text.startsWith("#!")) throw unreadable(place, "the inventory is a program, which would have to be run");
  if (text.includes("\0")) throw invalid(place, "this is no text");
  if (file.endsWith(".toml")) throw unreadable(place, "inventories in TOML are not read");
  return (/\.(?:ya?ml|json)$/.test(file) ? parseYaml : parseIni)(text.replace(/^\ufeff/, ""), file);
}

async function foundHost(
  inventory: AnsibleInventory,
  host: InventoryHost,
  beside: VariablesBeside,
): Promise<FoundHost> {
  const { place: origin } = host;
  const name = nameOf(host.name, origin, "give it such a name in the inventory, and its address by ansible_host");
  const groups = inventory.groupsOf(host);
  const tags = groups.filter((group) => group.name !== "all" && group.name !== "ungrouped");
  for (const group of tags) {
    if (!TAG.test(group.name))
      throw invalid(group.place, `the group '${group.name}' cannot become a tag: letters, digits and . _ -`);
  }
  // The order is Ansible's: all groups of the inventory, then those in files, then the host.
  const layers: Variables[] = groups.map(({ variables }) => variables);
  for (const group of groups) layers.push(await beside.variablesOf("group_vars", group.name));
  layers.push(host.variables, await beside.variablesOf("host_vars", host.name));
  const said = new Map(layers.flatMap((variables) => [...variables]));
  const connection = said.get("ansible_connection");
  const isSsh = connection === undefined || BY_SSH.test(connection.value);
  return {
    name,
    origin,
    target: targetOf(host, said),
    tags: tags.map((tag) => tag.name).sort(),
    ...(isSsh ? {} : { elsewhere: `ansible_connection is ${connection.value} (${connection.place})` }),
  };
}

function targetOf(host: InventoryHost, said: Variables): FoundHost["target"] {
  const of = (name: string): Said | undefined => said.get(`ansible_ssh_${name}`) ?? said.get(`ansible_${name}`);
  const given = { host: of("host"), user: of("user"), port: of("port") };
  const key = of("private_key_file");
  const sshOptions = [
    ...(key === undefined ? [] : ["-i", key.value]),
    ...[of("common_args"), of("extra_args")].flatMap((args) => {
      if (args === undefined) return [];
      const words = splitWords(args.value, { comments: false });
      if (words === undefined) throw invalid(args.place, "a quote is not closed");
      return words;
    }),
  ];
  const target = {
    host: given.host?.value ?? host.name,
    ...(given.user === undefined ? {} : { user: given.user.value }),
    ...(given.port === undefined ? {} : { port: Number(given.port.value) }),
    ...(sshOptions.length === 0 ? {} : { sshOptions }),
  };
  const problem = targetProblem(target);
  if (problem !== undefined) throw invalid(given[problem.part]?.place ?? host.place, problem.message);
  return target;
}
