/**
 * The module by which NixOS configurations have secrets, with our lib and, when `NIXPKGS_LIB` names a checkout, with nixpkgs':
 * what a system gets, what is wrong with a declaration, and what the deployer is told.
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
import { evaluate } from "../../src/realise/evaluate.ts";
import { unmetNeed } from "../support/needs.ts";

const ROOT = join(import.meta.dirname, "../..");
const nixpkgs = process.env["NIXPKGS_LIB"];

interface Evaluated {
  readonly manifest: SecretsManifest;
  readonly links: Readonly<Record<string, string>>;
  readonly script: string;
  readonly data: HostSecrets;
  readonly wrong: readonly string[];
}

/** Options of NixOS that the module reads and defines. */
const OPTIONS = `{
  options = builtins.mapAttrs (_: default: lib.mkOption { inherit default; type = lib.types.unspecified; }) {
    assertions = [ ];
    users = { users = { root.group = "root"; app.group = "app"; }; groups = { root = { }; app = { }; }; };
    networking.hostName = "web1";
    services.openssh.hostKeys = [ { type = "rsa"; path = "/etc/ssh/rsa"; } { type = "ed25519"; path = "/etc/ssh/ed25519"; } ];
  } // {
    environment.etc = lib.mkOption { type = lib.types.attrsOf lib.types.unspecified; };
    system.activationScripts = lib.mkOption { type = lib.types.attrsOf lib.types.unspecified; };
  };
}`;

let directory = "";

async function evaluateModule(libPath: string, definitions: string): Promise<Evaluated> {
  const expression = `let
    lib = import ${libPath};
    inherit (lib.evalModules {
      specialArgs.pkgs.age = "/nix/store/33333333333333333333333333333333-age";
      modules = [ ${directory}/module ${OPTIONS} { _file = "web1.nix"; pristine = ${definitions}; } ];
    }) config;
    inherit (config.environment) etc;
  in {
    manifest = builtins.fromJSON etc."pristine/secrets/manifest.json".text;
    links = builtins.mapAttrs (_: file: toString file.source) (removeAttrs etc [ "pristine/secrets/manifest.json" ]);
    script = config.system.activationScripts.pristine-secrets.text;
    data = config.pristine.secretData;
    wrong = map (entry: entry.message) (builtins.filter (entry: !entry.assertion) config.assertions);
  }`;
  const request = { expression, baseDir: ROOT, output: "json", strict: true } as const;
  return JSON.parse((await evaluate(request, AbortSignal.timeout(60_000))).text) as Evaluated;
}

suite("the module of secrets for NixOS", { skip: unmetNeed("ssh-keygen") }, () => {
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

  for (const [title, libPath, skip] of [
    ["our lib", `${ROOT}/nix/lib`, false],
    ["nixpkgs' lib", nixpkgs ?? "", nixpkgs === undefined && "NIXPKGS_LIB is not set"],
  ] as const) {
    test(`a system has what its host needs to know, with ${title}`, { skip }, async () => {
      const { data, links, manifest, script, wrong } = await evaluateModule(
        libPath,
        `{
          fleetDirectory = ${directory};
          secrets.db = { file = ${directory}/db.age; owner = "app"; path = "/etc/app/db"; restartUnits = [ "app.service" ]; };
          secretTemplates."app.conf".content = "password = @pristine-secret:db@";
        }`,
      );
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

    test(`what is wrong is told with its place, with ${title}`, { skip }, async () => {
      const { wrong } = await evaluateModule(
        libPath,
        `{
          fleetDirectory = ${directory};
          secrets.late.file = ${directory}/late.age;
          secretTemplates.bad = { content = "@pristine-secret:nope@"; owner = "nobody"; };
        }`,
      );
      assert.equal(wrong.length, 3, wrong.join("\n"));
      for (const message of wrong) assert.match(message, / It is defined in web1\.nix\S*\.$/);
      assert.match(wrong.join("\n"), /pristine\.secrets\.late has no file \S+\/late\.age: make it with/);
      assert.match(wrong.join("\n"), /pristine\.secretTemplates\.bad is to belong to the user 'nobody'/);
      assert.match(wrong.join("\n"), /names the secret 'nope', which is not declared/);
    });
  }
});
