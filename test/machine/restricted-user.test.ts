/**
 * A user who deploys and may do nothing else as root, on real hosts of Debian's packages and shaped like NixOS
 * (`test/support/nixos-shaped`), whose sudo keeps `PATH` as NixOS's does.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { generateKeyPair } from "../../src/format/signature.ts";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { labSshConfig } from "../../src/lab/ssh-config.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { makeShop, PRISTINE, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { bootstrapOf, labsMissing } from "../support/test-system.ts";

const SUBNET = takeTestSubnet();
const KEY = generateKeyPair("shop-1");
const KIT = "/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit";

const SIGNING = `deployment.signingKeyFile = builtins.replaceStrings [ "keys" ] [ "signing.key" ] (toString ./keys);`;

/** What a host of each base declares; as NixOS has it, anybody may ask Nix, which builds as users of its own. */
const BASES = {
  debian: "deployment.restrictedUser = user;",
  nixos: `
    imports = [ ./nixos-shaped ./module ];
    deployment.nixosConfiguration = { inherit config; };
    pristine.restrictedUser = user;
    security.sudo.extraConfig = "Defaults !secure_path\\n";
    nix.settings = {
      allowed-users = [ "*" ];
      experimental-features = [ "nix-command" "auto-allocate-uids" ];
      auto-allocate-uids = true;
    };`,
} as const;
type Base = keyof typeof BASES;

const fleetOf = (base: Base): string => `{
  meta = { name = "${TEST_LAB_NAME}"; base = "debian"; };
  hosts.gate = { config, ... }: let
    user = { name = "deploy"; trustedKeys = [ "${KEY.public}" ]; authorizedKeyFiles = [ ./keys/operator.pub ]; };
  in {
    ${BASES[base]}
    ${SIGNING}
    deployment.confirmTimeout = 60;
    networking.useDHCP = false;
    networking.interfaces.host0.ipv4.addresses = [ { address = "${SUBNET}.10"; prefixLength = 24; } ];
    services.openssh.enable = true;
    users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
    users.users.mara = { isNormalUser = true; };
    environment.etc.greeting.text = "first";
  };
}
`;

let shop: Shop;
let fleet: FleetDriver;
let gate: RemoteHost;
let asUser: readonly string[];

/** What the user can do on the host: what was said, and whether it failed. */
async function asDeploy(script: string): Promise<string> {
  return await gate.sh(`su deploy -s /bin/sh -c '${script.replaceAll("'", "'\\''")}' 2>&1 || echo "[failed]"`);
}

async function begin(system: string): Promise<string> {
  const id = `attack-${Math.random().toString(36).slice(2)}`;
  return await asDeploy(
    `echo '{"version":1,"id":"${id}","goal":"switch","host":"gate","system":"${system}","operator":{"user":"x","host":"x","pid":1},"reason":"attack","confirmTimeoutSeconds":60,"keepGenerations":5,"healthChecks":[]}' | sudo -n ${KIT} gate begin`,
  );
}

async function running(): Promise<string> {
  return await gate.sh("readlink -f /run/current-system");
}

const missing = await labsMissing();

