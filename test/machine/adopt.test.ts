/**
 * One fleet holds a host of a Colmena hive, a node of deploy-rs, a plain NixOS configuration, a host of the Debian base and a
 * Debian that somebody else has installed, and one `deploy` serves them all. The first three are shaped like NixOS
 * (`test/support/nixos-shaped`).
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { labSshConfig } from "../../src/lab/ssh-config.ts";
import { FleetDriver } from "../support/fleet-driver.ts";
import { unmetNeed } from "../support/needs.ts";
import { bootPlainHost, type PlainHost } from "../support/plain-host.ts";
import { CHECKOUT, makeShop, type Shop } from "../support/shop.ts";
import { takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { bootstrapOf, labsMissing } from "../support/test-system.ts";

const SUBNET = takeTestSubnet();
const HOSTS = ["web1", "web2", "web3", "web4"] as const;
const ADOPTED = HOSTS.slice(0, 3);
const PLAIN_LAB = `${TEST_LAB_NAME}p`;
/** With a host that is none of the lab. */
const ALL = [...HOSTS, "plain"] as const;
const SHAPED = `${CHECKOUT}/test/support/nixpkgs-shaped`;
const limit = (seconds: number): AbortSignal => AbortSignal.timeout(seconds * 1000);

const UPLOADED = "canary-of-textfrom a program\nprogram root 440\ntext root 400";

/** The systems that the other tools' files come to, and these files. */
const FILES: Readonly<Record<string, string>> = {
  "systems.nix": `{
    meta.name = "${TEST_LAB_NAME}";
    defaults = ./shop.nix;
    hosts = { ${ADOPTED.map((name) => `${name}.imports = [ ./hosts/${name}.nix ./nixos-shaped ];`).join(" ")} };
  }`,
  "configuration.nix": `{ name, lib, ... }: {
    networking.hostName = name;
    system.build.toplevel = lib.mkForce ((import ${CHECKOUT}/nix { }).evalFleet ./systems.nix).hosts.\${name}.config.deployment.system;
  }`,
  "hive.nix": `{
    meta.nixpkgs = ${SHAPED};
    defaults = ./configuration.nix;
    web1.deployment.tags = [ "hive" ];
  }`,
  "configurations.nix": `builtins.mapAttrs (name: _: import ${SHAPED}/nixos/lib/eval-config.nix {
    modules = [ ./configuration.nix ];
    specialArgs = { inherit name; };
  })`,
  "deploy.nix": `let
    system = ((import ./configurations.nix) { web2 = { }; }).web2.config.system.build.toplevel;
  in {
    sshUser = "root";
    confirmTimeout = 120;
    nodes.web2 = {
      hostname = "web2";
      profiles.system.path = (import ${SHAPED} { }).buildEnv { name = "activatable-\${system.name}"; paths = [ system ]; };
    };
  }`,
};

const FLEET = `{
    meta.name = "${TEST_LAB_NAME}";
    adopt = [
      { colmena = ./hive.nix; }
      { deployRs = import ./deploy.nix; }
      { nixosConfigurations = import ./configurations.nix { web3 = { }; }; hosts.web3.deployment = {
          tags = [ "plain" ];
          checksBefore.ready.command = [ "test" "-e" "/persist" ];
          uploads.text = { text = "canary-of-text"; path = "/run/keys/text"; when = "postActivation"; };
          uploads.program = { command = [ "cat" "source" ]; path = "/run/keys/program"; mode = "0440"; afterwards = [ "touch" "/run/followed" ]; };
        };
      }
    ];
    hosts.web4.imports = [ ./shop.nix ./hosts/web4.nix ];
    hosts.plain = { pkgs, ... }: {
      deployment = { base = "foreign"; healthChecks.app.unit = "app.service"; };
      environment.etc."app/greeting".source = ./greeting.nix;
      systemd.services.app = {
        wantedBy = [ "multi-user.target" ];
        path = [ pkgs.coreutils ];
        script = "cat /etc/app/greeting >/var/lib/app/said; exec sleep infinity";
        serviceConfig.StateDirectory = "app";
        restartTriggers = [ ./greeting.nix ];
      };
    };
  }`;

function write(directory: string): void {
  cpSync(join(CHECKOUT, "test/support/nixos-shaped"), join(directory, "nixos-shaped"), { recursive: true });
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(directory, path), text);
  HOSTS.forEach((name, index) => {
    const host = `{ imports = [ ../web.nix ../greeting.nix ]; shop.address = "${SUBNET}.${11 + index}"; }`;
    writeFileSync(join(directory, `hosts/${name}.nix`), host);
  });
  writeFileSync(join(directory, "greeting.nix"), '{ shop.greeting = "Good morning"; }');
  // The lock is for the packages of the systems, which the other tools' files cannot be evaluated without.
  cpSync(join(directory, "systems.nix"), join(directory, "fleet.nix"));
}

const UNMET = (await labsMissing()) || unmetNeed("debootstrap");

