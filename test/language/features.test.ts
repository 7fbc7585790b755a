/** Experimental features: what they allow, and what is said without them. Expectations are a real Nix's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateMany } from "../support/evaluate-many.ts";

const drv = (attrs: string): string => `(derivation { name = "x"; system = "s"; builder = "b"; ${attrs} })`;

type Case = readonly [features: string, expression: string, expected: string];

const cases: readonly Case[] = [
  [
    "ca-derivations",
    `${drv("__contentAddressed = true;")}.outPath`,
    '"/07gq26iaq79bs18yrrh0q6ph1d0zabbz02f841iap7cygg6085b9"',
  ],
  [
    "impure-derivations",
    `${drv("__impure = true;")}.outPath`,
    '"/03g4rc198ix78w2is1qgz8bm93qff4hcplwmb3zxayhrqy8jgxy0"',
  ],
  ["impure-derivations", `${drv("__impure = true;")}.drvPath`, '"/nix/store/c3fqn3hwdyxmxm19ljy3wvq96qabrv66-x.drv"'],
  [
    "ca-derivations dynamic-derivations",
    `${drv('__contentAddressed = true; outputHashMode = "text";')}.drvPath`,
    '"/nix/store/j675i5bshbc87zjcwbzjp2svfni8rahc-x.drv"',
  ],
  [
    "ca-derivations git-hashing",
    `${drv('__contentAddressed = true; outputHashMode = "git"; outputHashAlgo = "sha1";')}.drvPath`,
    '"/nix/store/1g3wlfz14iy44nnynmgj8xzn8xlpp1p1-x.drv"',
  ],
  [
    "git-hashing",
    `${drv('outputHashMode = "git"; outputHashAlgo = "sha1"; outputHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709";')}.outPath`,
    '"/nix/store/w6av5fw9i9xc2xl2f5pr046bfh47qhc8-x"',
  ],
  [
    "dynamic-derivations",
    `${drv('outputHashMode = "text"; outputHashAlgo = "sha256"; outputHash = "";')}.outPath`,
    '"/nix/store/488v527s9cq6sf9wfl2sxa72kgs87hxh-x"',
  ],
  [
    "blake3-hashes",
    'builtins.hashString "blake3" ""',
    '"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"',
  ],
  [
    "blake3-hashes",
    'builtins.convertHash { hash = "blake3-ZDezrDhGUTP/tjt1JzqNtUjFWEZdedsD/TWcbNW9nYU="; toHashFormat = "nix32"; }',
    '"11cxppanr71mzl1xnyax8rccaj5milx2fx9vnvzk6la672nb6dv4"',
  ],
  [
    "blake3-hashes",
    `${drv('outputHashAlgo = "blake3"; outputHash = "";')}.outPath`,
    '"/nix/store/1fyvia1792468f1rg4w2c1hx82y022yx-x"',
  ],
  ["pipe-operators", "1 |> (x: x + 1)", "2"],
  ["", "builtins ? outputOf", "false"],
];

/** What each needs that is not there. */
const refused: readonly (readonly [expression: string, feature: string, reason?: string])[] = [
  [`${drv("__contentAddressed = true;")}.outPath`, "ca-derivations"],
  [`${drv("__impure = true;")}.outPath`, "impure-derivations"],
  [`${drv('outputHashMode = "git";')}.outPath`, "git-hashing"],
  [
    `${drv('outputHashMode = "text";')}.outPath`,
    "dynamic-derivations",
    ` (text-hashed derivation 'x', outputHashMode = "text")`,
  ],
  ['builtins.hashString "blake3" ""', "blake3-hashes"],
  ["1 |> (x: x + 1)", "pipe-operators"],
  ['builtins.getFlake "/x"', "flakes"],
  ['builtins.parseFlakeRef "x"', "flakes"],
  ['builtins.fetchGit { url = "/x"; verifyCommit = true; }', "verified-fetches"],
];

const outcomes = await evaluateMany(
  [
    ...cases.map(([features, expression]) => ({ features: features.split(" "), expression })),
    ...refused.map(([expression]) => ({ features: [], expression })),
  ].map(({ features, expression }) => ({
    baseDir: "/",
    output: "value" as const,
    env: {},
    expression,
    experimentalFeatures: features,
  })),
);

for (const [index, [features, expression, expected]] of cases.entries()) {
  test(`${features}: ${expression}`, () => assert.equal(outcomes[index]!.text, expected));
}
for (const [index, [expression, feature, reason = ""]] of refused.entries()) {
  test(`without ${feature}: ${expression}`, () => {
    const message =
      `error: experimental Nix feature '${feature}' is disabled${reason}; ` +
      `add '--extra-experimental-features ${feature}' to enable it`;
    assert.ok(outcomes[cases.length + index]!.text.includes(message), outcomes[cases.length + index]!.text);
  });
}
