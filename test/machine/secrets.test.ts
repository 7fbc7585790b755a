/**
 * Secrets on a real host, of Debian's packages and shaped like NixOS (`test/support/nixos-shaped`): decrypted when it is activated and when it boots, of the generation that runs, and told to
 * their users alone; and nowhere else to be found, whatever is looked through.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { hostPaths, labPaths } from "../../src/lab/lab-names.ts";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { cacheDirectory, temporaryDirectory } from "../../src/system/directories.ts";
import { Canaries, Watch } from "../support/canaries.ts";
import { LoudDriver, type RemoteHost, type Run } from "../support/fleet-driver.ts";
import { CHECKOUT, makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { bootstrapOf, labsMissing } from "../support/test-system.ts";

const SUBNET = takeTestSubnet();

/** Each is a value of the secret `db`. */
const CANARIES = new Canaries();
const { first: FIRST, second: SECOND, third: THIRD } = CANARIES;

/** Where secrets are declared: on the fleet's side, or in the configuration of a NixOS system by the module for those. */
const PREFIXES = { debian: "deployment", nixos: "pristine" } as const;
type Base = keyof typeof PREFIXES;

const IN_CONFIGURATION = `
  imports = [ ../module ];
  deployment.nixosConfiguration = { inherit config; };
  pristine = {
    fleetDirectory = ../.;
    host = "web1";
    age = "\${pkgs.age}/usr/bin/age";
  };`;

const moduleOf = (base: Base): string => `{ config, pkgs, ... }:
let
  reader = name: user: secret: {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.User = user;
    serviceConfig.RuntimeDirectory = "seen/\${name}";
    script = "sha256sum <\${secret} >/run/seen/\${name}/sum; exec sleep infinity";
  };
in
{${base === "nixos" ? IN_CONFIGURATION : ""}
  ${PREFIXES[base]}.secrets = {
    db = {
      file = ../secrets/db.age;
      owner = "shop";
      mode = "0440";
      restartUnits = [ "one.service" ];
    };
    tls = {
      file = ../secrets/tls.age;
      generate.length = 40;
      path = "/srv/tls/key";
      owner = "shop";
      restartUnits = [ "other.service" ];
    };
  };
  ${PREFIXES[base]}.secretTemplates."app.conf" = {
    content = "password = \${config.${PREFIXES[base]}.secrets.db.placeholder}\\nkey = \${config.${PREFIXES[base]}.secrets.tls.placeholder}\\n";
    path = "/etc/shop/app.conf";
    group = "shop";
    mode = "0640";
    restartUnits = [ "two.service" ];
  };
  systemd.services.one = reader "one" "shop" "/run/secrets/db";
  systemd.services.two = reader "two" "root" "/run/secrets/app.conf";
  systemd.services.other = reader "other" "shop" "/srv/tls/key";
}
`;

let shop: Shop;
let fleet: LoudDriver;
let web1: RemoteHost;
let watch: Watch;

/** The program comes with the lock of the packages that stand for nixpkgs'. */
const WITHOUT_SECRETS =
  "imports = [ ../web.nix ../nixos-shaped ({ pkgs, ... }: { environment.systemPackages = [ pkgs.age ]; }) ];";

/** NixOS's own, where `NIXPKGS_SRC` names a copy of nixpkgs whose script restarts what an activation asks for. */
const NIXOS_SCRIPT = [
  `${process.env["NIXPKGS_SRC"] ?? ""}/nixos/modules/system/activation/switch-to-configuration.pl`,
].find((path) => existsSync(path) && readFileSync(path, "utf8").includes("/run/nixos/activation-restart-list"));

