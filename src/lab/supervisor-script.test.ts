/** The scripts and rules that a lab hands to other programs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { runChecked } from "../system/process.ts";
import { hierarchiesOf } from "./cgroup.ts";
import { lossRules } from "./faults.ts";
import { parseMountInfo } from "./mounts.ts";
import { sshConfig } from "./ssh-config.ts";
import { renderSupervisor } from "./supervisor-script.ts";

const SETTINGS = {
  host: "web1",
  label: "web1",
  runtime: "/run/pristine/lab/shop/hosts/web1",
  labsRuntime: "/run/pristine/lab",
  disk: "/run/pristine/lab/shop/hosts/web1/disk",
  netns: "/run/pristine/lab/shop/netns",
  bridge: "s-web1",
  cgroups: ["/sys/fs/cgroup/systemd/pristine-lab/shop/web1", "/sys/fs/cgroup/unified/pristine-lab/shop/web1"],
  console: "/var/lib/pristine/lab/shop/hosts/web1/console.log",
  networkFile: "/run/pristine/lab/shop/hosts/web1/70-lab.network",
};

test("the supervisor is a shell script", async () => {
  await runChecked(["sh", "-n", "-s"], { stdin: renderSupervisor(SETTINGS) });
});

test("the supervisor quotes what it is given", async () => {
  const script = renderSupervisor({ ...SETTINGS, console: "/tmp/it's $HOME" }).replace(
    /"\$1"\n$/,
    'printf %s "$CONSOLE"\n',
  );
  assert.equal((await runChecked(["sh", "-s"], { stdin: script })).stdout.toString(), "/tmp/it's $HOME");
});

test("hierarchies of version 1, version 2 and both", () => {
  const line = (path: string, type: string, options: string): string =>
    `30 28 0:26 / ${path} rw,relatime - ${type} cgroup rw,${options}\n`;
  const hybrid =
    line("/sys/fs/cgroup/memory", "cgroup", "memory") +
    line("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct") +
    line("/sys/fs/cgroup/systemd", "cgroup", "name=systemd") +
    line("/sys/fs/cgroup/unified", "cgroup2", "nsdelegate");
  assert.deepEqual(
    hierarchiesOf(parseMountInfo(hybrid)).map(({ kind, hasMemory }) => [kind, hasMemory]),
    [
      ["systemd", false],
      ["unified", false],
      ["memory", true],
      ["cpu", false],
    ],
  );
  assert.deepEqual(hierarchiesOf(parseMountInfo(line("/sys/fs/cgroup", "cgroup2", "nsdelegate"))), [
    { path: "/sys/fs/cgroup", kind: "unified", hasMemory: true },
  ]);
  assert.deepEqual(hierarchiesOf([]), []);
});

test("mount points with spaces are read as they are", () => {
  assert.equal(parseMountInfo("1 2 0:1 / /a\\040b rw shared:1 - ext4 /dev/sda rw\n")[0]?.path, "/a b");
});

test("loss acts on both ends of the cable, and none removes the rules", () => {
  assert.match(lossRules("web-1", 12.5), /device "w-web-1" .* mod 10000 < 1250 drop[^]*device "h-web-1"/);
  assert.doesNotMatch(lossRules("web-1", 100), /numgen/);
  assert.equal(lossRules("web-1", 0), "table netdev loss_web_1\ndelete table netdev loss_web_1\n");
});

test("ssh knows the hosts by name, and trusts no other key", () => {
  const config = sshConfig({
    version: 1,
    name: "shop",
    subnet: "10.77.20",
    gateway: "10.77.20.1",
    hosts: [{ name: "web1", address: "10.77.20.11", diskBytes: 1 }],
    authorizedKeys: [],
    identityFiles: ["/home/me/my fleet/keys/operator"],
  });
  assert.match(config, /Host web1 10\.77\.20\.11\n {2}HostName 10\.77\.20\.11\n/);
  assert.match(config, /StrictHostKeyChecking yes/);
  assert.match(config, /\n {2}IdentityFile "\/home\/me\/my fleet\/keys\/operator"\n/);
});
