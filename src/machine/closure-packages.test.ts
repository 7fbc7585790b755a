/** Packages by the names of store paths. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { packagesOfClosure } from "./closure-packages.ts";

const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;

test("a closure's packages are told by name and version, and what has no version is none", () => {
  const names = ["nginx-1.28.0", "util-linux-2.41-bin", "openssl-3.0.1", "openssl-3.5.0", "etc", "unit-nginx.service"];
  assert.deepEqual(
    packagesOfClosure(names.map(path)).map(({ name, version }) => `${name} ${version}`),
    ["nginx 1.28.0", "openssl 3.0.1, 3.5.0", "util-linux 2.41-bin"],
  );
});
