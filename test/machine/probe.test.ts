/**
 * `pristine probe` of a real host that nothing of ours ever touched: plain Debian with systemd and sshd. No network is
 * needed for it: ssh's connection is a pipe to the host's sshd.
 */

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { setUpTree } from "../../scripts/oracle.ts";
import { cgroupDirectories, makeHostCgroup } from "../../src/lab/cgroup.ts";
import { hostPaths } from "../../src/lab/lab-names.ts";
import { labDown } from "../../src/lab/lab.ts";
import type { ProbeAnswer } from "../../src/cli/render/probe.ts";
import { unmetNeed } from "../support/needs.ts";
import { removeStaleLabs, TEST_LAB_NAME } from "../support/test-labs.ts";

const PRISTINE = join(import.meta.dirname, "../../bin/pristine");
const TREE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "pristine/oracle/plain-trixie");
const PACKAGES = "systemd,systemd-sysv,openssh-server,iproute2,dbus,sudo";
/** Where a host of a lab would be, so that a later run ends what a killed one has left. */
const GROUP = hostPaths(TEST_LAB_NAME, "debian").cgroup;
const COMMAND_MS = 60_000;
/** What a login leaves by itself, whatever it runs: its log, its session and its greeting; and what the console's does. */
const OF_A_LOGIN = ["/var/log/*", "/run/log*", "/run/motd.dynamic", "/run/agetty.reload", "/run/user*"].concat(
  ["", "/sessions*", "/users*", "/units*", "/transient*"].map((path) => `/run/systemd${path}`),
);
/** Every other file, with whatever changes when it is written to. */
const FILES = `find / /run /tmp /dev/shm -xdev ${["/run", ...OF_A_LOGIN].map((path) => `! -path '${path}'`).join(" ")} -printf '%p %y %m %U:%G %s %i %T@ %C@\\n' | sort`;

suite("probe", { skip: unmetNeed("root", "systemd-nspawn", "debootstrap"), timeout: 5 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-probe-"));
  const sshConfig = join(scratch, "ssh_config");
  let leader = "";

  const inHost = (script: string): string =>
    execFileSync("nsenter", ["--target", leader, "--all", "sh", "-c", script], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: COMMAND_MS,
    });

  before(async () => {
    await removeStaleLabs();
    setUpTree(TREE, "trixie", PACKAGES);
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(scratch, "key")]);
    await makeHostCgroup(GROUP, {});
    const enter = (await cgroupDirectories(GROUP)).map((path) => `echo $$ >${path}/machine/cgroup.procs`).join("; ");
    const nspawn = `systemd-nspawn --quiet --directory=${TREE} --volatile=overlay --boot --private-network --machine=${TEST_LAB_NAME} --register=no --keep-unit --settings=no --link-journal=no --resolv-conf=off --timezone=off --kill-signal=SIGRTMIN+4 --console=read-only`;
    // It ends with this process.
    const argv = ["--pdeathsig", "KILL", "sh", "-c", `${enter}; exec ${nspawn}`];
    const container = spawn("setpriv", argv, { stdio: ["ignore", "ignore", "inherit"] });
    for (let tries = 0; tries < 300 && container.exitCode === null; tries++) {
      const children = `/proc/${container.pid}/task/${container.pid}/children`;
      leader = readFileSync(children, "utf8").trim().split(" ")[0] ?? "";
      try {
        if (leader !== "" && /running|degraded/.test(inHost("systemctl is-system-running || true"))) break;
      } catch {
        // Not yet that far.
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const key = readFileSync(join(scratch, "key.pub"), "utf8").trim();
    inHost(`umask 077; mkdir -p /root/.ssh; echo '${key}' >/root/.ssh/authorized_keys`);
    writeFileSync(
      sshConfig,
      `Host plain\n  User root\n  IdentityFile ${join(scratch, "key")}\n  StrictHostKeyChecking no\n  UserKnownHostsFile ${join(scratch, "known")}\n  LogLevel ERROR\n  ProxyCommand nsenter --target ${leader} --all /usr/sbin/sshd -i\n`,
    );
    execFileSync("ssh", ["-F", sshConfig, "plain", "true"], { timeout: COMMAND_MS });
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    rmSync(scratch, { recursive: true, force: true });
  });

  test("a plain Debian is found as it is, and nothing on it is touched", async () => {
    const filesBefore = inHost(FILES).split("\n");
    const { stdout } = await promisify(execFile)(PRISTINE, ["--ssh-config", sshConfig, "--json", "probe", "plain"]);
    const filesAfter = inHost(FILES).split("\n");
    assert.ok(filesBefore.length > 5000);
    const known = new Set(filesBefore);
    assert.deepEqual(
      filesAfter.filter((line) => !known.has(line)),
      [],
    );
    assert.equal(filesAfter.length, filesBefore.length);
    const { hosts } = JSON.parse(stdout) as { hosts: ProbeAnswer[] };
    const found = hosts[0]?.found;
    assert.deepEqual(found?.os, { id: "debian", name: inHost('. /etc/os-release; printf %s "$PRETTY_NAME"') });
    assert.equal(found.init.name, "systemd");
    assert.ok((found.init.systemdVersion ?? 0) >= 257);
    assert.equal(found.virtualization, "systemd-nspawn");
    assert.deepEqual(found.escalations, ["sudo", "run0"]);
    assert.equal(found.store, undefined);
    assert.ok(found.memory.totalBytes > 0 && found.filesystems.some(({ mount }) => mount === "/"));
    assert.deepEqual(
      hosts[0]?.bases?.map(({ base, possible }) => `${base} ${possible}`),
      ["debian no", "nixos no", "foreign later"],
    );
  });
});
