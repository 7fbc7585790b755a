/**
 * Deployments to a host that is shaped like NixOS: its system is a closure that switches to itself by its own
 * `bin/switch-to-configuration`. With `NIXPKGS_SRC`, a copy of nixpkgs, that script is also NixOS's own.
 */

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { generateKeyPair } from "../../src/format/signature.ts";
import { labDown, labUp } from "../../src/lab/lab.ts";
import type { Receipt } from "../../src/machine/transaction.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { nixCopy } from "../support/nix-copy.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { bootstrapOf, labsMissing } from "../support/test-system.ts";

const NIXOS_SCRIPT = "nixos/modules/system/activation/switch-to-configuration.pl";
const nixpkgs = process.env["NIXPKGS_SRC"];
const SUBNET = takeTestSubnet();
const KEY = generateKeyPair("shop-1");
const SERVES = "imports = [ ../web.nix ../nixos-shaped ];";
const ERROR_500 = 'services.nginx.virtualHosts.shop.locations."/".return = 500;';
const BROKEN_UNIT =
  'systemd.services.broken = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/usr/bin/false"; };';
/** A user with a profile, and one of root's; scripts say who has run them, and for what. */
const PROFILES = `{ config, pkgs, ... }:
let
  version = "one";
  tool = derivation {
    name = "tool";
    inherit (pkgs.pristine) busybox system;
    builder = pkgs.pristine.busybox;
    args = [ "sh" "-ec" "$busybox mkdir $out; echo tool >$out/tool" ];
  };
  activatable = derivation {
    name = "app-\${version}";
    inherit version;
    inherit (pkgs.pristine) busybox system;
    builder = pkgs.pristine.busybox;
    script = ''
      #!/bin/sh
      echo "$(id -un) $HOME $PROFILE $(cat version)" >/persist/app/active
      [ "$(cat version)" != broken ]
    '';
    args = [ "sh" "-ec" ''
      $busybox mkdir $out
      echo $version >$out/version
      echo "$script" >$out/deploy-rs-activate
      $busybox chmod 755 $out/deploy-rs-activate
    '' ];
  };
in
{
  users.users.app = { isNormalUser = true; uid = 1234; home = "/persist/app"; };
  deployment.profiles = {
    app = { user = "app"; path = activatable; order = 1; };
    tool = { user = "root"; path = tool; link = "/nix/var/nix/profiles/tool"; };
  };
}`;
const limit = (seconds: number): AbortSignal => AbortSignal.timeout(seconds * 1000);

const withoutNix = process.env["NIX_ORACLE"] === undefined && "NIX_ORACLE is not set";

function shape(directory: string, script: string | undefined): void {
  const edit = (file: string, from: string | RegExp, to: string): void => {
    const path = join(directory, file);
    writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
  };
  cpSync(join(import.meta.dirname, "../support/nixos-shaped"), join(directory, "nixos-shaped"), { recursive: true });
  if (script !== undefined) cpSync(script, join(directory, "switch-to-configuration.pl"));
  writeFileSync(join(directory, "profiles.nix"), PROFILES);
  edit("fleet.nix", 'name = "shop"', `name = "${TEST_LAB_NAME}"`);
  edit("fleet.nix", /\n *(?:lb|web2) = .*/g, "");
  writeFileSync(join(directory, "signing.key"), `${KEY.secret}\n`, { mode: 0o600 });
  const signing = `deployment.signingKeyFile = builtins.replaceStrings [ "keys" ] [ "signing.key" ] (toString ../keys);`;
  const trusts = `nix.settings.trusted-public-keys = [ "${KEY.public}" ];`;
  edit("hosts/web1.nix", "imports = [ ../web.nix ];", `${SERVES} ${signing} ${trusts}`);
}

