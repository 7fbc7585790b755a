/**
 * Hosts that are deployed to by a user who is not root: with sudo and a password that is asked for once, with doas and
 * with run0.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { labSshConfig } from "../../src/lab/ssh-config.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { makeShop, PRISTINE, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { TEST_STORE } from "../support/test-store.ts";
import { labsMissing } from "../support/test-system.ts";

const SUBNET = takeTestSubnet();
const PASSWORD = `c4nary ${process.pid} "$x`;
const ASKING = ["s1", "s2", "s3", "s4", "s5", "s6"];
const HOSTS = [...ASKING, "doas", "run0"];

/** Hosts with little on them, whose sudo takes one password; no user of the base has one of its own. */
const FLEET = `{
  meta = { name = "${TEST_LAB_NAME}"; base = "debian"; };
  defaults = { config, lib, name, pkgs, ... }: {
    deployment.target.user = "mara";
    deployment.confirmTimeout = 60;
    networking.useDHCP = false;
    services.openssh.enable = true;
    users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
    users.users.mara = {
      isNormalUser = true;
      extraGroups = [ "wheel" ];
      openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
    };
    users.groups.wheel = { };
    environment.etc.greeting.text = "first";
  };
  hosts = builtins.listToAttrs (map (number: {
    name = builtins.elemAt [ ${HOSTS.map((name) => `"${name}"`).join(" ")} ] number;
    value = { lib, name, pkgs, ... }: {
      networking.interfaces.host0.ipv4.addresses = [ { address = "${SUBNET}.\${toString (10 + number)}"; prefixLength = 24; } ];
      imports = if number < ${ASKING.length} then [ ./sudo.nix ] else [ (./. + "/\${name}.nix") ];
    };
  }) (builtins.genList (number: number) ${HOSTS.length}));
}
`;

const SUDO = `{
  security.sudo.enable = true;
  security.pam.services.sudo.text = ''
    auth [success=done default=ignore] pam_exec.so quiet expose_authtok /etc/check-password
    auth required pam_deny.so
    account required pam_permit.so
    session required pam_permit.so
  '';
  environment.etc.check-password = {
    mode = "0755";
    text = ''
      #!/bin/sh
      [ "$(tr -d '\\0' | sha256sum)" = "${createHash("sha256").update(PASSWORD).digest("hex")}  -" ]
    '';
  };
}
`;

const DOAS = `{ pkgs, ... }: {
  deployment.target.privilegeEscalation = "doas";
  environment.systemPackages = [ pkgs.opendoas ];
  environment.etc."doas.conf".text = "permit nopass mara\\n";
  security.wrappers.doas = { setuid = true; owner = "root"; group = "root"; source = "\${pkgs.opendoas}/usr/bin/doas"; };
}
`;

const RUN0 = `{ pkgs, ... }: {
  deployment.target.privilegeEscalation = "run0";
  environment.systemPackages = [ pkgs.polkitd ];
  users.users.polkitd = { isSystemUser = true; group = "polkitd"; };
  users.groups.polkitd = { };
  environment.etc."polkit-1/rules.d/10-mara.rules".text = ''
    polkit.addRule(function (action, subject) {
      if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "mara") return polkit.Result.YES;
    });
  '';
}
`;

let shop: Shop;
let fleet: FleetDriver;
let asUser: readonly string[];

/** Runs \`pristine\` on a terminal of its own, and types the password when it is asked for. */
async function onTerminal(args: readonly string[]): Promise<{ readonly code: number | null; readonly shown: string }> {
  const words = [PRISTINE, "--store", TEST_STORE, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const child = spawn("script", ["-qec", words.join(" "), "/dev/null"], {
    cwd: shop.directory,
    env: { ...process.env, XDG_STATE_HOME: join(shop.directory, "state"), TERM: "xterm" },
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 240_000,
    killSignal: "SIGKILL",
  });
  let shown = "";
  let answered = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    const asked = shown.split("for sudo (on ").length - 1;
    if (asked > answered) {
      answered = asked;
      child.stdin.write(`${PASSWORD}\r`);
    }
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, shown };
}

