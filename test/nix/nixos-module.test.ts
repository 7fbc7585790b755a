/**
 * The module for NixOS configurations, with our lib and, when `NIXPKGS_LIB` names a checkout, with nixpkgs': what a system gets,
 * what is wrong with a declaration, and what the deployer is told.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { writeNixosModule } from "../../src/fleet/nixos-module.ts";
import { sha256Of } from "../../src/fleet/secrets/source.ts";
import type { HostSecrets } from "../../src/fleet/secrets/declared.ts";
import type { SecretsManifest } from "../../src/machine/secrets.ts";
import { unmetNeed } from "../support/needs.ts";
import { evaluateModule, MODULE_LIBS } from "../support/nixos-module.ts";

interface Secrets {
  readonly manifest: SecretsManifest;
  readonly links: Readonly<Record<string, string>>;
  readonly script: string;
  readonly data: HostSecrets;
}

const SECRETS = `{
  manifest = builtins.fromJSON etc."pristine/secrets/manifest.json".text;
  links = builtins.mapAttrs (_: file: toString file.source) (removeAttrs etc [ "pristine/secrets/manifest.json" ]);
  script = config.system.activationScripts.pristine-secrets.text;
  data = config.pristine.secretData;
}`;

let directory = "";

const evaluateHere = (libPath: string, definitions: string, asked: string): ReturnType<typeof evaluateModule> =>
  evaluateModule(join(directory, "module"), libPath, definitions, asked);

suite("the module for NixOS", { skip: unmetNeed("ssh-keygen") }, () => {
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "pristine-module-"));
    await writeNixosModule(join(directory, "module"), AbortSignal.timeout(10_000));
    const host = join(directory, "pristine.secrets.d/web1");
    mkdirSync(host, { recursive: true });
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(host, "host")]);
    writeFileSync(join(directory, "db.age"), "for operators");
    writeFileSync(join(host, "db.age"), "for the host");
    const record = {
      version: 1,
      recipient: readFileSync(join(host, "host.pub"), "utf8").trim(),
      secrets: [{ name: "db", source: sha256Of("for operators"), sha256: sha256Of("for the host") }],
    };
    writeFileSync(join(host, "secrets.json"), JSON.stringify(record));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  for (const [title, libPath, skip] of MODULE_LIBS) {
    test(`a system has what its host needs to know of secrets, with ${title}`, { skip }, async () => {
      const { asked, wrong } = await evaluateHere(
        libPath,
        `{
          pristine.fleetDirectory = ${directory};
          pristine.secrets.db = { file = ${directory}/db.age; owner = "app"; path = "/etc/app/db"; restartUnits = [ "app.service" ]; };
          pristine.secretTemplates."app.conf".content = "password = @pristine-secret:db@";
        }`,
        SECRETS,
      );
      const { data, links, manifest, script } = asked as Secrets;
      assert.deepEqual(wrong, []);
      assert.equal(manifest.age, "/nix/store/33333333333333333333333333333333-age/bin/age");
      assert.deepEqual(manifest.identities, ["/etc/ssh/ed25519", "/etc/ssh/rsa"]);
      const [secret] = manifest.secrets;
      // Numbers of users are the host's matter.
      assert.deepEqual([secret?.owner, secret?.group, secret?.uid, secret?.gid], ["app", "app", null, null]);
      assert.equal(secret?.sha256, sha256Of("for the host"));
      assert.deepEqual(Object.keys(links).sort(), ["app/db", "pristine/secrets/db.age"]);
      assert.equal(links["app/db"], "/run/secrets/db");
      assert.match(script, /\/pristine-kit secrets "\$systemConfig"/);
      assert.equal(data.hostKeyPath, "/etc/ssh/ed25519");
      assert.deepEqual([data.secrets[0]?.state, data.secrets[0]?.file], ["fresh", "db.age"]);
    });

    test(`what is wrong with secrets is told with its place, with ${title}`, { skip }, async () => {
      const { wrong } = await evaluateHere(
        libPath,
        `{
          pristine.fleetDirectory = ${directory};
          pristine.secrets.late.file = ${directory}/late.age;
          pristine.secretTemplates.bad = { content = "@pristine-secret:nope@"; owner = "nobody"; };
        }`,
        "null",
      );
      assert.equal(wrong.length, 3, wrong.join("\n"));
      for (const message of wrong) assert.match(message, / It is defined in web1\.nix\S*\.$/);
      assert.match(wrong.join("\n"), /pristine\.secrets\.late has no file \S+\/late\.age: make it with/);
      assert.match(wrong.join("\n"), /pristine\.secretTemplates\.bad is to belong to the user 'nobody'/);
      assert.match(wrong.join("\n"), /names the secret 'nope', which is not declared/);
    });

    const RESTRICTED = `pristine.restrictedUser = { name = "deploy"; trustedKeys = [ "shop-1:AA==" ]; };`;

    test(`a restricted user has one rule, and Nix keeps what it lets others do, with ${title}`, { skip }, async () => {
      const { asked, wrong } = await evaluateHere(
        libPath,
        `{ ${RESTRICTED} }`,
        `{
          settings = config.nix.settings // { trusted-public-keys = builtins.sort builtins.lessThan config.nix.settings.trusted-public-keys; };
          gate = etc."pristine/restricted-deployment.json".text;
          rules = builtins.filter (rule: rule.users == [ "deploy" ]) config.security.sudo.extraRules;
          inherit (config.users.users.deploy) isNormalUser;
        }`,
      );
      assert.deepEqual(wrong, []);
      assert.deepEqual(asked, {
        settings: {
          "allowed-users": ["*"],
          "require-sigs": true,
          "trusted-public-keys": ["cache-1:AA==", "shop-1:AA=="],
          "trusted-users": ["root", "@wheel"],
        },
        gate: '{"trustedKeys":["shop-1:AA=="]}',
        rules: [
          {
            users: ["deploy"],
            runAs: "root",
            commands: [{ command: "/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit gate *", options: ["NOPASSWD"] }],
          },
        ],
        isNormalUser: true,
      });
    });

    test(`what would let a restricted user do more, or nothing, is refused, with ${title}`, { skip }, async () => {
      const cases: Readonly<Record<string, RegExp[]>> = {
        'users.users.deploy.extraGroups = [ "wheel" ];': [/security\.sudo\.extraRules/, /nix\.settings\.trusted-users/],
        'users.groups.wheel.members = [ "deploy" ];': [/groups \(users, wheel\)/, /nix\.settings\.trusted-users/],
        'security.sudo.extraRules = [ { users = [ "ALL" ]; groups = [ ]; } ];': [/security\.sudo\.extraRules/],
        'nix.settings.trusted-users = [ "*" ];': [/nix\.settings\.trusted-users/],
        'nix.settings.allowed-users = [ "@wheel" ];': [/Add it to nix\.settings\.allowed-users/],
        "nix.settings.require-sigs = false;": [/nix\.settings\.require-sigs/],
        "pristine.restrictedUser.trustedKeys = lib.mkForce [ ];": [/trustedKeys names no key/],
      };
      for (const [definition, messages] of Object.entries(cases)) {
        const { wrong } = await evaluateHere(libPath, `lib.mkMerge [ { ${RESTRICTED} } { ${definition} } ]`, "null");
        assert.equal(wrong.length, messages.length, definition);
        for (const [index, message] of messages.entries()) assert.match(wrong[index] ?? "", message);
        for (const message of wrong) assert.match(message, /^pristine\.restrictedUser\./);
      }
    });
  }
});