for (const base of ["debian", "nixos"] as const) {
  suite(`a restricted user on a host of ${base}`, { skip: missing, concurrency: 1, timeout: 10 * 60_000 }, () => {
    before(async () => {
      await removeStaleLabs();
      shop = makeShop({
        edit: (directory) => {
          writeFileSync(join(directory, "fleet.nix"), fleetOf(base));
          writeFileSync(join(directory, "signing.key"), `${KEY.secret}\n`, { mode: 0o600 });
          cpSync(join(import.meta.dirname, "../support/nixos-shaped"), join(directory, "nixos-shaped"), {
            recursive: true,
          });
          execFileSync(PRISTINE, ["nixos-module", join(directory, "module")]);
        },
      });
      fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
      const { hosts } = await fleet.ask<{ hosts: { path: string }[] }>(["build", "gate"]);
      await labUp({
        name: TEST_LAB_NAME,
        hosts: [{ name: "gate", address: `${SUBNET}.10` }],
        bootstrap: bootstrapOf(hosts[0]?.path ?? ""),
        identityFiles: [join(shop.directory, "keys/operator")],
        signal: AbortSignal.timeout(240_000),
      });
      gate = await fleet.host("gate");
      asUser = ["--ssh-config", await labSshConfig(TEST_LAB_NAME)];
      // The kit is brought by somebody who is root.
      assert.equal((await fleet.deploy())["gate"]?.status, "unchanged");
    });
    after(async () => {
      await labDown(TEST_LAB_NAME);
      shop[Symbol.dispose]();
    });

    test("deploys what its key has signed, returns, looks, and reboots", async () => {
      const undo = fleet.edit("fleet.nix", '"first"', '"second"');
      const { outcomes } = await fleet.ask<{ outcomes: { status: string }[] }>([...asUser, "deploy", "--yes"]);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["activated"],
        JSON.stringify(outcomes),
      );
      assert.equal(await gate.sh("cat /etc/greeting"), "second");
      await fleet.run([...asUser, "status", "gate"]);
      await fleet.run([...asUser, "check", "gate"]);
      await fleet.run([...asUser, "rollback", "gate", "--yes"]);
      assert.equal(await gate.sh("cat /etc/greeting"), "first");
      undo();
      const refused = await fleet.run([...asUser, "logs", "gate"], { exit: [2] });
      assert.match(refused.stdout + refused.stderr, /may deploy, and not run 'journalctl' as root/);
      await fleet.run([...asUser, "reboot", "gate", "--yes"]);
    });

    test("does nothing else as root", async () => {
      const tries = [
        "sudo -n true",
        "sudo -n cat /etc/shadow",
        "sudo -n -u mara true",
        "sudo -n -s",
        `sudo -n ${KIT} facts`,
        `sudo -n ${KIT} gate`,
        `cp $(readlink -f ${KIT}) /tmp/pristine-kit && sudo -n /tmp/pristine-kit gate status`,
        `ln -sfn /tmp ${KIT.replace("/bin/pristine-kit", "")}`,
        `sudo -n PRISTINE_KIT_LOCK=held ${KIT} gate facts`,
        `sudo -n ${KIT} gate run x`,
        `sudo -n ${KIT} gate revert-run x`,
        `sudo -n ${KIT} gate check-run x`,
        `sudo -n ${KIT} gate resume`,
        `sudo -n ${KIT} gate switch ${await running()} switch`,
        `sudo -n ${KIT} gate apply /tmp/bundle`,
        `sudo -n ${KIT} gate secrets`,
        `sudo -n ${KIT} gate gate facts`,
        `sudo -n ${KIT} gate journal ../../../../etc/shadow`,
        `echo '{"hooks":[{"name":"x","on":"host","when":["finally"],"command":["id"],"timeoutSeconds":5,"environment":{},"onFailure":"warn"}],"moment":"finally","environment":{}}' | sudo -n ${KIT} gate hook`,
        "ls /root",
        "ln -sfn /tmp /nix/var/nix/profiles/system",
        "touch /nix/store/x",
        `nix-store --delete ${await running()}`,
      ];
      for (const script of tries) assert.match(await asDeploy(script), /\[failed\]$/, script);
      const checked = await asDeploy(`echo '[{"name":"x","command":["id"]}]' | sudo -n ${KIT} gate check`);
      assert.match(checked, /"healthy":true,"results":\[\]/);
    });

    test("has none of its own programs started by root", async () => {
      const names = ["env", "flock", "getent", "journalctl", "nix", "sh", "systemctl", "systemd-run", "uname"];
      await asDeploy(
        `mkdir -p /tmp/own; for each in ${names.join(" ")}; do printf '#!/bin/sh\\n/usr/bin/id -u >>/tmp/started-as\\n' >/tmp/own/$each; chmod +x /tmp/own/$each; done; umask 0; touch /tmp/started-as`,
      );
      const own = "PATH=/tmp/own:$PATH BASH_ENV=/tmp/own/sh ENV=/tmp/own/sh HOME=/tmp/own";
      await asDeploy(`${own} flock; exit 0`);
      assert.equal(await gate.sh("sort -u /tmp/started-as"), await gate.sh("id -u deploy"), "they do start");
      for (const command of ["facts", "status", "history", "check", "check-history", `place-kit ${await running()}`])
        await asDeploy(`${own} /run/wrappers/bin/sudo -n ${KIT} gate ${command}`);
      assert.equal(await gate.sh("sort -u /tmp/started-as"), await gate.sh("id -u deploy"));
    });

    test("copies nothing that is not signed", async () => {
      const undo = [fleet.edit("fleet.nix", '"first"', '"unsigned"'), fleet.edit("fleet.nix", SIGNING, "")];
      const before = await running();
      const { stdout } = await fleet.run([...asUser, "--json", "deploy", "--yes"], { exit: [2] });
      for (const back of undo.reverse()) back();
      assert.match(stdout, /lacks a signature by a trusted key/);
      assert.equal(await running(), before);
    });

    test("activates nothing that the key has not signed, however it came into the store", async () => {
      const before = await running();
      const copied = (await asDeploy(`cp -r ${before} /tmp/fake-system && nix-store --add /tmp/fake-system`))
        .split("\n")
        .at(-1)!;
      assert.match(copied, /^\/nix\/store\//);
      assert.match(await begin(copied), /can be put into the store by anybody/);
      const busybox = await gate.sh(`find $(dirname $(dirname $(readlink -f ${KIT})))/ -name busybox | head -1`);
      const expression = `derivation { name = "built-system"; system = builtins.currentSystem; builder = builtins.storePath "${busybox}"; args = [ "sh" "-c" "echo built by $(id -u) >&2; mkdir $out" ]; }`;
      const built = await asDeploy(`nix-build --no-out-link -E '${expression}'`);
      const [, path = ""] = /(\/nix\/store\/\S+-built-system)$/.exec(built) ?? [];
      assert.match(built, /built by (?!0$)\d+/m, built);
      assert.match(await begin(path), /is signed by no key that this host trusts \(shop-1\)/);
      // A key of one's own helps nobody.
      await asDeploy(
        `nix --extra-experimental-features nix-command key generate-secret --key-name shop-1 >/tmp/own-key && nix --extra-experimental-features nix-command store sign -k /tmp/own-key ${path}`,
      );
      assert.match(await begin(path), /is signed by no key that this host trusts/);
      assert.match(await asDeploy(`sudo -n ${KIT} gate place-kit ${path}`), /\[failed\]$/);
      assert.equal(await running(), before);
      const mara = await gate.sh(`su mara -s /bin/sh -c "nix-store --add /etc/hostname" 2>&1 || true`);
      if (base === "debian") assert.match(mara, /not allowed|refused|cannot open|reset|broken pipe/i);
      else assert.match(mara, /^\/nix\/store\//, "what others may do stays");
    });
  });
}
