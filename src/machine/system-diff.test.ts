/** What changes between two systems, and who is locked out by it. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import { generationsToRemove, numberForPath } from "./generation.ts";
import type { SystemMeta } from "./system-object.ts";
import { diffEtcFile, diffSystems } from "./system-diff.ts";

const SSH = {
  "etc/ssh/sshd_config": "PermitRootLogin prohibit-password\n",
  "etc/ssh/authorized_keys.d/root": "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n",
  "etc/systemd/system/ssh.service": "[Service]\nExecStart=/usr/sbin/sshd\n",
  "etc/systemd/system/multi-user.target.wants/ssh.service": "-> ../ssh.service",
  "etc/systemd/network/10-host0.network": "[Network]\nAddress=10.0.0.2/24\n",
};
const ACCESS = { user: "root", port: 22, address: "10.0.0.2" };

function warnings(files: Readonly<Record<string, string>>, meta: Partial<SystemMeta> = {}): string[] {
  const old = systemOf("old", SSH, { primaryAddress: "10.0.0.2" });
  const next = systemOf("next", files, { primaryAddress: "10.0.0.2", ...meta });
  return diffSystems({ old, next, access: ACCESS }).lockout.map(({ severity, message }) => `${severity}: ${message}`);
}

suite("system diff", () => {
  test("packages, users, ports, persistence and files", () => {
    const user = { name: "mara", uid: 1000, gid: 100, home: "/home/mara", shell: "/bin/sh", keys: 0 };
    const old = systemOf(
      "old",
      {
        "etc/same": "-> /nix/store/x/same",
        "etc/dir/a": "one\n",
        "etc/dir/gone": "x",
        "etc/moved": "-> /nix/store/x/file",
        "/nix/store/x/file": "text",
        "/nix/store/y/file": "text",
      },
      {
        packages: [
          { name: "jq", version: "1", path: "/nix/store/jq1" },
          { name: "tree", version: "2", path: "/nix/store/tree2" },
        ],
        users: [user],
        openPorts: { tcp: [22, 80], udp: [] },
        persistence: { root: "/persist", directories: ["/var/lib/a"], files: [] },
      },
    );
    const next = systemOf(
      "next",
      {
        "etc/same": "-> /nix/store/x/same",
        "etc/dir/a": "two\n",
        "etc/new": "n",
        "etc/moved": "-> /nix/store/y/file",
        "/nix/store/y/file": "text",
      },
      {
        packages: [
          { name: "jq", version: "1.1", path: "/nix/store/jq11" },
          { name: "curl", version: "8", path: "/nix/store/curl" },
        ],
        users: [{ ...user, shell: "/bin/bash" }],
        openPorts: { tcp: [22, 443], udp: [] },
        persistence: { root: "/persist", directories: [{ directory: "/var/lib/b" }], files: [] },
      },
    );
    const diff = diffSystems({ old, next, access: ACCESS });
    assert.deepEqual(diff.packages, [
      { name: "curl", kind: "added", after: "8" },
      { name: "jq", kind: "changed", before: "1", after: "1.1" },
      { name: "tree", kind: "removed", before: "2" },
    ]);
    assert.deepEqual(diff.users, [{ name: "mara", kind: "changed", details: ["shell: /bin/sh → /bin/bash"] }]);
    assert.deepEqual(diff.ports, [
      { port: 80, protocol: "tcp", kind: "closed" },
      { port: 443, protocol: "tcp", kind: "opened" },
    ]);
    assert.deepEqual(diff.persistence, [
      { path: "/var/lib/a", kind: "removed" },
      { path: "/var/lib/b", kind: "added" },
    ]);
    assert.deepEqual(diff.etc, [
      { path: "/etc/dir/a", kind: "changed" },
      { path: "/etc/dir/gone", kind: "removed" },
      { path: "/etc/new", kind: "added" },
    ]);
    assert.deepEqual(diffEtcFile(old, next, "/etc/dir/a"), [
      { kind: "removed", text: "one" },
      { kind: "added", text: "two" },
    ]);
  });

  test("a host without a system of ours", () => {
    const diff = diffSystems({ old: undefined, next: systemOf("next", SSH), access: ACCESS });
    assert.equal(diff.etc.length, 5);
    assert.deepEqual(diff.lockout, []);
  });
});

suite("lockout", () => {
  const without = (key: keyof typeof SSH): Record<string, string> => {
    const rest: Record<string, string> = { ...SSH };
    delete rest[key];
    return rest;
  };
  test("nothing that matters changed", () => {
    assert.deepEqual(warnings({ ...SSH, "etc/motd": "hi" }), []);
  });
  test("no ssh server", () => {
    assert.deepEqual(warnings(without("etc/systemd/system/multi-user.target.wants/ssh.service")), [
      "danger: the new system starts no ssh server",
    ]);
  });
  test("sshd's configuration", () => {
    const config = "etc/ssh/sshd_config";
    assert.deepEqual(warnings({ ...SSH, [config]: "Port 2222\nPermitRootLogin no\n" }), [
      "danger: the new sshd listens on 2222, not on 22",
      "danger: the new sshd refuses root (PermitRootLogin no)",
    ]);
    assert.deepEqual(warnings({ ...SSH, [config]: "AllowUsers mara\n" }), [
      "danger: AllowUsers of the new sshd does not name root",
    ]);
    assert.deepEqual(warnings({ ...SSH, [config]: "X11Forwarding no\n" }), [
      "notice: the configuration of sshd changes",
    ]);
    assert.deepEqual(warnings({ ...SSH, [config]: `${SSH[config]}Match User x\nPermitRootLogin no\n` }), [
      "notice: the configuration of sshd changes",
    ]);
  });
  test("the firewall", () => {
    assert.deepEqual(warnings(SSH, { firewall: true, openPorts: { tcp: [80], udp: [] } }), [
      "danger: the new firewall does not open port 22, on which this host is reached",
    ]);
    assert.deepEqual(warnings(SSH, { firewall: true }), ["notice: the firewall is switched on"]);
  });
  test("the address", () => {
    assert.deepEqual(warnings(SSH, { primaryAddress: "10.0.0.9" }), [
      "danger: the primary address changes from 10.0.0.2 to 10.0.0.9",
    ]);
    const network = "etc/systemd/network/10-host0.network";
    assert.deepEqual(warnings({ ...SSH, [network]: "[Network]\nAddress=10.0.0.9/24\n" }), [
      "danger: no interface has the address 10.0.0.2 any more",
    ]);
    assert.deepEqual(warnings({ ...SSH, [network]: `${SSH[network]}DNS=1.1.1.1\n` }), [
      "notice: the configuration of network interfaces changes",
    ]);
  });
  test("keys and users", () => {
    assert.deepEqual(warnings(without("etc/ssh/authorized_keys.d/root")), ["danger: no ssh key may log in as root"]);
    assert.deepEqual(warnings({ ...SSH, "etc/ssh/authorized_keys.d/root": "ssh-ed25519 AAAA one\n" }), [
      "notice: 1 ssh key of root will no longer work",
    ]);
    assert.deepEqual(warnings(SSH, { users: [] }), ["danger: the user root does not exist in the new system"]);
  });
});

suite("generations", () => {
  const generation = (number: number, path: string, isDefault = false) => ({ number, path, date: "", isDefault });

  test("numbers: the default's own, an interrupted confirmation's, the next one", () => {
    const list = [generation(1, "a"), generation(2, "b", true), generation(3, "c")];
    assert.deepEqual(numberForPath(list, "b"), { number: 2, isNew: false });
    assert.deepEqual(numberForPath(list, "c"), { number: 3, isNew: false });
    assert.deepEqual(numberForPath(list, "a"), { number: 4, isNew: true });
    assert.deepEqual(numberForPath([], "a"), { number: 1, isNew: true });
  });

  test("the limit spares the default and the last generation of what is in use", () => {
    const list = [
      generation(1, "a"),
      generation(2, "b"),
      generation(3, "a"),
      generation(4, "c", true),
      generation(5, "d"),
      generation(6, "e"),
    ];
    const removed = generationsToRemove({ generations: list, keepMax: 2, inUse: new Set(["a", "e"]) });
    assert.deepEqual(
      removed.map(({ number }) => number),
      [1, 2],
    );
  });
});
