/**
 * The systems of adopted hosts are those that the tools themselves would build: their own Nix code, from where
 * `PRISTINE_COLMENA_SRC` and the like say, and ours are evaluated by a real Nix and by ours, and come to the same derivations.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { evaluate } from "../../src/realise/evaluate.ts";

const ROOT = join(import.meta.dirname, "../..");
const FLEETS = join(import.meta.dirname, "adopt");
const nixDir = mkdtempSync(join(tmpdir(), "pristine-oracle-nix-"));
after(() => {
  spawnSync("chmod", ["-R", "u+w", nixDir]);
  rmSync(nixDir, { recursive: true, force: true });
});

interface Parity {
  readonly what: string;
  /** Names where the tool's own code lies. */
  readonly variable: string;
  /** The tool's own evaluation, as an attribute set with a derivation path per host. */
  readonly theirs: (source: string) => string;
  /** The entry of `adopt` for the same. */
  readonly entry: (source: string) => string;
}

const hive = (source: string, file: string): string =>
  `builtins.mapAttrs (_: system: system.drvPath) (import (${source} + "/src/nix/hive/eval.nix") { rawHive = import ${FLEETS}/${file}; }).toplevel`;

const outputs = (source: string): string =>
  `rec { colmena = import ${FLEETS}/hive.nix; colmenaHive = import (${source} + "/src/nix/hive/eval.nix") { rawFlake.outputs = { inherit colmena; }; }; }`;

/** Outputs of a flake whose nodes are made by deploy-rs' own functions. */
const deployRs = (source: string): string =>
  `import ${FLEETS}/deploy.nix { deploy-rs = import (${source} + "/flake.nix"); }`;

const PARITIES: readonly Parity[] = [
  {
    what: "a hive",
    variable: "PRISTINE_COLMENA_SRC",
    theirs: (source) => hive(source, "hive.nix"),
    entry: () => `{ colmena = ${FLEETS}/hive.nix; }`,
  },
  {
    what: "a hive with keys, by Colmena's own units",
    variable: "PRISTINE_COLMENA_SRC",
    theirs: (source) => hive(source, "hive-with-keys.nix"),
    entry: (source) => `{ colmena = ${FLEETS}/hive-with-keys.nix; source = ${source}; }`,
  },
  {
    what: "a flake's output colmenaHive",
    variable: "PRISTINE_COLMENA_SRC",
    theirs: (source) => hive(source, "hive.nix"),
    entry: (source) => `{ colmena = { _type = "flake"; outPath = "/flake"; outputs = ${outputs(source)}; }; }`,
  },
  {
    what: "a flake's output colmena by itself",
    variable: "PRISTINE_COLMENA_SRC",
    theirs: (source) => hive(source, "hive.nix"),
    entry: () => `{ flake = { _type = "flake"; outPath = "/flake"; outputs.colmena = import ${FLEETS}/hive.nix; }; }`,
  },
  {
    what: "deploy-rs' nodes",
    variable: "PRISTINE_DEPLOY_RS_SRC",
    theirs: (source) =>
      `builtins.mapAttrs (_: configuration: configuration.config.system.build.toplevel.drvPath) (${deployRs(source)}).nixosConfigurations`,
    entry: (source) => `{ deployRs = (${deployRs(source)}).deploy; }`,
  },
  {
    what: "a network",
    variable: "PRISTINE_MORPH_SRC",
    theirs: (source) =>
      `builtins.mapAttrs (_: node: node.config.system.build.toplevel.drvPath) (import (${source} + "/data/eval-machines.nix") { networkExpr = ${FLEETS}/network.nix; }).nodes`,
    entry: () => `{ morph = ${FLEETS}/network.nix; }`,
  },
];

/** Options of a tool's modules and of those that stand for them here. */
const SCHEMAS: readonly {
  readonly what: string;
  readonly variable: string;
  readonly theirs: string;
  readonly ours: string;
}[] = [
  {
    what: "Colmena's options of nodes",
    variable: "PRISTINE_COLMENA_SRC",
    theirs: '(import (source + "/src/nix/hive/options.nix")).deploymentOptions',
    ours: "(import (adopt + /colmena-options.nix)).deployment",
  },
  {
    what: "Colmena's options of a hive",
    variable: "PRISTINE_COLMENA_SRC",
    theirs: '(import (source + "/src/nix/hive/options.nix")).metaOptions',
    ours: "(import (adopt + /colmena-options.nix)).meta",
  },
  {
    what: "morph's options",
    variable: "PRISTINE_MORPH_SRC",
    theirs: 'import (source + "/data/options.nix")',
    ours: "import (adopt + /morph-options.nix)",
  },
];

