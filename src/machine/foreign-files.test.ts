/** What a foreign system puts on a host, and what it must find free there. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import { GENERATOR, linksOf, placesOf } from "./foreign-files.ts";

const SYSTEM = systemOf(
  "web",
  {
    "etc/app/conf": "port = 1",
    "etc/link": "-> /run/elsewhere",
    "etc/tree/deep/file": "x",
    "etc/pristine/authorized-keys/alice": "x",
    "etc/pristine/secrets/db.age": "x",
    "etc/pristine/secrets/links/run/secrets": "-> /run/pristine/foreign/secrets",
    "etc/systemd/system/app.service": "[Service]",
    "etc/systemd/system/multi-user.target.wants/app.service": "-> ../app.service",
  },
  { base: "foreign" },
);

test("each file is a link through the one that a switch renames, and units are none", () => {
  assert.deepEqual(
    [...linksOf(SYSTEM)].filter(([path]) => path !== GENERATOR),
    [
      ...["/etc/app/conf", "/etc/link", "/etc/tree/deep/file"].map((path) => [path, path]),
      ["/run/secrets", "/etc/pristine/secrets/links/run/secrets"],
    ].map(([path, target]) => [path, `/run/pristine/foreign/system${target}`]),
  );
});

test("a unit must be new to the host wherever systemd reads units", () => {
  const places = [...placesOf(SYSTEM).keys()];
  for (const directory of [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
  ])
    assert.ok(places.includes(`${directory}/app.service`), directory);
  assert.ok(!places.some((path) => path.endsWith("multi-user.target")));
  assert.ok(places.includes("/etc/app/conf.new"));
});
