/** What changes between two systems, and who is locked out by it. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import { generationsToRemove, numberForPath } from "./generation.ts";
import type { SystemMeta } from "./system-object.ts";
import type { OperatorAccess } from "./lockout.ts";
import { diffEtcFile, diffSystems } from "./system-diff.ts";

const SSH = {
  "etc/ssh/sshd_config": "PermitRootLogin prohibit-password\n",
  "etc/ssh/authorized_keys.d/root": "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n",
  "etc/systemd/system/ssh.service": "[Service]\nExecStart=/usr/sbin/sshd\n",
  "etc/systemd/system/multi-user.target.wants/ssh.service": "-> ../ssh.service",
  "etc/systemd/network/10-host0.network": "[Network]\nAddress=10.0.0.2/24\n",
};
const ACCESS: OperatorAccess = { user: "root", port: 22, address: "10.0.0.2" };

function warnings(
  files: Readonly<Record<string, string>>,
  meta: Partial<SystemMeta> = {},
  access: Partial<OperatorAccess> = {},
): string[] {
  const old = systemOf("old", SSH, { primaryAddress: "10.0.0.2" });
  const next = systemOf("next", files, { primaryAddress: "10.0.0.2", ...meta });
  const { lockout } = diffSystems({ old, next, access: { ...ACCESS, ...access } });
  return lockout.map(({ severity, message }) => `${severity}: ${message}`);
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

test("sizes of packages, and services that run what is replaced", () => {
  const jq = (version: string): Partial<SystemMeta> => ({
    packages: [{ name: "jq", version, path: `/nix/store/jq${version}` }],
  });
  const unit = { "etc/systemd/system/a.service": "[Service]\nExecStart=/bin/a\n" };
  const { packages, units } = diffSystems({
    old: systemOf("old", unit, jq("1")),
    next: systemOf("next", unit, jq("2")),
    states: [{ name: "a.service", activeState: "active", subState: "running" }],
    stale: new Set(["a.service"]),
    sizeOf: (path) => (path === "/nix/store/jq1" ? 10 : 30),
    access: ACCESS,
  });
  assert.deepEqual(packages, [{ name: "jq", kind: "changed", before: "1", after: "2", sizeBefore: 10, sizeAfter: 30 }]);
  assert.deepEqual(units.changes, [
    { unit: "a.service", action: "restart", reason: "runs a program or library that is replaced" },
  ]);
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
  // What sshd would say to root of the group wheel, who comes from 192.0.2.9 to 10.0.0.2.
  const REFUSALS: Readonly<Record<string, string | undefined>> = {
    "PermitRootLogin forced-commands-only": "the new sshd refuses root (PermitRootLogin forced-commands-only)",
    "PubkeyAuthentication no": "the new sshd refuses keys (PubkeyAuthentication no)",
    "AuthenticationMethods publickey,password":
      "the new sshd wants more than a key (AuthenticationMethods publickey,password)",
    "AuthenticationMethods publickey,password publickey": undefined,
    "DenyUsers eve ro*": "DenyUsers of the new sshd names root",
    "DenyUsers root@192.0.2.1": undefined,
    "AllowUsers root": undefined,
    "AllowUsers *@192.0.2.*": undefined,
    "AllowUsers root@198.51.100.*": "AllowUsers of the new sshd does not name root",
    "AllowUsers root@desk.example.org": undefined,
    "DenyGroups wheel": "DenyGroups of the new sshd names wheel, a group of root",
    "AllowGroups ssh wheel": undefined,
    "AllowGroups ssh": "AllowGroups of the new sshd names no group of root",
    "AuthorizedKeysFile .ssh/authorized_keys":
      "the new sshd does not read the declared keys (AuthorizedKeysFile .ssh/authorized_keys)",
    "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys": undefined,
    "ListenAddress 10.0.0.9": "the new sshd does not listen on 10.0.0.2 (ListenAddress 10.0.0.9)",
    "ListenAddress 10.0.0.2": undefined,
    "ListenAddress 10.0.0.2:2222": "the new sshd listens on 2222, not on 22",
    "ListenAddress [::]:22": undefined,
    "ListenAddress ::": undefined,
  };
  for (const [line, refusal] of Object.entries(REFUSALS)) {
    test(`sshd with ${line}`, () => {
      const files = { ...SSH, "etc/ssh/sshd_config": `${line}\n` };
      const found = warnings(
        files,
        { groups: [{ name: "wheel", gid: 10, members: ["root"] }] },
        { client: "192.0.2.9" },
      );
      assert.deepEqual(found, [
        refusal === undefined ? "notice: the configuration of sshd changes" : `danger: ${refusal}`,
      ]);
    });
  }
  test("the port is the one on which the host itself is reached, not that of a forwarding in between", () => {
    const files = { ...SSH, "etc/ssh/sshd_config": "Port 2222\n" };
    assert.deepEqual(warnings(files, {}, { port: 2222 }), ["notice: the configuration of sshd changes"]);
  });
  const RULES: Readonly<Record<string, string | undefined>> = {
    "tcp dport { 80, 443 } accept": "danger: the new firewall does not open port 22, on which this host is reached",
    "tcp dport { 80, 20-30 } accept": undefined,
    'iifname "eth0" tcp dport { 22 } accept': undefined,
    'iifname "eth0" accept': undefined,
    'iifname "eth1" accept': "danger: the new firewall does not open port 22, on which this host is reached",
    'iifname "lo" accept': "danger: the new firewall does not open port 22, on which this host is reached",
    "ip saddr 192.0.2.0/24 tcp dport 22 accept":
      "notice: the new firewall opens only under conditions port 22, on which this host is reached",
  };
  for (const [rule, warning] of Object.entries(RULES)) {
    test(`a firewall with ${rule}`, () => {
      const files = { ...SSH, "etc/nftables.conf": `    chain input {\n      ${rule}\n    }\n` };
      const meta = { firewall: true, openPorts: { tcp: [], udp: [] } };
      assert.deepEqual(warnings(files, meta, { interface: "eth0" }), [
        warning ?? "notice: the firewall is switched on",
      ]);
    });
  }
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
    const another = { ...without(network), "etc/systemd/network/20-eth1.network": "[Match]\nName=eth1\n" };
    assert.deepEqual(warnings(another, {}, { address: "web.example.org", interface: "host0" }), [
      "danger: nothing configures the interface host0 any more, on which this host is reached",
    ]);
    assert.deepEqual(
      warnings({ ...SSH, [network]: "[Match]\nName=host*\n" }, {}, { address: "2001:db8::1", interface: "host0" }),
      ["notice: the configuration of network interfaces changes"],
    );
  });
  test("keys and users", () => {
    assert.deepEqual(warnings(without("etc/ssh/authorized_keys.d/root")), ["danger: no ssh key may log in as root"]);
    assert.deepEqual(warnings({ ...SSH, "etc/ssh/authorized_keys.d/root": "ssh-ed25519 AAAA one\n" }), [
      "notice: 1 ssh key of root will no longer work",
    ]);
    assert.deepEqual(warnings({ ...SSH, "etc/ssh/authorized_keys.d/root": "ssh-ed25519 CCCC three\n" }), [
      "danger: none of the ssh keys that let root in until now will work",
    ]);
    // The fingerprint of the key AAAA, by which we come in.
    const ours = { key: "SHA256:cJ6AyISHokEeHuTfufIqhhSS0gxHZRUMDHlKvXD4FHw" };
    const two = { ...SSH, "etc/ssh/authorized_keys.d/root": "restrict ssh-ed25519 BBBB two\n" };
    assert.deepEqual(warnings(two, {}, ours), [
      `danger: the ssh key that lets you in as root will no longer work (${ours.key})`,
    ]);
    const changed = { ...SSH, "etc/ssh/authorized_keys.d/root": "ssh-ed25519 AAAA one, renamed\n" };
    assert.deepEqual(warnings(changed, {}, ours), ["notice: 1 ssh key of root will no longer work"]);
    const root = { name: "root", uid: 0, gid: 0, home: "/root", shell: "/usr/sbin/nologin", keys: 2 };
    assert.deepEqual(warnings(SSH, { users: [root] }), [
      "danger: root has no login shell in the new system (/usr/sbin/nologin)",
    ]);
    const mara = { ...root, name: "mara", shell: "/bin/sh" };
    const files = { ...SSH, "etc/ssh/authorized_keys.d/mara": "ssh-ed25519 AAAA one\n" };
    assert.deepEqual(warnings(files, { users: [mara] }, { user: "mara" }), [
      "danger: mara can no longer become root: the new system has no sudo",
    ]);
    assert.deepEqual(warnings({ ...files, "etc/sudoers": "" }, { users: [mara] }, { user: "mara" }), []);
    const byDoas = { user: "mara", becomesRootBy: "doas" };
    assert.deepEqual(warnings({ ...files, "etc/sudoers": "" }, { users: [mara] }, byDoas), [
      "danger: mara can no longer become root: the new system has no doas",
    ]);
    assert.deepEqual(warnings({ ...files, "etc/doas.conf": "" }, { users: [mara] }, byDoas), []);
    assert.deepEqual(warnings(SSH, { users: [] }), ["danger: the user root does not exist in the new system"]);
  });
});

suite("generations", () => {
  const generation = (number: number, path: string, isDefault = false) => ({ number, path, date: "", isDefault });

  test("numbers: the default's own, an interrupted confirmation's, the next one", () => {
    const list = [generation(1, "a"), generation(2, "b", true), generation(3, "c")];
    assert.deepEqual(numberForPath(list, { path: "b" }), { number: 2, isNew: false });
    assert.deepEqual(numberForPath(list, { path: "c" }), { number: 3, isNew: false });
    assert.deepEqual(numberForPath(list, { path: "a" }), { number: 4, isNew: true });
    assert.deepEqual(numberForPath([], { path: "a" }), { number: 1, isNew: true });
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
