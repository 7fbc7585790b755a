/**
 * The module by which users of NixOS hosts are in meshes: what a system gets from what was collected of the other hosts, and what is wrong with a declaration.
 */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { writeMeshHost } from "../../src/fleet/mesh.ts";
import { writeNixosModule } from "../../src/fleet/nixos-module.ts";
import { sha256Of } from "../../src/fleet/secrets/source.ts";
import { evaluateModule, MODULE_LIBS } from "../support/nixos-module.ts";

interface Mesh {
  /** Keys that may log in, by user. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
  readonly knownHosts: Readonly<Record<string, { hostNames: string[]; publicKey: string }>>;
  readonly client: string;
  readonly tmpfiles: readonly string[];
}

/** What one host has, of whose users one has a key already. */
const HOST = `
  networking.hostName = "nix";
  programs.ssh.extraConfig = "Compression yes";
  users.users = {
    backup.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAown" ];
    mara = { };
    quiet.shell.shellPath = "/bin/nologin";
  };`;

let directory = "";

async function evaluateMesh(libPath: string, pristine: string): Promise<Mesh & { readonly wrong: readonly string[] }> {
  const { asked, wrong } = await evaluateModule(
    join(directory, "module"),
    libPath,
    `{ ${HOST} pristine = ${pristine}; }`,
    `{
      keys = builtins.mapAttrs (_: user: builtins.sort builtins.lessThan user.openssh.authorizedKeys.keys) (
        removeAttrs config.users.users [ "root" "app" ]
      );
      inherit (config.programs.ssh) knownHosts;
      client = config.programs.ssh.extraConfig;
      tmpfiles = config.systemd.tmpfiles.rules;
    }`,
  );
  return { ...(asked as Mesh), wrong };
}

/** What `pristine mesh collect` has written down of a host. */
async function collect(
  host: string,
  {
    users,
    keys,
    hosts,
    port = 22,
    hostKey,
  }: { users: string[]; keys: string[]; hosts: string[]; port?: number; hostKey: string | null },
): Promise<void> {
  const at = join(directory, "pristine.mesh.d", host);
  await writeMeshHost(join(directory, "fleet.nix"), host, {
    names: [host, `${host}.example`],
    address: `${host}.example`,
    ports: [port],
    hostKey,
    meshes: [{ name: "backup", hosts, users }],
  });
  for (const user of keys) writeFileSync(join(at, `${user}.pub`), `ssh-ed25519 AAAA${user}0${host}\n`);
}

suite("the module of meshes for NixOS", () => {
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "pristine-module-"));
    await writeNixosModule(join(directory, "module"), AbortSignal.timeout(10_000));
    const hosts = ["db", "nix"];
    await collect("db", {
      hosts,
      users: ["backup", "root"],
      keys: ["backup", "root", "mara"],
      port: 2222,
      hostKey: "ssh-ed25519 AAAAdb",
    });
    await collect("half", { hosts: [...hosts, "half"], users: ["backup"], keys: [], hostKey: null });
    await collect("alone", {
      hosts: ["alone", "db"],
      users: ["backup"],
      keys: ["backup"],
      hostKey: "ssh-ed25519 AAAAalone",
    });
    for (const [host, text] of [
      ["nix", ""],
      ["newer", '{ "version": 2 }'],
    ] as const) {
      mkdirSync(join(directory, "pristine.mesh.d", host));
      writeFileSync(join(directory, "pristine.mesh.d", host, "host.json"), text);
    }
    writeFileSync(join(directory, "pristine.mesh.d/nix/backup.pub"), "ssh-ed25519 AAAAbackup0nix\n");
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  for (const [title, libPath, skip] of MODULE_LIBS) {
    const meshOf = (hosts: string, users: string): string =>
      `{ fleetDirectory = ${directory}; sshMesh.backup = { hosts = [ ${hosts} ]; users = [ ${users} ]; }; }`;

    test(`exactly the users of the other hosts are let in, and these are known, with ${title}`, { skip }, async () => {
      const { client, keys, knownHosts, tmpfiles, wrong } = await evaluateMesh(
        libPath,
        meshOf('"db" "nix"', '"backup"'),
      );
      assert.deepEqual(wrong, []);
      assert.deepEqual(keys, {
        backup: ["ssh-ed25519 AAAAbackup0db backup@db", "ssh-ed25519 AAAAown", "ssh-ed25519 AAAAroot0db root@db"],
        mara: [],
        quiet: [],
      });
      assert.deepEqual(knownHosts, {
        "pristine-mesh-db": { hostNames: ["[db]:2222", "[db.example]:2222"], publicKey: "ssh-ed25519 AAAAdb" },
      });
      const key = `/etc/ssh/mesh/backup.${sha256Of("ssh-ed25519 AAAAbackup0nix").slice(0, 16)}`;
      assert.deepEqual(client.split(/\n\s*/), [
        "Compression yes",
        'Match originalhost "db"',
        "HostName db.example",
        'Match originalhost "db,db.example"',
        "Port 2222",
        "StrictHostKeyChecking yes",
        'Match originalhost "db,db.example" localuser "backup"',
        `IdentityFile ${key}`,
        "Match all",
        "",
      ]);
      assert.deepEqual(tmpfiles, [`z ${key} 0400 backup users -`]);
    });

    test(`a host that is not named is in no mesh, with ${title}`, { skip }, async () => {
      const { client, keys, knownHosts, tmpfiles, wrong } = await evaluateMesh(
        libPath,
        meshOf('"db" "other"', '"backup"'),
      );
      assert.deepEqual([client, knownHosts, tmpfiles, wrong], ["Compression yes", {}, [], []]);
      assert.deepEqual(keys["backup"], ["ssh-ed25519 AAAAown"]);
    });

    test(`what is wrong is told with its place, with ${title}`, { skip }, async () => {
      const all = meshOf('"nix" "nowhere" "half" "alone" "newer"', '"bakcup" "mara" "quiet"');
      const { keys, wrong } = await evaluateMesh(libPath, all);
      assert.deepEqual(
        wrong.map((message) =>
          message
            .replace(/^pristine\.sshMesh\.backup names the /, "")
            .replace(/ It is defined in web1\.nix\S*\.$/, "")
            .replace(directory, ""),
        ),
        [
          "user 'bakcup', whom 'nix' does not have.",
          "user 'mara', whose key of 'nix' is not known yet: run `pristine mesh collect nix'.",
          "user 'quiet', who has no shell on 'nix' and so cannot log in: set users.users.quiet.shell.",
          "user 'quiet', whose key of 'nix' is not known yet: run `pristine mesh collect nix'.",
          "host 'nowhere', of which nothing is known yet: run `pristine mesh collect nowhere'.",
          "host 'half', whose ssh key is not known yet: run `pristine mesh collect half'.",
          "host 'half', whose key of the user 'backup' is not known yet: run `pristine mesh collect half'.",
          "host 'alone', where it does not name 'nix': declare it there as well, and run `pristine mesh collect alone'.",
          "host 'newer', of which /pristine.mesh.d/newer/host.json says nothing that this module knows: run `pristine nixos-module' for that of your Pristine, and run `pristine mesh collect newer'.",
        ],
      );
      assert.deepEqual(Object.keys(keys), ["backup", "mara", "quiet"], "a misspelt user is not made");
    });

    test(`a mesh needs the fleet's directory, with ${title}`, { skip }, async () => {
      const { wrong } = await evaluateMesh(libPath, '{ sshMesh.backup = { hosts = [ "nix" ]; users = [ ]; }; }');
      assert.match(
        wrong.join("\n"),
        /^pristine\.sshMesh\.backup needs the directory of the fleet file: set pristine\.fleetDirectory\./,
      );
    });
  }
});
