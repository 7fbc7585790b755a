/** Settings of fetching from their texts. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchSettingsOf } from "./fetch-settings-of.ts";

const cases: readonly (readonly [Readonly<Record<string, string>>, ReturnType<typeof fetchSettingsOf>])[] = [
  [{}, {}],
  [
    { "tarball-ttl": "0", "download-attempts": "1K" },
    { tarballTtl: 0, downloadAttempts: 1024 },
  ],
  [
    { "warn-dirty": "false", "allow-dirty": "yes", "netrc-file": "/n" },
    { warnDirty: false, allowDirty: true, netrcFile: "/n" },
  ],
  [
    { "access-tokens": "a.example=x=y  b/c=z" },
    {
      accessTokens: new Map([
        ["a.example", "x=y"],
        ["b/c", "z"],
      ]),
    },
  ],
];

for (const [texts, expected] of cases) {
  test(JSON.stringify(texts), () =>
    assert.deepEqual(
      fetchSettingsOf((name) => texts[name]),
      expected,
    ),
  );
}