/** What all processes of this machine, and so of its hosts, were started with: looked at until the test is over. */
function watchProcesses(): () => { readonly looks: number; readonly found: readonly string[] } {
  const found: string[] = [];
  let looks = 0;
  const look = (): void => {
    looks++;
    for (const file of globSync("/proc/[0-9]*/{cmdline,environ}")) {
      let text = "";
      try {
        text = readFileSync(file, "utf8");
      } catch {
        // It has ended.
      }
      if (text.includes(PASSWORD)) found.push(`${file}: ${text.replaceAll("\0", " ")}`);
    }
  };
  const timer = setInterval(look, 200);
  return () => {
    clearInterval(timer);
    return { looks, found };
  };
}

suite("privileges on real hosts", { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 }, () => {
  before(async () => {
    await removeStaleLabs();
    shop = makeShop({
      edit: (directory) => {
        writeFileSync(join(directory, "fleet.nix"), FLEET);
        writeFileSync(join(directory, "sudo.nix"), SUDO);
        writeFileSync(join(directory, "doas.nix"), DOAS);
        writeFileSync(join(directory, "run0.nix"), RUN0);
      },
    });
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    await fleet.ask(["lab", "up"]);
    asUser = ["--ssh-config", await labSshConfig(TEST_LAB_NAME)];
    // A new host has root only.
    const outcomes = Object.values(await fleet.deploy());
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      HOSTS.map(() => "activated"),
      JSON.stringify(outcomes),
    );
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    shop[Symbol.dispose]();
  });

  const host = async (name: string): Promise<RemoteHost> => await fleet.host(name);

  test("doas and run0", async () => {
    fleet.edit("fleet.nix", '"first"', '"second"');
    const { outcomes } = await fleet.ask<{ outcomes: { host: string; status: string }[] }>([
      ...asUser,
      "deploy",
      "doas",
      "run0",
      "--yes",
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["activated", "activated"],
      JSON.stringify(outcomes),
    );
  });

  test("without a terminal, a password that sudo wants is an error before anything is built", async () => {
    const { stdout } = await fleet.run([...asUser, "plan", "s1"], { exit: [2] });
    assert.match(stdout, /s1: sudo on s1 wants mara's password/);
  });

  test("one password, asked for once, serves six hosts, and is nowhere", async () => {
    const watch = watchProcesses();
    const { code, shown } = await onTerminal([...asUser, "deploy", ...ASKING, "--yes"]);
    const { looks, found } = watch();
    assert.equal(code, 0, shown);
    assert.equal(shown.split("Password of mara for sudo").length - 1, 1, shown);
    assert.ok(!shown.includes(PASSWORD));
    assert.ok(looks > 5);
    assert.deepEqual(found, []);
    for (const name of ASKING) {
      const one = await host(name);
      assert.equal(await one.sh("cat /etc/greeting"), "second");
      assert.equal(
        await one.sh(
          `{ journalctl --no-pager -o export; grep -rs 'c4nary ${process.pid}' /nix/var/pristine /run/log /var/log /tmp; } | grep -c 'c4nary ${process.pid}' || true`,
        ),
        "0",
      );
    }
    for (const file of globSync("state/**", { cwd: shop.directory, withFileTypes: true })) {
      if (file.isFile()) assert.ok(!readFileSync(join(file.parentPath, file.name), "utf8").includes(PASSWORD));
    }
  });

  test("a password from a file, and a wrong one", async () => {
    const file = join(shop.directory, "password");
    writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
    const status = await fleet.run([...asUser, "--sudo-password-file", file, "status", "s1"], { exit: [0, 2] });
    assert.match(status.stdout, /s1/);
    writeFileSync(file, "wrong\n");
    const { stdout } = await fleet.run([...asUser, "--sudo-password-file", file, "plan", "s1"], { exit: [2] });
    assert.match(stdout, /sudo on s1 does not take the password/);
  });
});