/** The types and defaults of a module's options, and of options in these. */
const schemaOf = (source: string, module: string): string => `let
    source = ${source};
    adopt = ${ROOT}/nix/adopt;
    inherit (import ${ROOT}/nix { }) lib;
    shown = builtins.mapAttrs (_: option:
      if option._type or null != "option" then
        shown option
      else
        {
          type = option.type.description;
          default = option.default or "none";
          below = shown (option.type.getSubOptions [ ]);
        }
    );
    known = options: removeAttrs options [ "_module" "system" ];
  in shown (known (lib.evalModules {
    modules = [ (${module}) { options.system.extraDependencies = lib.mkOption { }; } ];
    specialArgs = { name = "host"; pkgs = { }; };
  }).options)`;

/** What a real Nix makes of an expression. */
function byNix(expression: string, bind: readonly string[]): Promise<unknown> {
  const words = ["nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", "-E", expression];
  const { argv, env } = oracleCommand(words, { nixDir, bind });
  const { status, stdout, stderr } = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8", timeout: 120_000 });
  assert.equal(status, 0, stderr);
  return Promise.resolve(JSON.parse(stdout));
}

async function byUs(expression: string): Promise<unknown> {
  const request = { expression, baseDir: FLEETS, output: "json", strict: true } as const;
  return JSON.parse((await evaluate(request, AbortSignal.timeout(120_000))).text) as unknown;
}

suite("adopted systems are the tools' own", () => {
  for (const { what, variable, theirs, entry } of PARITIES) {
    const source = process.env[variable];
    test(what, { skip: source === undefined && `${variable} is not set` }, async () => {
      assert.ok(source !== undefined);
      const bind = [source, process.env["NIXPKGS_LIB"]].filter((path) => path !== undefined);
      const wanted = await byNix(theirs(source), bind);
      assert.ok(Object.keys(wanted as object).length > 1);
      const fleet = `({ meta.name = "parity"; adopt = [ ${entry(source)} ]; })`;
      const ours = `builtins.mapAttrs (_: host: host.system.drvPath) ((import ${ROOT}/nix { }).evalFleet ${fleet}).hosts`;
      assert.deepEqual(await byNix(ours, bind), wanted);
      assert.deepEqual(await byUs(ours), wanted);
    });
  }

  for (const { what, variable, theirs, ours } of SCHEMAS) {
    const source = process.env[variable];
    test(what, { skip: source === undefined && `${variable} is not set` }, async () => {
      assert.deepEqual(await byUs(schemaOf(source!, ours)), await byUs(schemaOf(source!, theirs)));
    });
  }

  const deployRsSource = process.env["PRISTINE_DEPLOY_RS_SRC"];
  test(
    "deploy-rs' settings",
    { skip: deployRsSource === undefined && "PRISTINE_DEPLOY_RS_SRC is not set" },
    async () => {
      const text = readFileSync(join(deployRsSource!, "src/data.rs"), "utf8");
      const settings = /struct GenericSettings \{(.*?)\n\}/s.exec(text)?.[1] ?? "";
      const names = [...settings.matchAll(/rename\(deserialize = "(\w+)"\)|pub (user):/g)].map(([, a, b]) => a ?? b);
      assert.equal(names.length, [...settings.matchAll(/ pub /g)].length);
      const levels = `{ nodes = { }; another = null; ${names.map((name) => `${name} = null;`).join(" ")} }`;
      const fleet = `((import ${ROOT}/nix { }).evalFleet { meta.name = "parity"; adopt = [ { deployRs = ${levels}; } ]; })`;
      const { options } = ((await byUs(`${fleet}.adopted.fleets`)) as { options: { option: string }[] }[])[0]!;
      assert.deepEqual(
        options.map(({ option }) => option),
        ["deploy.another"],
      );
    },
  );

  const colmena = process.env["PRISTINE_COLMENA_SRC"];
  test(
    "keys are uploaded as Colmena has them",
    { skip: colmena === undefined && "PRISTINE_COLMENA_SRC is not set" },
    async () => {
      const told = (path: string, of: string, wanted: string): string =>
        `builtins.mapAttrs (_: host: builtins.mapAttrs (_: key: { ${wanted} }) (${of})) (${path})`;
      const theirs = told(
        `(import (${colmena} + "/src/nix/hive/eval.nix") { rawHive = import ${FLEETS}/hive-with-keys.nix; }).deploymentConfig`,
        "host.keys",
        'inherit (key) text path group; file = key.keyFile; command = key.keyCommand; owner = key.user; mode = key.permissions; isEarly = key.uploadAt == "pre-activation";',
      );
      const ours = told(
        `((import ${ROOT}/nix { }).evalFleet { meta.name = "parity"; adopt = [ { colmena = ${FLEETS}/hive-with-keys.nix; } ]; }).hosts`,
        "host.config.deployment.uploads",
        'inherit (key) path group file command owner mode; text = if key.hasText then key.text else null; isEarly = key.when == "preActivation";',
      );
      const wanted = (await byNix(theirs, [colmena!])) as { web: object };
      assert.deepEqual(Object.keys(wanted.web), ["certificate", "token"]);
      assert.deepEqual(await byUs(ours), wanted);
    },
  );
});
