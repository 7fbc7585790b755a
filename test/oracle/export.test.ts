/**
 * The way out: what `pristine export` writes of a fleet with hosts of the Debian base and an adopted hive is evaluated by
 * a real Nix, and by Colmena's own code, to the same derivations. The fleet itself is gone by then.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { CHECKOUT, makeShop, PRISTINE } from "../support/shop.ts";

const OWN = ["lb", "web1", "web2"];
const HIVE = ["arm", "db", "web"];
const COLMENA = process.env["PRISTINE_COLMENA_SRC"];

const shop = makeShop();
const plain = exportShop("plain");
adoptHive(shop.directory);
const mixed = exportShop("mixed");
rmSync(shop.directory, { recursive: true });
const nixDir = join(shop.scratch, "oracle-nix");
after(() => {
  spawnSync("chmod", ["-R", "u+w", nixDir]);
  rmSync(shop.scratch, { recursive: true, force: true });
});

/** Puts a hive beside the shop, with packages that lie elsewhere. */
function adoptHive(directory: string): void {
  const hive = readFileSync(join(CHECKOUT, "test/oracle/adopt/hive.nix"), "utf8");
  writeFileSync(join(directory, "hive.nix"), hive.replaceAll("../../support", join(CHECKOUT, "test/support")));
  cpSync(join(CHECKOUT, "test/oracle/adopt/arm.nix"), join(directory, "arm.nix"));
  const file = join(directory, "fleet.nix");
  const fleet = readFileSync(file, "utf8");
  writeFileSync(file, fleet.replace("  defaults = ", "  adopt = [ { colmena = ./hive.nix; } ];\n\n  defaults = "));
}

interface Exported {
  readonly output: string;
  /** The derivation of each host. */
  readonly wanted: Readonly<Record<string, string>>;
  readonly elsewhere: readonly string[];
}

function exportShop(name: string): Exported {
  const output = join(shop.scratch, name);
  const words = ["--json", "export", "-o", output];
  const text = execFileSync(PRISTINE, words, { cwd: shop.directory, encoding: "utf8" });
  const { hosts, elsewhere } = JSON.parse(text) as { hosts: { host: string; drvPath: string }[]; elsewhere: string[] };
  return { output, elsewhere, wanted: Object.fromEntries(hosts.map(({ host, drvPath }) => [host, drvPath])) };
}

function byNix(words: readonly string[]): unknown {
  const bind = [shop.scratch, COLMENA, process.env["NIXPKGS_LIB"]].filter((path) => path !== undefined);
  const { argv, env } = oracleCommand(words, { nixDir, bind });
  const { status, stdout, stderr } = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8", timeout: 300_000 });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

function byInstantiate(expression: string): unknown {
  return byNix(["nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", "-E", expression]);
}

suite("an exported fleet is the fleet", () => {
  test("it has every host, and what lies elsewhere is said", () => {
    assert.deepEqual(Object.keys(plain.wanted), OWN);
    assert.deepEqual(plain.elsewhere, []);
    assert.deepEqual(Object.keys(mixed.wanted).sort(), [...HIVE, ...OWN].sort());
    assert.deepEqual(mixed.elsewhere, [join(CHECKOUT, "test/support/nixpkgs-shaped")]);
  });

  for (const [what, { output, wanted }, options] of [
    ["of the Debian base", plain, []],
    ["with a hive and packages elsewhere", mixed, ["--impure"]],
  ] as const) {
    test(`a fleet ${what}: its default.nix`, () => {
      const systems = `builtins.mapAttrs (_: system: system.drvPath) (import ${output}).systems`;
      assert.deepEqual(byInstantiate(systems), wanted);
    });

    test(`a fleet ${what}: its flake`, () => {
      const apply = "builtins.mapAttrs (_: host: host.config.system.build.toplevel.drvPath)";
      const flake = `path:${output}#nixosConfigurations`;
      assert.deepEqual(byNix(["nix", "eval", "--offline", "--json", ...options, "--apply", apply, flake]), wanted);
    });
  }

  const { output, wanted } = mixed;

  test("its hive, by Colmena", { skip: COLMENA === undefined && "PRISTINE_COLMENA_SRC is not set" }, () => {
    const hive = `import ${COLMENA}/src/nix/hive/eval.nix { rawHive = import ${output}/hive.nix; }`;
    assert.deepEqual(byInstantiate(`builtins.mapAttrs (_: system: system.drvPath) (${hive}).toplevel`), wanted);
    const nodes = byInstantiate(`(${hive}).deploymentConfig`) as Record<string, Record<string, unknown>>;
    assert.equal(nodes["web"]?.["targetHost"], "web.example.org");
    assert.equal(nodes["db"]?.["targetPort"], 2222);
    assert.deepEqual(nodes["web1"]?.["tags"], ["web"]);
  });

  test("its flake's hive, by Colmena", { skip: COLMENA === undefined && "PRISTINE_COLMENA_SRC is not set" }, () => {
    const flake = `{ outputs = (import ${output}/flake.nix).outputs { }; }`;
    const hive = `import ${COLMENA}/src/nix/hive/eval.nix { rawFlake = ${flake}; }`;
    assert.deepEqual(byInstantiate(`builtins.mapAttrs (_: system: system.drvPath) (${hive}).toplevel`), wanted);
  });
});
