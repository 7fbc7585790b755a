/** What a deployment is compared with: Ansible and `nix copy`, Debian's packages of both, each in a tree of its own. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { oracleCommand, oracleTree, setUpTree } from "../scripts/oracle.ts";
import type { Program } from "./measure.ts";

/** debootstrap knows nothing of virtual packages, one of which python3-cryptography depends on. */
const ANSIBLE_PACKAGES = "ansible-core,python3-cffi-backend,ca-certificates,openssh-client";
/** The suite of the hosts, so that both sides have the same Python. */
const ANSIBLE_SUITE = "trixie";

const ansibleTree = (): string => join(dirname(oracleTree()), "ansible");

/** Ansible's tree, made when it may be made and is not there; `undefined` where it cannot be had. */
export function findAnsible(options: { readonly mayMake: boolean }): string | undefined {
  if (options.mayMake) return setUpTree(ansibleTree(), ANSIBLE_SUITE, ANSIBLE_PACKAGES);
  return existsSync(join(ansibleTree(), "usr/bin/ansible-playbook")) ? ansibleTree() : undefined;
}

/** As the fleet's one file and its service, in a place where Ansible can write. */
const PLAYBOOK = `
- hosts: all
  gather_facts: false
  tasks:
    - copy: { src: load.conf, dest: /run/peer.conf, mode: "0444" }
      notify: reload
  handlers:
    - name: reload
      systemd: { name: peer.service, state: reloaded }
`;

/** Ansible as its users tune it: no facts, pipelining, as many hosts at a time as we take. */
const SETTINGS = (forks: number): string => `
[defaults]
inventory = hosts
forks = ${forks}
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = True
`;

export interface AnsibleFleet {
  readonly tree: string;
  /** Where the playbook lies, and `load.conf`, which it copies; beside it is the fleet with its key. */
  readonly directory: string;
  readonly hosts: readonly string[];
  readonly forks: number;
  /** The lab's, for ssh. */
  readonly sshConfig: string;
}

/** The playbook's run over all hosts, from a cold start: its connections end with it. */
export function ansibleProgram({ tree, directory, hosts, forks, sshConfig }: AnsibleFleet): Program {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "playbook.yml"), PLAYBOOK);
  writeFileSync(join(directory, "ansible.cfg"), SETTINGS(forks));
  const lines = hosts.map((host) => `${host} ansible_user=root ansible_ssh_common_args='-F ${sshConfig}'`);
  writeFileSync(join(directory, "hosts"), `${lines.join("\n")}\n`);
  const play = `cd ${directory} && ANSIBLE_CONFIG=${directory}/ansible.cfg exec ansible-playbook playbook.yml`;
  return oracleCommand(["sh", "-c", play], {
    tree,
    nixDir: join(directory, "nix"),
    bind: [dirname(directory), dirname(sshConfig)],
  });
}

/** A real Nix's copy of paths of our store to a host. */
export function nixCopyProgram(options: {
  /** The directory that serves as its `/nix`. */
  readonly nixDir: string;
  readonly paths: readonly string[];
  readonly host: string;
  readonly sshConfig: string;
}): Program {
  const { nixDir, paths, host, sshConfig } = options;
  const copy = [
    "env",
    `NIX_SSHOPTS=-F ${sshConfig}`,
    "nix",
    "copy",
    "--no-check-sigs",
    "--to",
    `ssh-ng://root@${host}`,
  ];
  return oracleCommand([...copy, ...paths], { nixDir, bind: [dirname(sshConfig)] });
}
