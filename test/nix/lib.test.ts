/**
 * The Nix code in `nix/`, evaluated by our evaluator or, when `NIX_ORACLE` names a command prefix, by real Nix: its own tests
 * (files that evaluate to a list of failures), what bad input is told, and, when `NIXPKGS_LIB` names a checkout, the same
 * values as nixpkgs' lib.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { evaluate } from "../../src/realise/evaluate.ts";
import { evaluateInline } from "../../src/realise/evaluate-inline.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");

interface Engine {
  readonly name: string;
  /** The strict value as JSON; rejects with the evaluator's message. */
  readonly evaluate: (expression: string, options?: { readonly isShort?: boolean }) => Promise<unknown>;
}

const pristine: Engine = {
  name: "pristine",
  evaluate: async (expression, { isShort = false } = {}) => {
    const request = { expression, baseDir: ROOT, output: "json", strict: true } as const;
    if (!isShort) return JSON.parse((await evaluate(request, AbortSignal.timeout(240_000))).text) as unknown;
    // To start a thread would cost more.
    const outcome = evaluateInline(request, {});
    assert.equal(outcome.kind, "evaluated");
    return JSON.parse(outcome.result.text) as unknown;
  },
};

/** Real Nix, started by a command that these words begin. */
function realNix(words: string): Engine {
  const [command = "env", ...prefix] = words.split(" ").filter((word) => word !== "");
  const options = ["--eval", "--strict", "--json", "--read-write-mode"];
  return {
    name: "nix",
    evaluate: async (expression) => {
      const args = [...prefix, "nix-instantiate", ...options, "-E", expression];
      const { stdout } = await run(command, args, { cwd: ROOT, timeout: 240_000, maxBuffer: 64 << 20 });
      return JSON.parse(stdout) as unknown;
    },
  };
}

const oracle = process.env["NIX_ORACLE"];
const engine = oracle === undefined ? pristine : realNix(oracle);

/** Everything a failure says, for matching. */
function messageOf(error: unknown): string {
  const { message, stderr, data } = error as { message?: string; stderr?: string; data?: { rendered?: string } };
  return [message, stderr, data?.rendered].join("\n");
}

const suites = globSync("nix/{lib,modules}/tests/{cases,forced,core}.nix", { cwd: ROOT });

const lib = `(import ${ROOT}/nix/lib)`;
const config = (modules: string): string =>
  `let lib = ${lib}; inherit (lib) mkOption types; in (lib.evalModules { modules = [ ${modules} ]; }).config`;
const fleet = (value: string): string =>
  `(import ${ROOT}/nix { }).lockNames { fleet = ${value}; index = import ${ROOT}/nix/modules/tests/stub-index.nix; }`;
const host = (module: string): string => fleet(`{ meta.name = "t"; hosts.web = ${module}; }`);

