/** How secrets differ, whom that concerns, and what templates become. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { diffSecrets, fillTemplate, type SecretFile, type SecretsManifest, withSecretUnits } from "./secrets.ts";
import { EMPTY_UNIT_PLAN, type UnitPlan } from "./unit-plan.ts";

function file(name: string, more: Partial<SecretFile> = {}): SecretFile {
  const owner = { owner: "root", group: "root", uid: 0, gid: 0, mode: "0400" };
  return { name, path: `/run/secrets/${name}`, ...owner, restartUnits: [`${name}.service`], reloadUnits: [], ...more };
}

function manifest(secrets: readonly SecretFile[], templates: readonly SecretFile[] = []): SecretsManifest {
  return { version: 1, id: "x", identities: [], secrets, templates };
}

test("secrets differ by their files, attributes and contents of templates", () => {
  const conf = (content: string): SecretFile => file("conf", { content });
  const old = manifest(
    [file("db", { sha256: "1" }), file("gone"), file("same", { sha256: "1" }), file("tls", { sha256: "1" })],
    [conf("a @pristine-secret:db@")],
  );
  const next = manifest(
    [
      file("db", { sha256: "2" }),
      file("new"),
      file("same", { sha256: "1" }),
      file("tls", { sha256: "1", mode: "0440" }),
    ],
    [conf("b @pristine-secret:db@")],
  );
  assert.deepEqual(
    diffSecrets(old, next).map(({ details, kind, name }) => `${kind} ${name} ${details.join(", ")}`.trim()),
    ["changed conf content, db", "changed db file", "removed gone", "added new", "changed tls mode: 0400 → 0440"],
  );
  assert.deepEqual(diffSecrets(old, old), []);
  assert.deepEqual(diffSecrets(undefined, undefined), []);
});

test("only users that run, and that nothing else restarts, are restarted or reloaded", () => {
  const active = (name: string): { name: string; activeState: string; subState: string } => ({
    name,
    activeState: "active",
    subState: "running",
  });
  const states = [
    ...["a", "b", "c", "d"].map((name) => active(`${name}.service`)),
    { ...active("off.service"), activeState: "inactive" },
  ];
  const plan: UnitPlan = {
    ...EMPTY_UNIT_PLAN,
    stop: ["c.service"],
    start: ["c.service"],
    reload: ["b.service"],
    changes: [
      { unit: "b.service", action: "reload", reason: "its text changed" },
      { unit: "c.service", action: "restart", reason: "its text changed" },
    ],
  };
  const changed = [
    file("a", { reloadUnits: ["a.service", "d.service"] }),
    file("x", { restartUnits: ["b.service", "c.service", "off.service", "absent.service"] }),
  ];
  const merged = withSecretUnits(
    plan,
    changed,
    [...states, active("absent.service")],
    (unit) => unit !== "absent.service",
  );
  assert.deepEqual(merged.restart, ["a.service", "b.service"]);
  assert.deepEqual(merged.reload, ["d.service"]);
  assert.deepEqual(merged.stop, ["c.service"]);
  assert.deepEqual(
    merged.changes.map(({ action, reason, unit }) => `${action} ${unit}: ${reason}`),
    [
      "restart a.service: its secret 'a' changed",
      "restart b.service: its secret 'x' changed",
      "restart c.service: its text changed",
      "reload d.service: its secret 'a' changed",
    ],
  );
  assert.equal(
    withSecretUnits(plan, [], states, () => true),
    plan,
  );
});

test("a template's placeholders become secrets, as they are", () => {
  const secrets: Readonly<Record<string, string>> = { a: "$1 $& @pristine-secret:b@\n", b: "b\r\n", c: "\n\n" };
  const filled = fillTemplate(
    "[@pristine-secret:a@|@pristine-secret:b@|@pristine-secret:c@]",
    (name) => secrets[name] ?? "",
  );
  assert.equal(filled, "[$1 $& @pristine-secret:b@|b|\n]");
});
