import assert from "node:assert/strict";
import { test } from "node:test";
import type { Derivation, DerivationOutput } from "../format/derivation.ts";
import { hashBytes } from "../format/hash.ts";
import { StorePath } from "../format/store-path.ts";
import { builderSurroundings } from "./builder-environment.ts";

const PATH = StorePath.of("0abcdfghijklmnpqrsvwxyz0123456ab-x");

function surroundings(
  env: Record<string, string>,
  output?: DerivationOutput,
): { env: Record<string, string>; files: Record<string, string> } {
  const drv: Derivation = {
    name: "x",
    outputs: new Map([["out", output ?? { kind: "input-addressed", path: PATH }]]),
    inputDerivations: [],
    inputSources: [],
    system: "x86_64-linux",
    builder: "/b",
    args: [],
    env: new Map(Object.entries(env)),
  };
  const found = builderSurroundings(drv, {
    storeDir: "/nix/store",
    buildDir: "/build",
    cores: 4,
    outerEnv: { FOO: "bar" },
  });
  const files = [...found.files].map(([name, bytes]) => [name, Buffer.from(bytes).toString("utf8")] as const);
  return { env: Object.fromEntries(found.env), files: Object.fromEntries(files) };
}

const ALWAYS = {
  HOME: "/homeless-shelter",
  NIX_BUILD_CORES: "4",
  NIX_BUILD_TOP: "/build",
  NIX_LOG_FD: "2",
  NIX_STORE: "/nix/store",
  PATH: "/path-not-set",
  PWD: "/build",
  TEMP: "/build",
  TEMPDIR: "/build",
  TERM: "xterm-256color",
  TMP: "/build",
  TMPDIR: "/build",
};

test("attributes become variables, except what is passed as a file", () => {
  assert.deepEqual(surroundings({ a: "1", big: "text", passAsFile: "big", HOME: "/h", TMPDIR: "/mine" }), {
    env: {
      ...ALWAYS,
      HOME: "/h",
      a: "1",
      bigPath: "/build/.attr-1lak0mvllw8rv9i9ygkglvhqsq19qi9ynl4bi7gbf69ab5nzw89a",
      passAsFile: "big",
    },
    files: { ".attr-1lak0mvllw8rv9i9ygkglvhqsq19qi9ynl4bi7gbf69ab5nzw89a": "text" },
  });
});

test("only a fixed output may have variables of this machine", () => {
  const fixed: DerivationOutput = { kind: "fixed", method: "flat", hash: hashBytes("sha256", Buffer.from("")) };
  assert.deepEqual(surroundings({ impureEnvVars: "FOO BAR" }, fixed).env, {
    ...ALWAYS,
    impureEnvVars: "FOO BAR",
    NIX_OUTPUT_CHECKED: "1",
    FOO: "bar",
    BAR: "",
  });
  assert.deepEqual(surroundings({ impureEnvVars: "FOO BAR" }).env, { ...ALWAYS, impureEnvVars: "FOO BAR" });
});

test("structured attributes become files, numbers and order as Nix writes them", () => {
  const json = `{"b":{"9":1,"10":2,"a b":"x"},"a":[1,"it's",true,null],"outputs":["out"],"f":1.50,"w":2.0,"t":true,"n":null,"nested":[[1]],"x-y":1,"big":9007199254740993}`;
  const found = surroundings({ __json: json });
  assert.deepEqual(found.env, {
    ...ALWAYS,
    NIX_ATTRS_JSON_FILE: "/build/.attrs.json",
    NIX_ATTRS_SH_FILE: "/build/.attrs.sh",
  });
  assert.equal(
    found.files[".attrs.json"],
    `{"a":[1,"it's",true,null],"b":{"10":2,"9":1,"a b":"x"},"big":9007199254740993,"f":1.50,"n":null,"nested":[[1]],"outputs":{"out":"${PATH.render("/nix/store")}"},"t":true,"w":2.0,"x-y":1}`,
  );
  assert.equal(
    found.files[".attrs.sh"],
    `declare -a a=(1 'it'\\''s' 1 '' )
declare -A b=(['10']=2 ['9']=1 ['a b']='x' )
declare big=9007199254740993
declare n=''
declare -A outputs=(['out']='${PATH.render("/nix/store")}' )
declare t=1
declare w=2
`,
  );
});