function deployments(title: string, script: string | undefined, skip: string | false): void {
  suite(title, { skip, concurrency: 1, timeout: 10 * 60_000 }, () => {
    let shop: Shop;
    let fleet: FleetDriver;
    let web1: RemoteHost;

    before(async () => {
      await removeStaleLabs();
      shop = makeShop({ subnet: SUBNET, edit: (directory) => shape(directory, script) });
      fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
      const { hosts } = await fleet.ask<{ hosts: { path: string }[] }>(["build", "web1"]);
      const system = hosts[0]?.path ?? "";
      await labUp({
        name: TEST_LAB_NAME,
        hosts: [{ name: "web1", address: `${SUBNET}.12` }],
        bootstrap: bootstrapOf(system),
        identityFiles: [join(shop.directory, "keys/operator")],
        signal: limit(240),
      });
      web1 = await fleet.host("web1");
    });
    after(async () => {
      await labDown(TEST_LAB_NAME);
      shop[Symbol.dispose]();
    });

    const edit = (from: string, to: string): (() => void) => fleet.edit("hosts/web1.nix", from, to);
    const deploy = async (args: readonly string[] = [], exit = 0): Promise<HostOutcome> => {
      const { web1: outcome } = await fleet.deploy(["web1", ...args], { exit: [exit] });
      assert.ok(outcome !== undefined);
      return outcome;
    };
    /** What runs, what the profile names and what the boot loader boots. */
    const systems = async (): Promise<string[]> => {
      const { systems: found, transaction, lock } = await web1.facts();
      assert.deepEqual([transaction, lock], [null, null]);
      const loader = await web1.sh(
        "sed -n 's|.* init=\\(.*\\)/init .*|\\1|p' /boot/grub/grub.cfg 2>/dev/null | grep -m1 . || readlink -f /nix/var/nix/profiles/system",
      );
      return [found.activated ?? "", found.profile ?? "", loader];
    };
    const assertReturned = async (
      outcome: HostOutcome,
      before: readonly string[],
      reason: string,
    ): Promise<Receipt> => {
      assert.equal(outcome.status, "rolled-back", JSON.stringify(outcome));
      assert.deepEqual(await systems(), before);
      const [receipt] = await web1.receipts();
      assert.deepEqual([receipt?.outcome, receipt?.reason?.kind], ["reverted", reason]);
      assert.match(await web1.page(), /Good day/);
      return receipt as Receipt;
    };

    test("the plan and the script say what would be done", async () => {
      edit("Good morning", "Good day");
      const { plan } = await fleet.ask<{
        plan: { hosts: { state: string; diff: { packages: unknown[]; units: { changes: { unit: string }[] } } }[] };
      }>(["plan", "--lab"]);
      const [planned] = plan.hosts;
      assert.equal(planned?.state, "change");
      assert.ok(planned.diff.units.changes.some(({ unit }) => unit === "nginx.service"));
      const before = await systems();
      const outcome = await deploy(["--goal", "dry-activate"]);
      assert.ok(outcome.status === "planned");
      assert.match(outcome.output?.join("\n") ?? "", /would (?:stop|start|restart).*nginx\.service/);
      assert.deepEqual(await systems(), before);

      const undo = edit(SERVES, `${SERVES} environment.etc.switch-inhibitors.text = "{ \\"dbus\\": \\"broker\\" }";`);
      const refused = await deploy([], 2);
      undo();
      assert.ok(refused.status === "failed" && refused.code === "SWITCH_INHIBITED", JSON.stringify(refused));
      assert.match(refused.reason, /dbus \(absent → broker\), says \/nix\/store\/\S+\/switch-inhibitors$/);
      assert.deepEqual([refused.copied, await systems()], [undefined, before]);
    });

    test("it switches to itself, and is the boot default once it is confirmed", async () => {
      const outcome = await deploy();
      assert.ok(outcome.status === "activated", JSON.stringify(outcome));
      const { system, generation } = outcome.receipt;
      assert.deepEqual(await systems(), [system, system, system]);
      assert.equal(generation, 2);
      assert.match(await web1.page(), /Good day/);
      assert.equal((await deploy()).status, "unchanged");
      const { web1: status } = await fleet.statuses({});
      assert.deepEqual([status?.asDeclared, status?.drift], [true, []]);
    });

    test("what nix copy brought and a hand switched to is what is declared", { skip: withoutNix }, async () => {
      edit("Good day", "Good evening, by hand");
      const { hosts } = await fleet.ask<{ hosts: { path: string }[] }>(["build", "web1"]);
      const system = hosts[0]?.path ?? "";
      nixCopy(system, "ssh://root@web1", { sshConfig: web1.lab.sshConfig, directory: shop.scratch });
      await web1.sh(`nix-env --profile /nix/var/nix/profiles/system --set ${system}`);
      await web1.sh(`${system}/bin/switch-to-configuration switch`);
      assert.match(await web1.page(), /Good evening, by hand/);
      const { web1: status } = await fleet.statuses({ exit: [0] });
      assert.deepEqual([status?.asDeclared, status?.drift], [true, []]);
      assert.deepEqual(await systems(), [system, system, system]);
      edit("Good evening, by hand", "Good day");
      assert.equal((await deploy()).status, "activated");
    });

    test("a bundle is applied by the host itself, and one that fails its checks goes back", async () => {
      const kit = "/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit";
      const stick = join(web1.lab.diskRoot, "persist/stick");
      mkdirSync(stick);
      const apply = async (name: string): Promise<Receipt> => {
        const told = await web1.sh(`${kit} apply /persist/stick/${name} || true`);
        return (JSON.parse(told) as { receipt: Receipt }).receipt;
      };
      const before = await systems();
      const failing = edit(SERVES, `${SERVES} ${ERROR_500}`);
      await web1.sh(`${kit} facts >/persist/stick/facts`);
      await fleet.ask(["bundle", "web1", "--output", join(stick, "one"), "--from", join(stick, "facts")]);
      failing();
      const back = await apply("one");
      assert.deepEqual([back.outcome, back.reason?.kind, await systems()], ["reverted", "health-failed", before]);

      const undo = edit("Good day", "Good day, by a file");
      await fleet.ask(["bundle", "web1", "--output", join(stick, "two"), "--from", join(stick, "facts")]);
      const { outcome, system } = await apply("two");
      assert.deepEqual([outcome, await systems()], ["confirmed", [system, system, system]]);
      assert.match(await web1.page(), /Good day, by a file/);
      await web1.sh("cp /persist/etc/ssh/ssh_host_ed25519_key.pub /persist/stick/key");
      const told = await fleet.run(["receipt", join(stick, "two.receipt"), "--host-key", join(stick, "key")]);
      assert.match(told.stdout, /confirmed as generation \d/);
      undo();
      assert.equal((await deploy()).status, "activated");
    });

    test("a failed unit, a failed check and a boot loader that fails lead back to the recorded system", async () => {
      const before = await systems();
      let undo = edit(SERVES, `${SERVES} ${BROKEN_UNIT}`);
      const broken = await assertReturned(await deploy([], 2), before, "units-failed");
      assert.equal(broken.reason?.step, "switch-to-configuration");
      undo();
      undo = edit(SERVES, `${SERVES} ${ERROR_500}`);
      await assertReturned(await deploy([], 2), before, "health-failed");
      undo();
      undo = edit("Good day", "Good luck");
      await web1.sh("touch /run/boot-loader-is-broken");
      const unconfirmed = await deploy(["--confirm-timeout", "5"], 2);
      await web1.sh("rm /run/boot-loader-is-broken");
      // The way back needs the boot loader, too.
      assert.equal(unconfirmed.status, "rolled-back", JSON.stringify(unconfirmed));
      assert.equal((await web1.receipts())[0]?.outcome, "revert-failed");
      assert.deepEqual(await systems(), before);
      undo();
    });

    test("somebody else who runs the script is waited for by nobody: the deployment is refused", async () => {
      const undo = edit("Good day", "Good luck");
      await web1.sh(
        "mkdir -p /run/nixos; systemd-run --quiet --unit=other flock /run/nixos/switch-to-configuration.lock sleep 60; sleep 1",
      );
      const outcome = await deploy([], 3);
      assert.ok(outcome.status === "failed" && outcome.code === "HOST_LOCKED");
      await web1.sh("systemctl stop other.service");
      undo();
    });

    test("what is not confirmed does not outlive a power cut, and goal boot is for the next boot", async () => {
      const before = await systems();
      edit("Good day", "Good luck");
      assert.equal((await deploy(["--goal", "test"])).status, "tested");
      assert.match(await web1.page(), /Good luck/);
      await web1.lab.powerCut();
      await web1.lab.powerOn(limit(60));
      await web1.lab.waitForSsh(limit(60), 60_000);
      assert.deepEqual(await systems(), before);
      const outcome = await deploy(["--goal", "boot"]);
      assert.ok(outcome.status === "activated");
      const { system } = outcome.receipt;
      assert.deepEqual(await systems(), [before[0], system, system]);
      await fleet.run(["reboot", "web1", "--lab", "--yes"]);
      assert.deepEqual(await systems(), [system, system, system]);
      assert.match(await web1.page(), /Good luck/);
    });

    test("goal reboot boots the new system once, and the old default unless it is confirmed", async () => {
      const before = await systems();
      const left = "ls -d /etc/systemd/system.attached 2>/dev/null; grep -a ^next_entry= /boot/grub/grubenv || true";
      let undo = edit(SERVES, `${SERVES} ${ERROR_500}`);
      const sick = await deploy(["--goal", "reboot"], 2);
      undo();
      assert.equal(sick.status, "rolled-back", JSON.stringify(sick));
      assert.deepEqual(await systems(), before);
      const [returned] = await web1.receipts();
      assert.deepEqual([returned?.outcome, returned?.reason?.kind], ["reverted-by-reboot", "health-failed"]);
      assert.doesNotMatch(await web1.sh("cat /boot/grub/grub.cfg"), new RegExp(returned?.system ?? ""));
      assert.equal(await web1.sh(left), "");

      undo = edit("Good luck", "Good night");
      const outcome = await deploy(["--goal", "reboot"]);
      assert.ok(outcome.status === "activated", JSON.stringify(outcome));
      const { system, previous } = outcome.receipt;
      assert.deepEqual([previous, await systems()], [before[0], [system, system, system]]);
      assert.match(await web1.page(), /Good night/);
      assert.equal(await web1.sh(left), "");
      assert.equal((await web1.facts()).systems.booted, system);
      undo();
    });

    test("profiles of users go with the system, also alone, and return with it", async () => {
      const active = "/persist/app app";
      const link = "/persist/app/.local/state/nix/profiles/app";
      const look = `cat ${link}/version; cat /persist/app/active; cat /nix/var/nix/profiles/tool/tool`;
      const shows = (version: string): string =>
        `${version}\n${active.split(" ")[1]} ${active.split(" ")[0]} ${link} ${version}\ntool`;
      const left =
        "ls -d /etc/systemd/system.attached /nix/var/nix/gcroots/pristine/profile-* 2>/dev/null; stat -c %U " + link;
      // NixOS makes homes.
      await web1.sh("install -d -o 1234 /persist/app");
      const undo = edit(SERVES, `${SERVES.replace("];", "../profiles.nix ];")}`);
      const first = await deploy();
      assert.ok(first.status === "activated", JSON.stringify(first));
      assert.equal(await web1.sh(look), shows("one"));
      assert.equal(await web1.sh(left), "app");

      fleet.edit("profiles.nix", '"one"', '"two"');
      const planned = await fleet.run(["plan", "--lab"]);
      assert.match(planned.stdout, /profile {3}app of app: \w+-app-one → \w+-app-two/);
      const second = await deploy();
      assert.ok(second.status === "activated", JSON.stringify(second));
      assert.equal(second.receipt.system, first.receipt.system);
      assert.equal(second.receipt.generation, (first.receipt.generation ?? 0) + 1);
      assert.equal(await web1.sh(look), shows("two"));
      assert.equal((await deploy()).status, "unchanged");

      fleet.edit("profiles.nix", '"two"', '"broken"');
      const failed = await deploy([], 2);
      assert.ok(
        failed.status === "rolled-back" && failed.reason.includes("hook profile app/app"),
        JSON.stringify(failed),
      );
      assert.equal(await web1.sh(look), shows("two"));
      assert.equal(await web1.sh(left), "app");

      fleet.edit("profiles.nix", '"broken"', '"three"');
      assert.equal((await deploy(["--temporary", "1h"])).status, "temporary");
      assert.equal(await web1.sh(look), shows("three"));
      await web1.lab.powerCut();
      await web1.lab.powerOn(limit(60));
      await web1.lab.waitForSsh(limit(60), 60_000);
      // Nobody has asked the host anything.
      assert.equal(await web1.sh(`systemctl start multi-user.target; ${look}`), shows("two"));
      assert.equal(await web1.sh(left), "app");

      fleet.edit("profiles.nix", '"three"', '"four"');
      const kit = "/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit";
      await web1.sh(`mkdir -p /persist/stick; ${kit} facts >/persist/stick/facts`);
      const stick = join(web1.lab.diskRoot, "persist/stick");
      await fleet.ask(["bundle", "web1", "--output", join(stick, "four"), "--from", join(stick, "facts")]);
      await web1.sh(`${kit} apply /persist/stick/four`);
      assert.equal(await web1.sh(look), shows("four"));

      await fleet.run(["rollback", "web1", "--lab", "--yes"]);
      assert.equal(await web1.sh(look), shows("two"));
      await web1.sh(`rm ${link}`);
      const { web1: status } = await fleet.statuses();
      assert.deepEqual(
        status?.drift.map((drift) => drift.kind),
        ["profile-moved"],
      );
      undo();
      assert.equal((await deploy()).status, "activated");
      assert.equal(await web1.sh(`ls ${link} /nix/var/nix/profiles/tool* 2>/dev/null || true`), "");
    });

    test("a rollback is a deployment, and a host keeps its base", async () => {
      await fleet.run(["rollback", "web1", "--lab", "--yes"]);
      assert.match(await web1.page(), /Good luck/);
      const [system] = await systems();
      assert.deepEqual(await systems(), [system, system, system]);
      edit(SERVES, "imports = [ ../web.nix ];");
      const { stderr, stdout } = await fleet.run(["plan", "--lab"], { exit: [2] });
      assert.match(`${stderr}${stdout}`, /declared with packages of Debian's, but web1 runs NixOS/);
    });
  });
}

const missing = await labsMissing();
deployments("a host shaped like NixOS", undefined, missing);

const script = nixpkgs === undefined ? undefined : join(nixpkgs, NIXOS_SCRIPT);
const withoutScript =
  script === undefined ? "NIXPKGS_SRC is not set" : !existsSync(script) && `${script} does not exist`;
deployments("a host with NixOS's own switch-to-configuration", script, missing || withoutScript);