function edit(directory: string, base: Base): void {
  const file = (path: string): string => join(directory, path);
  const text = readFileSync(file("fleet.nix"), "utf8");
  writeFileSync(
    file("fleet.nix"),
    text
      .replace(
        'name = "shop";',
        `name = "${TEST_LAB_NAME}"; secrets.recipients = [ (builtins.readFile ./keys/operator.pub) ];`,
      )
      .replace(/\n *(lb|web2) = .*/g, ""),
  );
  writeFileSync(file("hosts/secrets.nix"), moduleOf(base));
  if (base === "nixos") cpSync(join(CHECKOUT, "test/support/nixos-shaped"), file("nixos-shaped"), { recursive: true });
  if (base === "nixos" && NIXOS_SCRIPT !== undefined) cpSync(NIXOS_SCRIPT, file("switch-to-configuration.pl"));
  const web = readFileSync(file("hosts/web1.nix"), "utf8");
  const imports = base === "nixos" ? WITHOUT_SECRETS : "imports = [ ../web.nix ./secrets.nix ];";
  writeFileSync(file("hosts/web1.nix"), web.replace("imports = [ ../web.nix ];", imports));
}

const setDb = (value: string): Promise<Run> => fleet.run(["secrets", "edit", "db", "--stdin"], { stdin: `${value}\n` });

const deploy = async (exit = 0, args: readonly string[] = []): Promise<HostOutcome> =>
  (await fleet.deploy(args, { exit: [exit] }))["web1"]!;

/** Which start each service is in: another one for those that were started anew. */
async function starts(): Promise<ReadonlyMap<string, string>> {
  const shown = await web1.sh("systemctl show --property=Id,InvocationID '*.service' | paste -d' ' - - -");
  return new Map(
    shown.split("\n").flatMap((line) => {
      const id = /Id=(\S+)/.exec(line)?.[1];
      const invocation = /InvocationID=(\S+)/.exec(line)?.[1];
      // Transactions, and what a login starts, are no part of the system.
      const isOwn = id !== undefined && !/^(?:pristine-|user|systemd-(?:tmpfiles|hostnamed)|nix-daemon)/.test(id);
      return isOwn && invocation !== undefined ? [[id, invocation]] : [];
    }),
  );
}

async function restartedBy(act: () => Promise<void>): Promise<string[]> {
  const earlier = await starts();
  await act();
  const later = await starts();
  return [...later.keys()].filter((unit) => later.get(unit) !== earlier.get(unit)).sort();
}

const USERS = ["one.service", "two.service"];

async function assertServes(value: string): Promise<void> {
  assert.equal(await web1.sh("cat /run/secrets/db"), value);
  const tls = await web1.sh("cat /srv/tls/key");
  assert.match(tls, /^[A-Za-z0-9]{40}$/);
  assert.equal(await web1.sh("cat /etc/shop/app.conf"), `password = ${value}\nkey = ${tls}`);
  // Each user has read what is there now.
  assert.equal(
    await web1.sh(
      "for each in one:db two:app.conf other:tls; do sha256sum </run/secrets/${each#*:} | cmp - /run/seen/${each%:*}/sum || echo $each; done",
    ),
    "",
  );
}

/** A host runs NixOS before it has secrets. */
async function upAsNixos(): Promise<void> {
  const { hosts } = await fleet.ask<{ hosts: { path: string }[] }>(["build", "web1"]);
  await labUp({
    name: TEST_LAB_NAME,
    hosts: [{ name: "web1", address: `${SUBNET}.12` }],
    bootstrap: bootstrapOf(hosts[0]?.path ?? ""),
    identityFiles: [join(shop.directory, "keys/operator")],
    signal: AbortSignal.timeout(240_000),
  });
  await fleet.run(["nixos-module", "module"]);
  fleet.edit("hosts/web1.nix", WITHOUT_SECRETS, WITHOUT_SECRETS.replace("../web.nix", "../web.nix ./secrets.nix"));
}

const missing = await labsMissing();