suite("a fleet of several tools", { skip: UNMET, concurrency: 1, timeout: 8 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-adopt-"));
  let shop: Shop;
  let fleet: FleetDriver;
  let plain: PlainHost;

  /** What each host says: a page, or what its service has written. */
  const greetings = async (): Promise<string[]> => {
    const pages = await Promise.all(HOSTS.map(async (name) => (await fleet.host(name)).page()));
    return [...pages, plain.inHost("cat /var/lib/app/said")].map((text) => /Good \w+/.exec(text)?.[0] ?? text);
  };

  before(async () => {
    plain = await bootPlainHost(scratch, PLAIN_LAB);
    shop = makeShop({ edit: write });
    writeFileSync(join(shop.directory, "fleet.nix"), FLEET);
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    const { hosts } = await fleet.ask<{ hosts: { host: string; path: string }[] }>(["build", ...ADOPTED]);
    // Each has to run its system already; the host of the Debian base starts as any other.
    for (const [index, { path }] of hosts.entries()) {
      await labUp({
        name: TEST_LAB_NAME,
        hosts: ADOPTED.slice(0, index + 1).map((name, at) => ({ name, address: `${SUBNET}.${11 + at}` })),
        bootstrap: bootstrapOf(path),
        identityFiles: [join(shop.directory, "keys/operator")],
        signal: limit(240),
      });
    }
    await fleet.run(["lab", "up", ...HOSTS]);
    appendFileSync(await labSshConfig(TEST_LAB_NAME), readFileSync(plain.sshConfig));
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    await labDown(PLAIN_LAB);
    shop[Symbol.dispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  test("one deployment serves all of them", async () => {
    writeFileSync(join(shop.directory, "source"), "from a program\n");
    const web3 = await fleet.host("web3");
    fleet.edit("greeting.nix", "Good morning", "Good day");
    const outcomes = await fleet.deploy([]);
    for (const name of ALL) assert.equal(outcomes[name]?.status, "activated", JSON.stringify(outcomes[name]));
    assert.deepEqual(await greetings(), Array(5).fill("Good day"));
    const keys = "cd /run/keys && cat text program && stat -c '%n %U %a' *; rm -f /run/followed";
    assert.equal(await web3.sh(`stat -c %n /run/followed; ${keys}`), `/run/followed\n${UPLOADED}`);
    const statuses = await fleet.statuses({});
    assert.deepEqual(
      ALL.map((name) => [statuses[name]?.asDeclared, statuses[name]?.drift]),
      ALL.map(() => [true, []]),
    );
    const again = await fleet.deploy([]);
    assert.deepEqual(
      ALL.map((name) => again[name]?.status),
      ALL.map(() => "unchanged"),
    );
    // What is there is left alone, and what a boot would have taken comes back.
    assert.equal(
      await web3.sh("ls /run/followed 2>&1 || rm -r /run/keys"),
      "ls: cannot access '/run/followed': No such file or directory",
    );
    await fleet.run(["secrets", "upload", "web3", "--lab"]);
    assert.equal(await web3.sh(keys), UPLOADED);
    await fleet.run(["reboot", "web2", "web3", "--lab", "--yes"]);
    assert.equal(await web3.sh(keys), UPLOADED);
    assert.equal(
      spawnSync("grep", ["-rlF", "canary-of-text", join(shop.directory, "state")]).status,
      1,
      "it is in no journal",
    );
  });

  test("a further profile of a node of deploy-rs is deployed beside its system", async () => {
    const tool = `derivation {
      name = "tool";
      inherit (system) busybox system;
      builder = system.busybox;
      args = [ "sh" "-ec" "echo a tool >$out" ];
    }`;
    const system = "profiles.system.path";
    fleet.edit("deploy.nix", system, `profiles.tool = { user = "root"; path = ${tool}; };\n      ${system}`);
    const { web2: outcome, ...others } = await fleet.deploy([]);
    assert.equal(outcome?.status, "activated", JSON.stringify(outcome));
    assert.ok(Object.values(others).every(({ status }) => status === "unchanged"));
    const web2 = await fleet.host("web2");
    assert.equal(await web2.sh("cat /nix/var/nix/profiles/per-user/root/tool"), "a tool");
    const { web2: status } = await fleet.statuses({});
    assert.deepEqual([status?.asDeclared, status?.drift], [true, []]);
    assert.equal((await fleet.deploy([]))["web2"]?.status, "unchanged");
  });

  test("a host on which something does not hold before is left as it is, the others go on, and all go back", async () => {
    const undo = fleet.edit("fleet.nix", '"-e"', '"!" "-e"');
    fleet.edit("greeting.nix", "Good day", "Good night");
    const { web3, ...others } = await fleet.deploy([], { exit: [2] });
    assert.equal(web3?.status, "failed", JSON.stringify(web3));
    assert.equal(web3.code, "CHECK_BEFORE_FAILED");
    for (const outcome of Object.values(others)) assert.equal(outcome.status, "activated", JSON.stringify(outcome));
    assert.deepEqual(await greetings(), ["Good night", "Good night", "Good day", "Good night", "Good night"]);
    undo();
    await fleet.run(["rollback", ...ALL, "--lab", "--yes"]);
    assert.deepEqual(await greetings(), ["Good day", "Good day", "Good morning", "Good day", "Good day"]);
  });
});
