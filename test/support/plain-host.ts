/** A plain Debian with systemd, sshd and sudo that nothing of ours ever touched, booted in a container without a network. */

import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setUpTree } from "../../scripts/oracle.ts";
import { cgroupDirectories, makeHostCgroup } from "../../src/lab/cgroup.ts";
import { hostPaths } from "../../src/lab/lab-names.ts";
import { removeStaleLabs, TEST_LAB_NAME } from "./test-labs.ts";

const TREE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "pristine/oracle/plain-trixie");
const PACKAGES = "systemd,systemd-sysv,openssh-server,iproute2,dbus,sudo";
const COMMAND_MS = 60_000;

export interface PlainHost {
  /** Knows the hosts by their names: ssh's connection is a pipe to the host's sshd. */
  readonly sshConfig: string;
  /** Runs a shell script in the host, past ssh; what it writes. */
  readonly inHost: (script: string) => string;
}

/** Boots one that is called `plain`, where a host of `lab` would be; it ends with this process, by `labDown(lab)`, or by a later run's start. */
export async function bootPlainHost(scratch: string, lab: string = TEST_LAB_NAME): Promise<PlainHost> {
  const [host] = await bootPlainHosts(scratch, { names: ["plain"], lab });
  return host!;
}

/** Boots several, one after the other. */
export async function bootPlainHosts(
  scratch: string,
  { names, lab = TEST_LAB_NAME }: { readonly names: readonly string[]; readonly lab?: string },
): Promise<PlainHost[]> {
  await removeStaleLabs();
  setUpTree(TREE, "trixie", PACKAGES);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(scratch, "key")]);
  const hosts: PlainHost[] = [];
  for (const name of names) hosts.push(await boot(scratch, { name, lab }));
  return hosts;
}

async function boot(
  scratch: string,
  { name, lab }: { readonly name: string; readonly lab: string },
): Promise<PlainHost> {
  const sshConfig = join(scratch, "ssh_config");
  const group = hostPaths(lab, name).cgroup;
  let leader = "";
  const inHost = (script: string): string =>
    execFileSync("nsenter", ["--target", leader, "--all", "sh", "-c", script], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: COMMAND_MS,
    });

  await makeHostCgroup(group, {});
  const enter = (await cgroupDirectories(group)).map((path) => `echo $$ >${path}/machine/cgroup.procs`).join("; ");
  const nspawn = `systemd-nspawn --quiet --directory=${TREE} --volatile=overlay --boot --private-network --machine=${lab}-${name} --register=no --keep-unit --settings=no --link-journal=no --resolv-conf=off --timezone=off --kill-signal=SIGRTMIN+4 --console=read-only`;
  // It ends with this process.
  const argv = ["--pdeathsig", "KILL", "sh", "-c", `${enter}; exec ${nspawn}`];
  const container = spawn("setpriv", argv, {
    stdio: ["ignore", "ignore", "inherit"],
    // All of them are laid over one tree.
    env: { ...process.env, SYSTEMD_NSPAWN_LOCK: "0" },
  });
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
  appendFileSync(
    sshConfig,
    `Host ${name}\n  User root\n  IdentityFile ${join(scratch, "key")}\n  StrictHostKeyChecking no\n  UserKnownHostsFile ${join(scratch, "known")}\n  LogLevel ERROR\n  ProxyCommand nsenter --target ${leader} --all /usr/sbin/sshd -i\n`,
  );
  execFileSync("ssh", ["-F", sshConfig, name, "true"], { timeout: COMMAND_MS });
  return { sshConfig, inHost };
}

/** What a login leaves by itself, whatever it runs: its log, its session and its greeting; and what the console's does. */
const OF_A_LOGIN = ["/var/log/*", "/run/log*", "/run/motd.dynamic", "/run/agetty.reload", "/run/user*"].concat(
  ["", "/sessions*", "/users*", "/units*", "/transient*"].map((path) => `/run/systemd${path}`),
);

/** Lists every other file in a host, with whatever changes when it is written to; `apart` are patterns of further ones. */
export function listFiles(apart: readonly string[] = []): string {
  const left = ["/run", ...OF_A_LOGIN, ...apart].map((path) => `! -path '${path}'`).join(" ");
  return `find / /run /tmp /dev/shm -xdev ${left} -printf '%p %y %m %U:%G %s %i %T@ %C@\\n' | sort`;
}
