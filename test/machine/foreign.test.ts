/**
 * A host of the base "foreign": a plain Debian that nobody prepared gets a service and a file beside its own, over ssh alone.
 * Only such a host can show that these run there from the store, and that everything else stays as it was.
 */

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { labDown } from "../../src/lab/lab.ts";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { bootPlainHost, type PlainHost } from "../support/plain-host.ts";
import { PRISTINE } from "../support/shop.ts";
import { TEST_LAB_NAME } from "../support/test-labs.ts";
import { unmetNeed } from "../support/needs.ts";

const SAYS = "while :; do cat /etc/app/greeting >/var/lib/app/said; sleep 0.2; done";

const app = ({ greeting = "hello", script = SAYS, more = "" } = {}): string => `
{
  meta.name = "${TEST_LAB_NAME}";
  hosts.plain = { pkgs, ... }: {
    deployment = { base = "foreign"; target.host = "plain"; confirmTimeout = 20; healthChecks.app.unit = "app.service"; };
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

suite("foreign", { skip: unmetNeed("root", "systemd-nspawn", "debootstrap", "bwrap"), timeout: 8 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-foreign-"));
  const directory = join(scratch, "fleet");
  let host: PlainHost;

  const pristine = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const argv = ["--ssh-config", host.sshConfig, "--json", ...args];
    try {
      return { code: 0, ...(await promisify(execFile)(PRISTINE, argv, { cwd: directory, timeout: 300_000 })) };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, stdout, stderr };
    }
  };
  const deploy = async (fleet: string): Promise<HostOutcome & { code?: string; reason?: string }> => {
    writeFileSync(join(directory, "fleet.nix"), fleet);
    const { stdout, stderr } = await pristine("deploy", "--yes");
    const { outcomes } = JSON.parse(stdout || "{}") as { outcomes?: HostOutcome[] };
    assert.ok(outcomes?.[0] !== undefined, stdout + stderr);
    return outcomes[0];
  };
  const said = (): string => host.inHost("sleep 0.5; cat /var/lib/app/said").trim();

  before(async () => {
    mkdirSync(directory);
    writeFileSync(join(directory, "fleet.nix"), app());
    execFileSync(PRISTINE, ["lock"], { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
    host = await bootPlainHost(scratch);
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
});
