/**
 * A host of the base "foreign": a plain Debian that nobody prepared gets a service and a file beside its own, over ssh alone.
 * Only such a host can show that these run there from the store, and that everything else stays as it was.
 */

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { labDown } from "../../src/lab/lab.ts";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { bootPlainHost, listFiles, type PlainHost } from "../support/plain-host.ts";
import { PRISTINE } from "../support/shop.ts";
import { TEST_LAB_NAME } from "../support/test-labs.ts";
import { unmetNeed } from "../support/needs.ts";

/** A user for a service, and one who logs in with a key and is in a group of the host's. */
const users = (key: string): string => `
  users.users.app = { isSystemUser = true; group = "app"; hashedPassword = "!"; };
  users.groups.app = { };
  users.users.alice = { isNormalUser = true; group = "alice"; extraGroups = [ "sudo" "app" ]; openssh.authorizedKeys.keys = [ "${key}" ]; };
  users.groups.alice = { };
  systemd.services.own = {
    wantedBy = [ "multi-user.target" ];
    path = [ pkgs.coreutils ];
    script = "id -un >/var/lib/own/user; sleep infinity";
    serviceConfig = { User = "app"; Group = "app"; StateDirectory = "own"; };
  };
  systemd.services.theirs = {
    wantedBy = [ "multi-user.target" ];
    path = [ pkgs.coreutils ];
    script = "sleep infinity";
    serviceConfig.User = "www-data";
  };
  systemd.services.nobodys = {
    wantedBy = [ "multi-user.target" ];
    path = [ pkgs.coreutils ];
    script = "sleep infinity";
    serviceConfig.DynamicUser = true;
  };
`;

const SAYS = "cd /var/lib/app; while :; do cat /etc/app/greeting >saying; mv saying said; sleep 0.2; done";

const app = ({ greeting = "hello", script = SAYS, more = "" } = {}): string => `
{
  meta.name = "${TEST_LAB_NAME}";
  hosts.plain = { pkgs, ... }: {
    deployment = { base = "foreign"; target = { host = "plain"; user = "deployer"; }; confirmTimeout = 20; healthChecks.app.unit = "app.service"; };
    environment.etc."app/greeting".text = "${greeting}\\n";
    systemd.services.app = {
      wantedBy = [ "multi-user.target" ];
      path = [ pkgs.coreutils ];
      script = ''${script}'';
      restartTriggers = [ "${greeting}" ];
      serviceConfig.StateDirectory = "app";
    };
    ${more}
  };
}
`;

/** Compared by what is in them: the host's tools write them, and copies beside them. */
const ACCOUNTS = ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"];
const READ_ACCOUNTS = ACCOUNTS.map((file) => `/etc/${file}`).join(" ");

/** Without times of directories, and what sudo, services and timers of the host's own write, and another start of these. */
const FILES = `${listFiles(["/run/sudo*", "/run/dbus/*", "/run/ssh*", "*-systemd-logind.service-*", "/run/systemd/*", "/var/lib/sudo*", "/var/lib/systemd/*", "/var/cache*", "/var/backups*", "/var/lib/apt*", ...ACCOUNTS.map((file) => `/etc/${file}*`), "/etc/.pwd.lock"]).replace("%i %T@ %C@", "%T@")} | awk '$2 == "d" { print $1, $2, $3, $4; next } { print }' | sort`;

