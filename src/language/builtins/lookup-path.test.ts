/** The search path as it is written. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNixPath } from "./lookup-path.ts";

const cases: Record<string, string> = {
  "": "",
  "/a:/b": "=/a =/b",
  "nixpkgs=/x:/y": "nixpkgs=/x =/y",
  "nixpkgs=https://example.org/x.tar.gz:a=b": "nixpkgs=https://example.org/x.tar.gz a=b",
  "n=channel:nixos-unstable": "n=channel:nixos-unstable",
  "::/a::": "=/a",
};
for (const [text, expected] of Object.entries(cases)) {
  test(`NIX_PATH ${text}`, () => {
    const shown = parseNixPath(text).map(({ prefix, path }) => `${prefix}=${path}`);
    assert.equal(shown.join(" "), expected);
  });
}