for (const base of ["debian", "nixos"] as const) {
  suite(`secrets of a real host of ${base}`, { skip: missing, concurrency: 1, timeout: 15 * 60_000 }, () => {
    before(async () => {
      await removeStaleLabs();
      shop = makeShop({
        subnet: SUBNET,
        edit: (directory) => {
          edit(directory, base);
        },
      });
      fleet = new LoudDriver(shop.directory, TEST_LAB_NAME);
      if (base === "nixos") await upAsNixos();
      else await fleet.run(["lab", "up"]);
      web1 = await fleet.host("web1");
      watch = new Watch(CANARIES);
    });
    after(async () => {
      watch[Symbol.dispose]();
      await labDown(TEST_LAB_NAME);
      shop[Symbol.dispose]();
    });

    test("a host's key is enrolled, and its secrets are there with owner, mode and path when it is activated", async () => {
      await setDb(FIRST);
      await fleet.run(["secrets", "generate"]);
      await fleet.run(["deploy", "--lab", "--yes"], { exit: [1] });
      assert.match(fleet.said, /secrets rekey --enroll web1/);
      await fleet.run(["secrets", "rekey", "--enroll", "--yes", "--lab"]);
      assert.match(fleet.said, /web1 has the ssh key SHA256:/);
      await fleet.run(["secrets", "check"]);
      const outcome = await deploy();
      assert.equal(outcome.status, "activated", JSON.stringify(outcome));
      await assertServes(FIRST);
      assert.equal(
        await web1.sh("stat -L -c '%a %U %G %n' /run/secrets/* /run/secrets.d/*"),
        ["640 root shop /run/secrets/app.conf", "440 shop shop /run/secrets/db", "400 shop shop /run/secrets/tls"].join(
          "\n",
        ) + `\n751 root root ${await web1.sh("readlink /run/secrets")}`,
      );
      assert.equal(await web1.sh("stat -f -c %T /run/secrets.d"), "tmpfs");
    });

    test("a secret that changes is told to its two users, and goes back with the generation", async () => {
      await setDb(SECOND);
      const restarted = await restartedBy(async () => {
        const { plan } = await fleet.ask<{ plan: { hosts: { diff: { secrets: { name: string }[] } }[] } }>([
          "plan",
          "--lab",
        ]);
        assert.deepEqual(
          plan.hosts[0]?.diff.secrets.map(({ name }) => name),
          ["app.conf", "db"],
        );
        assert.equal((await deploy()).status, "activated");
      });
      assert.deepEqual(restarted, USERS);
      await assertServes(SECOND);
      const back = await restartedBy(async () => {
        await fleet.run(["rollback", "web1", "--lab", "--yes"]);
      });
      assert.deepEqual(back, USERS);
      await assertServes(FIRST);
      assert.equal((await web1.sh("ls /run/secrets.d")).split("\n").length, 1, "only what is in force is kept");
    });

    test("a deployment that fails goes back to the secrets before", async () => {
      await setDb(THIRD);
      const undo = fleet.edit(
        "hosts/web1.nix",
        "shop.greeting",
        'deployment.healthChecks.never.command = [ "/usr/bin/false" ];\n  shop.greeting',
      );
      const outcome = await deploy(2);
      undo();
      assert.equal(outcome.status, "rolled-back", JSON.stringify(outcome));
      await assertServes(FIRST);
    });

    test("a boot decrypts them again before their users start, with an empty root", async () => {
      assert.equal((await deploy()).status, "activated");
      await assertServes(THIRD);
      await web1.lab.powerCut();
      await web1.lab.powerOn(AbortSignal.timeout(60_000));
      await web1.lab.waitForSsh(AbortSignal.timeout(60_000), 60_000);
      await web1.sh("systemctl is-system-running --wait");
      await assertServes(THIRD);
      if (base === "debian") assert.equal(await web1.sh("systemctl is-active pristine-secrets.service"), "active");
    });

    test("users that are no units are refused before anything is touched", async () => {
      const undo = fleet.edit("hosts/secrets.nix", '"one.service"', '"one.service" "oen.service"');
      const outcome = await deploy(2);
      undo();
      assert.ok(outcome.status === "failed" && outcome.code === "SECRET_UNIT_UNKNOWN", JSON.stringify(outcome));
      assert.match(outcome.reason, /secret 'db' is used by oen\.service.*secrets\.nix/);
    });

    test("a replaced host key: refused before anything is touched, then enrolled and re-keyed, which restarts nobody", async () => {
      const key = join(shop.scratch, "new-host-key");
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]);
      const at = "/persist/etc/ssh/ssh_host_ed25519_key";
      await web1.sh(`cat >${at} <<'END'\n${readFileSync(key, "utf8")}END\n`);
      await web1.sh(`cat >${at}.pub <<'END'\n${readFileSync(`${key}.pub`, "utf8")}END\nsystemctl reload ssh`);
      const [type = "", base64 = ""] = readFileSync(`${key}.pub`, "utf8").split(" ");
      appendFileSync(
        labPaths(TEST_LAB_NAME).knownHosts,
        `web1 ${type} ${base64.trim()}\n${web1.lab.address} ${type} ${base64.trim()}\n`,
      );

      fleet.edit("hosts/web1.nix", "Good morning", "Good evening");
      const earlier = await web1.facts();
      const refused = await deploy(2);
      assert.ok(refused.status === "failed" && refused.code === "KIT_SECRETS", JSON.stringify(refused));
      assert.match(refused.hint ?? "", /secrets rekey --enroll/);
      assert.equal((await web1.facts()).lastReceipt?.id, earlier.lastReceipt?.id);
      await assertServes(THIRD);

      await fleet.run(["secrets", "rekey", "--enroll", "--yes", "--lab"]);
      assert.match(fleet.said, /, instead of SHA256:/);
      const restarted = await restartedBy(async () => {
        assert.equal((await deploy()).status, "activated");
      });
      assert.deepEqual(
        restarted.filter((unit) => !unit.startsWith("nginx")),
        [],
      );
      await assertServes(THIRD);
    });

    test("no canary is anywhere but where the secrets are", async () => {
      assert.ok(watch.looks > 100, `${watch.looks} looks at all processes`);
      assert.deepEqual([...watch.found], [], "arguments and environments");
      assert.ok(!CANARIES.isIn(fleet.said), "what commands said");
      const patterns = CANARIES.words.flatMap((canary) => ["-e", canary]);
      // Stores, caches, state, logs, cores: every file here that was written meanwhile.
      const places = [
        temporaryDirectory(),
        cacheDirectory(),
        "/dev/shm",
        "/var/crash",
        "/var/lib/systemd/coredump",
        process.env["XDG_RUNTIME_DIR"] ?? shop.scratch,
      ];
      const find = [...places, "-xdev", "-type", "f", "-cnewer", join(shop.directory, "fleet.nix"), "-print0"];
      const files = spawnSync("find", find, { encoding: "utf8", maxBuffer: 1 << 28 }).stdout;
      assert.match(files, /secrets\/db\.age\0/);
      // The host's whole disk as it lies here, what was removed from it included, and its console.
      const { console: log, image } = hostPaths(TEST_LAB_NAME, "web1");
      const search = ["-0", "grep", "-l", "-a", "-s", "-F", ...patterns, "--"];
      const searched = spawnSync("xargs", search, { encoding: "utf8", input: `${files}${image}\0${log}\0` });
      assert.equal(searched.stdout, "");
      const onHost = patterns.map((word) => `'${word}'`).join(" ");
      assert.equal(await web1.sh(`journalctl --no-pager --output=export | grep -a -c -F ${onHost} || true`), "0");
      const inMemory = "/etc /home /nix/var /opt /persist /root /srv /tmp /usr/local /var /dev/shm /run";
      const found = await web1.sh(`grep -r -l -a -s -F ${onHost} -- ${inMemory} || true`);
      assert.deepEqual(
        found.split("\n").filter((path) => !path.startsWith("/run/secrets.d/")),
        [],
      );
      assert.match(found, /^\/run\/secrets\.d\/\w+\/db$/m, "the search finds what is there");
      assert.equal(
        await web1.sh("find / -xdev -name 'core*' -type f -size +64k 2>/dev/null | grep -v '^/proc' || true"),
        "",
      );
    });
  });
}