suite("foreign", { skip: unmetNeed("root", "systemd-nspawn", "debootstrap", "bwrap"), timeout: 10 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-foreign-"));
  const directory = join(scratch, "fleet");
  let host: PlainHost;
  let filesBefore: string[];
  let accountsBefore: string;

  const pristine = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const argv = ["--ssh-config", host.sshConfig, "--json", ...args];
    try {
      return { code: 0, ...(await promisify(execFile)(PRISTINE, argv, { cwd: directory, timeout: 300_000 })) };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, stdout, stderr };
    }
  };
  const deploy = async (
    fleet: string,
    ...args: string[]
  ): Promise<HostOutcome & { code?: string; reason?: string }> => {
    writeFileSync(join(directory, "fleet.nix"), fleet);
    const { stdout, stderr } = await pristine("deploy", "--yes", ...args);
    const { outcomes } = JSON.parse(stdout || "{}") as { outcomes?: HostOutcome[] };
    assert.ok(outcomes?.[0] !== undefined, stdout + stderr);
    return outcomes[0];
  };
  /** Asks until it is so: while systemd starts over, what asks is killed. */
  const until = async (script: string): Promise<void> => {
    for (let tries = 0; tries < 50; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      try {
        host.inHost(script);
        return;
      } catch {
        // Not yet.
      }
    }
    assert.fail(`it did not come to: ${script}`);
  };
  const key = (): string => readFileSync(join(scratch, "key.pub"), "utf8").trim();
  const said = (): string => host.inHost("sleep 0.5; cat /var/lib/app/said").trim();

  before(async () => {
    mkdirSync(directory);
    writeFileSync(join(directory, "fleet.nix"), app());
    execFileSync(PRISTINE, ["lock"], { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
    host = await bootPlainHost(scratch);
    // Nobody comes in as root: what is deployed is confirmed over a connection that uses sudo.
    host.inHost(
      "useradd -m deployer; echo 'deployer ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/deployer; cp -a /root/.ssh ~deployer/; chown -R deployer: ~deployer/.ssh; rm /root/.ssh/authorized_keys",
    );
    accountsBefore = host.inHost(`cat ${READ_ACCOUNTS}`);
    filesBefore = host.inHost(FILES).split("\n");
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    rmSync(scratch, { recursive: true, force: true });
  });

  test("what is in the way is named before anything is touched", async () => {
    host.inHost("mkdir /etc/app; echo mine >/etc/app/greeting");
    writeFileSync(join(directory, "fleet.nix"), app({ more: 'systemd.services.ssh.script = "true";' }));
    const { stdout } = await pristine("plan");
    assert.match(
      stdout,
      /HOST_IN_THE_WAY.*\/etc\/app\/greeting, .*\/lib\/systemd\/system\/ssh\.service.* are on the host already/,
    );
    assert.equal(host.inHost("ls -d /nix || true"), "");
    host.inHost("rm -r /etc/app");
  });

  test("a service runs from the store, and a file is in /etc", async () => {
    const outcome = await deploy(app());
    assert.equal(outcome.status, "activated", JSON.stringify(outcome));
    assert.equal(said(), "hello");
    assert.match(host.inHost("readlink -f /etc/app/greeting"), /^\/nix\/store\//);
    assert.match(host.inHost("readlink /proc/$(systemctl show -P MainPID app)/exe"), /^\/nix\/store\/.*bash/);
    assert.equal(host.inHost("dpkg --verify"), "");
  });

  test("a change that fails returns by itself, and leaves nothing of it", async () => {
    const more =
      'environment.etc."new/file".text = "new"; systemd.services.bad = { wantedBy = [ "multi-user.target" ]; script = "exit 1"; };';
    const outcome = await deploy(app({ greeting: "unheard", more }));
    assert.equal(outcome.status, "rolled-back", JSON.stringify(outcome));
    assert.match(outcome.reason ?? "", /bad\.service failed/);
    assert.equal(said(), "hello");
    assert.equal(host.inHost("ls -d /etc/new || true"), "");
    assert.match(host.inHost("systemctl show -P LoadState bad"), /not-found/);
  });

  test("what is not declared any more is gone, and timers run what they start", async () => {
    const more =
      'systemd.services.tick = { startAt = "*:*:*"; path = [ pkgs.coreutils ]; script = "touch /var/lib/tick/ran"; serviceConfig.StateDirectory = "tick"; };';
    const first = await deploy(app({ more: `${more} environment.etc."deep/er/file".text = "x";` }));
    assert.equal(first.status, "activated", JSON.stringify(first));
    assert.equal(host.inHost("cat /etc/deep/er/file"), "x");
    host.inHost("for i in $(seq 50); do [ -e /var/lib/tick/ran ] && exit 0; sleep 0.2; done; exit 1");
    const second = await deploy(app({ greeting: "bye" }));
    assert.equal(second.status, "activated", JSON.stringify(second));
    assert.equal(host.inHost("ls -d /etc/deep || true"), "");
    assert.match(
      host.inHost("systemctl show -P LoadState tick.timer; systemctl is-active tick.timer || true"),
      /not-found\ninactive/,
    );
    assert.equal(said(), "bye");
  });

  test("status says what differs, and rollback brings back what was", async () => {
    type Statuses = { hosts: { asDeclared: boolean; drift: { kind: string }[] }[] };
    const status = async (): Promise<Statuses["hosts"][number] | undefined> =>
      (JSON.parse((await pristine("status")).stdout) as Statuses).hosts[0];
    const before = await status();
    assert.equal(before?.asDeclared, true, JSON.stringify(before));
    host.inHost("systemctl stop app");
    assert.deepEqual(
      (await status())?.drift.map(({ kind }) => kind),
      ["unit-not-running"],
    );
    const { code, stdout, stderr } = await pristine("rollback", "plain", "--yes");
    assert.equal(code, 0, stdout + stderr);
    assert.equal(host.inHost("cat /etc/deep/er/file"), "x");
    assert.equal(said(), "hello");
  });

  test("users are made, run services and log in; what fails gives them back as they were", async () => {
    const login = (command: string): string =>
      execFileSync("ssh", ["-F", host.sshConfig, "-l", "alice", "plain", command], {
        encoding: "utf8",
        timeout: 60_000,
      });
    writeFileSync(
      join(directory, "fleet.nix"),
      app({ more: 'users.users.sshd = { isSystemUser = true; group = "sshd"; }; users.groups.sshd = { };' }),
    );
    assert.match((await pristine("plan")).stdout, /HOST_IN_THE_WAY.*there is a user sshd .* not of our making/);
    writeFileSync(join(directory, "fleet.nix"), app({ more: users(key()) }));
    const planned = JSON.parse((await pristine("plan")).stdout) as { plan: { hosts: { diff: { users: object[] } }[] } };
    assert.deepEqual(planned.plan.hosts[0]?.diff.users, [
      { name: "alice", kind: "added", details: [] },
      { name: "app", kind: "added", details: [] },
    ]);
    const made = await deploy(app({ more: users(key()) }));
    assert.equal(made.status, "activated", JSON.stringify(made));
    assert.match(login("id -Gn; echo hello >file"), /^alice sudo app\n$|^alice app sudo\n$/);
    assert.equal(host.inHost("cat /var/lib/own/user").trim(), "app");
    const uidOf = (unit: string): number =>
      Number(host.inHost(`stat -c %u /proc/$(systemctl show -P MainPID ${unit})`));
    assert.equal(uidOf("theirs"), 33);
    assert.ok(uidOf("nobodys") >= 61_184, "a dynamic user");
    assert.match(host.inHost("grep ^app: /etc/shadow"), /^app:!\*:/);
    // A password is a matter of the host's: it must outlive a return.
    host.inHost("echo alice:secret | chpasswd");
    const before = host.inHost(`cat ${READ_ACCOUNTS}`);
    const bad =
      'users.users.bob = { isNormalUser = true; }; systemd.services.bad = { wantedBy = [ "multi-user.target" ]; script = "exit 1"; };';
    const failed = await deploy(app({ more: bad }));
    assert.equal(failed.status, "rolled-back", JSON.stringify(failed));
    assert.equal(host.inHost(`cat ${READ_ACCOUNTS}`), before);
    assert.equal(host.inHost("ls -d /home/bob || true"), "");
    assert.equal(login("cat file"), "hello\n");
    const gone = await deploy(app({ more: 'environment.etc."deep/er/file".text = "x";' }));
    assert.equal(gone.status, "activated", JSON.stringify(gone));
    assert.equal(host.inHost(`cat ${READ_ACCOUNTS}`), accountsBefore);
    // Its files stay, but nothing of ours among them.
    assert.equal(host.inHost("find /home/alice -type f -o -type l"), "/home/alice/file\n");
    host.inHost("rm -r /home/alice /var/lib/own");
    const again = await deploy(app({ more: `environment.etc."deep/er/file".text = "x"; ${users(key())}` }));
    assert.equal(again.status, "activated", JSON.stringify(again));
  });

  test("a user that is logged in is removed all the same, with whatever it runs", async (t) => {
    const uid = host.inHost("id -u alice").trim();
    // One session ends when it is asked to, one does not, and a service of the host's own is no session.
    const stays = "trap '' TERM HUP INT; echo here; while :; do sleep 1; done";
    const sessions = ["echo here; exec sleep 1000", stays].map((command) =>
      spawn("ssh", ["-F", host.sshConfig, "-l", "alice", "plain", command], { stdio: ["ignore", "pipe", "ignore"] }),
    );
    t.after(() => {
      for (const session of sessions) session.kill();
    });
    await Promise.all(sessions.map(({ stdout }) => once(stdout, "data")));
    const ended = sessions.map((session) => once(session, "exit"));
    host.inHost("systemd-run --quiet --uid=alice --unit=hers sleep 1000");
    const running = `for status in /proc/[0-9]*/status; do grep -q '^Uid:.*[[:space:]]${uid}' $status && echo $status; done || true`;
    assert.ok(host.inHost(running).trim().split("\n").length >= 3);
    const gone = await deploy(app({ more: 'environment.etc."deep/er/file".text = "x";' }));
    assert.equal(gone.status, "activated", JSON.stringify(gone));
    assert.equal(host.inHost(`cat ${READ_ACCOUNTS}`), accountsBefore);
    assert.equal(host.inHost(running), "");
    await Promise.all(ended);
    const again = await deploy(app({ more: `environment.etc."deep/er/file".text = "x"; ${users(key())}` }));
    assert.equal(again.status, "activated", JSON.stringify(again));
  });

  test("a user's services run without a session for as long as that is declared", async () => {
    // The host has no libpam-systemd, which would tell this.
    host.inHost(
      "mkdir /run/systemd/system/user@.service.d; printf '[Service]\\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\\n' >/run/systemd/system/user@.service.d/test.conf; systemctl daemon-reload",
    );
    const others = `environment.etc."deep/er/file".text = "x"; ${users(key())}`;
    const carol = "users.users.carol = { isNormalUser = true; linger = true; };";
    const made = await deploy(app({ more: `${others} ${carol}` }));
    assert.equal(made.status, "activated", JSON.stringify(made));
    const manager = `user@${host.inHost("id -u carol").trim()}.service`;
    assert.equal(host.inHost(`systemctl is-active ${manager}; ls /var/lib/systemd/linger`), "active\ncarol\n");
    const gone = await deploy(app({ more: others }));
    assert.equal(gone.status, "activated", JSON.stringify(gone));
    assert.equal(
      host.inHost(`systemctl is-active ${manager} || true; ls /var/lib/systemd/linger; ls -d /home/carol || true`),
      "inactive\n",
    );
  });

  test("a boot brings what was confirmed, and nothing of what was only tried", async () => {
    const tried = await deploy(
      app({ greeting: "tried", more: 'environment.etc."tried".text = "x";' }),
      "--goal",
      "test",
    );
    assert.equal(tried.status, "tested", JSON.stringify(tried));
    assert.equal(said(), "tried");
    // A container cannot be rebooted without losing its files: systemd starts over, and what is in memory is gone.
    host.inHost("rm -r /run/pristine /run/current-system; systemctl --no-block soft-reboot");
    await until(
      "timeout 5 systemctl is-active multi-user.target app && ! systemctl is-active --quiet soft-reboot.target",
    );
    assert.equal(said(), "hello");
    assert.equal(host.inHost("ls -d /etc/tried || true"), "");
    assert.equal(host.inHost("cat /etc/deep/er/file"), "x");
  });

  test("removed, it leaves no trace but what services have written", async () => {
    const { code, stdout, stderr } = await pristine("remove", "plain", "--yes");
    assert.equal(code, 0, stdout + stderr);
    assert.equal(host.inHost("ls -d /nix /nix.pristine /run/pristine /run/current-system /etc/app || true"), "");
    assert.equal(host.inHost("systemctl list-units --all --plain --no-legend 'app*' 'tick*' 'pristine*'"), "");
    assert.equal(host.inHost("dpkg --verify"), "");
    host.inHost("rm -r /var/lib/app /var/lib/tick /var/lib/own");
    assert.equal(host.inHost(`cat ${READ_ACCOUNTS}`), accountsBefore);
    const filesAfter = host.inHost(FILES).split("\n");
    assert.ok(filesBefore.length > 5000);
    const [known, found] = [new Set(filesBefore), new Set(filesAfter)];
    assert.deepEqual(
      [filesAfter.filter((line) => !known.has(line)), filesBefore.filter((line) => !found.has(line))],
      [[], []],
    );
  });
});
