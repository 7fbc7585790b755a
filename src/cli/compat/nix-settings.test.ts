/** Where Nix's settings come from, and which of them win. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { NixSettings, settingsOfEnvironment } from "./nix-settings.ts";

const files: Readonly<Record<string, string>> = {
  "/etc/nix/nix.conf": "cores = 1 # one\nallowed-uris = a\tb\n\ninclude more.conf\n!include absent.conf\n",
  "/etc/nix/more.conf": "max-call-depth = 5\nunheard-of = 1\nnix-path = f=/f\n",
  "/home/.config/nix/nix.conf": "extra-allowed-uris = c\ncores = 2\n",
  "/broken": "cores 1\n",
  "/lost": "include nothing\n",
};
const load = (env: Readonly<Record<string, string>>): NixSettings =>
  settingsOfEnvironment({ HOME: "/home", ...env }, (path) => files[path]);

test("files, the variable and the command line, in that order", () => {
  const settings = load({ NIX_CONFIG: "cores = 3\nlint-url-literals = warn" });
  assert.equal(settings.text("cores"), "3");
  assert.deepEqual(settings.list("allowed-uris"), ["a", "b", "c"]);
  assert.equal(settings.text("max-call-depth"), "5");
  assert.equal(settings.lints.urlLiterals, "warn");
  assert.equal(settings.apply([{ name: "build-cores", value: "4" }]).text("cores"), "4");
  assert.deepEqual(settings.warnings, ["unknown setting 'unheard-of'"]);
});

test("the search path of files gives way to NIX_PATH, and both to the command line", () => {
  assert.deepEqual(load({}).list("nix-path"), ["f=/f"]);
  const settings = load({ NIX_PATH: "a=/a:https://x.example/y:b" });
  assert.deepEqual(settings.list("nix-path"), ["a=/a", "https://x.example/y", "b"]);
  settings.apply([{ name: "extra-nix-path", value: "c" }]);
  assert.equal(settings.list("nix-path").at(-1), "c");
});

test("named files take the place of the user's", () => {
  const settings = load({ NIX_USER_CONF_FILES: "/home/.config/nix/nix.conf:/none", NIX_CONF_DIR: "/none" });
  assert.equal(settings.text("cores"), "2");
  assert.equal(settings.has("max-call-depth"), false);
});

test("what makes no sense", () => {
  const cases: readonly (readonly [NIX_CONFIG: string, message: string])[] = [
    ["cores", `syntax error in configuration line 'cores' in "NIX_CONFIG"`],
    ["restrict-eval = perhaps", "Boolean setting 'restrict-eval' has invalid value 'perhaps'"],
    ["max-call-depth = deep", "setting 'max-call-depth' has invalid value 'deep'"],
    [
      "lint-url-literals = loud",
      "option 'lint-url-literals' has invalid value 'loud' (expected 'ignore', 'warn', or 'fatal')",
    ],
    ["include /broken", `syntax error in configuration line 'cores 1' in "/broken"`],
    ["include /lost", `file "/nothing" included from "/lost" not found`],
  ];
  for (const [NIX_CONFIG, message] of cases) assert.throws(() => load({ NIX_CONFIG }), { message });
});

test("--option warns where a file is refused", () => {
  const settings = new NixSettings().apply([
    { name: "restrict-eval", value: "perhaps", isOption: true },
    { name: "extra-max-call-depth", value: "1", isOption: true },
  ]);
  assert.equal(settings.isOn("restrict-eval"), false);
  assert.deepEqual(settings.warnings, [
    "Boolean setting 'restrict-eval' has invalid value 'perhaps'",
    "unknown setting 'extra-max-call-depth'",
  ]);
});

test("features, unknown ones and what they bring", () => {
  const settings = load({ NIX_CONFIG: "experimental-features = flakes telepathy" });
  assert.deepEqual(settings.features, ["flakes", "fetch-tree"]);
  assert.equal(settings.warnings[0], "unknown experimental feature 'telepathy'");
});

test("the older switch of a lint gives way to its own name", () => {
  const settings = load({ NIX_CONFIG: "warn-short-path-literals = true" });
  assert.equal(settings.lints.shortPathLiterals, "warn");
  assert.equal(settings.apply([{ name: "lint-short-path-literals", value: "fatal" }]).lints.shortPathLiterals, "fatal");
});