/** Bad input, and what must be in the message about it. */
const BAD_INPUT: readonly { readonly what: string; readonly expression: string; readonly says: readonly RegExp[] }[] = [
  {
    what: "an unknown option names what was meant and where it is",
    expression: config(
      `{ options.services.nginx.enable = mkOption { }; } { _file = "web.nix"; services.ngnix.enable = true; }`,
    ),
    says: [/The option `services\.ngnix' does not exist\. Did you mean `services\.nginx'\?/, /web\.nix/],
  },
  {
    what: "an unknown option of a submodule",
    expression: config(
      `{ options.s = mkOption { type = types.attrsOf (types.submodule { options.port = mkOption { default = 1; }; }); }; } { s.a.prot = 2; }`,
    ),
    says: [/`s\.a\.prot' does not exist\. Did you mean `s\.a\.port'\?/],
  },
  {
    what: "a wrong type tells the option, the type, the value and the place",
    expression: config(`{ options.a = mkOption { type = types.int; }; } { _file = "host.nix"; a = "one"; }`),
    says: [/A definition for option `a' is not of type `signed integer'/, /host\.nix.*"one"/],
  },
  {
    what: "conflicting definitions are all shown",
    expression: config(
      `{ options.a = mkOption { type = types.int; }; } { _file = "one.nix"; a = 1; } { _file = "two.nix"; a = 2; }`,
    ),
    says: [/conflicting definition values/, /one\.nix.*: 1/, /two\.nix.*: 2/, /mkForce/],
  },
  {
    what: "an option that is read but not defined",
    expression: config(`{ options.a = mkOption { type = types.int; }; }`),
    says: [/option `a' was accessed but has no value defined/],
  },
  {
    what: "options beside config",
    expression: config(`{ _file = "mixed.nix"; config = { }; services = { }; }`),
    says: [/mixed\.nix has the attribute `services' beside `config'/, /move/],
  },
  {
    what: "a value where options are",
    expression: config(`{ options.a.b = mkOption { }; } { _file = "x.nix"; a = 5; }`),
    says: [/`a' is a set of options/, /x\.nix/],
  },
  {
    what: "an argument that nobody gives",
    expression: config(`({ pgks, ... }: { options.x = mkOption { default = pgks; }; })`),
    says: [/takes an argument `pgks' that nobody gives/],
  },
  {
    what: "an argument that decides about imports",
    expression: config(`({ extra, ... }: { imports = extra; })`),
    says: [/infinite recursion/, /`extra' decides which modules are imported \(use specialArgs\)/],
  },
  {
    what: "imports that are no list",
    expression: config(`{ _file = "i.nix"; imports = { }; }`),
    says: [/`imports' of the module i\.nix is a value of type set/],
  },
  {
    what: "the same option declared twice",
    expression: config(
      `{ options.a = mkOption { type = types.int; }; } { options.a = mkOption { type = types.str; }; } { a = 1; }`,
    ),
    says: [/`a'.*is already declared/, /cannot be merged/],
  },
  {
    what: "a fleet that is a list",
    expression: fleet(`[ ]`).replace("fleet = [ ]", "fleet = (_: [ ])"),
    says: [/fleet/],
  },
  {
    what: "an unknown key of a fleet",
    expression: fleet(`{ meta.name = "t"; host.a = { }; }`),
    says: [/attribute 'host' that means nothing\. Did you mean `hosts'\?/],
  },
  {
    what: "a rollout that cannot be",
    expression: fleet(`{ meta.name = "t"; meta.rollout.onFailure = "stop"; hosts.a = { }; }`),
    says: [/`onFailure' in `meta\.rollout' of .* is "stop"; it must be one of "continue", "halt", "rollBackWave"/],
  },
  {
    what: "an unknown key of a rollout",
    expression: fleet(`{ meta.name = "t"; meta.rollout.wave = [ ]; hosts.a = { }; }`),
    says: [/attribute 'wave' that means nothing\. Did you mean `waves'\?/],
  },
  { what: "a fleet without a name", expression: fleet(`{ hosts.a = { }; }`), says: [/no name: add `meta\.name/] },
  {
    what: "a host that cannot have its name",
    expression: fleet(`{ meta.name = "t"; hosts.Web_1 = { }; }`),
    says: [/a host 'Web_1', which cannot be a host's name/],
  },
  {
    what: "an unknown option of a host names the host",
    expression: host(`{ services.nginx.enabel = true; }`),
    says: [/`services\.nginx\.enabel' does not exist\. Did you mean `services\.nginx\.enable'\?/, /host web/],
  },
  {
    what: "a package that there is not",
    expression: host(`({ pkgs, ... }: { environment.systemPackages = [ pkgs.ngnix ]; })`),
    says: [/ngnix/, /pristine lock/],
  },
  {
    what: "a health check whose expression is none",
    expression: `((import ${ROOT}/nix { }).evalHost {
      name = "h";
      meta = { name = "t"; base = "debian"; };
      packagesFor = architecture: import ${ROOT}/nix/debian {
        stub = (import ${ROOT}/nix/modules/tests/stub-index.nix).\${architecture};
        inherit architecture;
      };
      modules = [ { deployment.healthChecks.a.http = { url = "http://x/"; body.matches = "(["; }; } ];
    }).config.system.meta.healthChecks`,
    says: [/deployment\.healthChecks\.a/, /defined in/],
  },
  {
    what: "a missing lock",
    expression: `((import ${ROOT}/nix { }).evalFleet ${ROOT}/examples/start/fleet.nix).hosts.web.system.drvPath`,
    says: [/run `pristine lock'/],
  },
];

describe(`nix/ in ${engine.name}`, () => {
  for (const file of suites) {
    test(relative("nix", file), async () => {
      assert.deepEqual(await engine.evaluate(`import ${ROOT}/${file}`), []);
    });
  }

  for (const { what, expression, says } of BAD_INPUT) {
    test(`bad input: ${what}`, async () => {
      const failure = await engine.evaluate(expression, { isShort: true }).then(
        (value) => assert.fail(`evaluated to ${JSON.stringify(value)}`),
        (error: unknown) => messageOf(error),
      );
      for (const pattern of says) assert.match(failure, pattern);
    });
  }

  // What nixpkgs' own code needs of an evaluator is tested elsewhere.
  if (engine.name !== "nix") return;
  const nixpkgs = process.env["NIXPKGS_LIB"];
  test(
    "the cases have the same values in nixpkgs' lib",
    { skip: nixpkgs === undefined && "NIXPKGS_LIB is not set" },
    async () => {
      for (const cases of ["function-cases", "module-cases"]) {
        const with_ = (path: string): Promise<unknown> =>
          engine.evaluate(`import ${ROOT}/nix/lib/tests/${cases}.nix { lib = import ${path}; }`);
        assert.deepEqual(await with_(`${ROOT}/nix/lib`), await with_(`${nixpkgs ?? ""}`));
      }
    },
  );
});
