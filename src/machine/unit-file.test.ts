/** Unit files: parsing, drop-ins, comparison. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import { compareUnits, parseUnitTexts, templateOf, unitFlag, type UnitDefinition } from "./unit-file.ts";

const unit = (text: string, name = "a.service"): UnitDefinition => ({
  name,
  sources: [text],
  isMasked: false,
  sections: parseUnitTexts([text]),
});

const asObject = (texts: readonly string[]): unknown =>
  Object.fromEntries([...parseUnitTexts(texts)].map(([section, keys]) => [section, Object.fromEntries(keys)]));

suite("parsing", () => {
  test("comments, continuations, repetition and clearing", () => {
    const text = [
      "# comment",
      "[Service]",
      "ExecStart=/bin/a \\",
      "; a comment inside",
      "  --flag",
      "Environment=A=1",
      "Environment=B=2",
      "",
      "[Unit]",
      "After=x.target",
    ].join("\n");
    assert.deepEqual(asObject([text]), {
      Service: { ExecStart: ["/bin/a --flag"], Environment: ["A=1", "B=2"] },
      Unit: { After: ["x.target"] },
    });
    assert.deepEqual(asObject([text, "[Service]\nExecStart=\nExecStart=/bin/b\nEnvironment=\n"]), {
      Service: { ExecStart: ["/bin/b"], Environment: [] },
      Unit: { After: ["x.target"] },
    });
  });

  test("flags are found in any section, the last assignment wins", () => {
    assert.equal(unitFlag(unit("[Service]\nX-RestartIfChanged=false"), "X-RestartIfChanged", true), false);
    assert.equal(unitFlag(unit("[Unit]\nX-A=no\nX-A=yes"), "X-A", false), true);
    assert.equal(unitFlag(unit("[Unit]\n"), "X-A", true), true);
  });

  test("templates", () => {
    assert.equal(templateOf("getty@tty1.service"), "getty@.service");
    assert.equal(templateOf("getty@.service"), undefined);
    assert.equal(templateOf("a.service"), undefined);
  });
});

suite("comparison", () => {
  const table: readonly (readonly [name: string, old: string, next: string, kind: string])[] = [
    ["comments and order of keys", "[Unit]\nA=1\nB=2", "# hi\n[Unit]\nB=2\nA=1", "same"],
    ["a description", "[Unit]\nDescription=a", "[Unit]\nDescription=b", "same"],
    ["how it is installed", "[Unit]\nA=1\n[Install]\nWantedBy=x", "[Unit]\nA=1", "same"],
    ["how switches treat it", "[Service]\nX-StopIfChanged=false", "[Service]\n", "same"],
    ["a reload trigger", "[Unit]\nX-Reload-Triggers=a", "[Unit]\nX-Reload-Triggers=b", "reload"],
    ["a restart trigger", "[Unit]\nX-Restart-Triggers=a", "[Unit]\nX-Restart-Triggers=b", "restart"],
    ["both triggers", "[Unit]\nX-Reload-Triggers=a", "[Unit]\nX-Restart-Triggers=b", "restart"],
    ["the options of a mount", "[Mount]\nOptions=ro", "[Mount]\nOptions=rw", "reload"],
    ["what a mount mounts", "[Mount]\nWhat=a", "[Mount]\nWhat=b", "restart"],
    ["the order of commands", "[Service]\nExecStart=a\nExecStart=b", "[Service]\nExecStart=b\nExecStart=a", "restart"],
  ];
  for (const [name, old, next, kind] of table) {
    test(`${name}: ${kind}`, () => {
      assert.equal(compareUnits(unit(old), unit(next)).kind, kind);
    });
  }
});

suite("units of a system", () => {
  const system = systemOf("s", {
    usr: "-> ../usr",
    "/nix/store/usr/lib/systemd/system/a.service": "-> /nix/store/pkg/a.service",
    "/nix/store/pkg/a.service": "[Service]\nExecStart=/bin/a\n",
    "/nix/store/usr/lib/systemd/system/a.service.d/10-x.conf": "[Service]\nA=package\n",
    "etc/systemd/system/a.service.d/10-x.conf": "[Service]\nA=etc\n",
    "etc/systemd/system/a.service.d/20-y.conf": "[Service]\nB=1\n",
    "etc/systemd/system/service.d/15-all.conf": "[Service]\nC=1\n",
    "/nix/store/usr/lib/systemd/system/t@.service": "[Service]\nExecStart=/bin/t\n",
    "etc/systemd/system/t@one.service.d/x.conf": "[Service]\nB=one\n",
    "etc/systemd/system/off.service": "-> /dev/null",
    "etc/systemd/system/alias.service": "-> /lib/systemd/system/a.service",
    "etc/systemd/system/multi-user.target.wants/alias.service": "-> ../alias.service",
  });

  test("drop-ins apply by name, and the stronger directory's wins", () => {
    assert.deepEqual(
      [...(system.unit("a.service")?.sections.get("Service") ?? [])],
      [
        ["ExecStart", ["/bin/a"]],
        ["A", ["etc"]],
        ["C", ["1"]],
        ["B", ["1"]],
      ],
    );
  });
  test("an instance has its template's fragment and its own drop-ins", () => {
    assert.deepEqual(
      [...(system.unit("t@one.service")?.sections.get("Service") ?? [])],
      [
        ["ExecStart", ["/bin/t"]],
        ["C", ["1"]],
        ["B", ["one"]],
      ],
    );
    assert.equal(system.unit("u@one.service"), undefined);
  });
  test("a mask is a mask, an alias leads to the unit, links are followed within the system", () => {
    assert.equal(system.unit("off.service")?.isMasked, true);
    assert.equal(system.unit("alias.service")?.sources[0], "/nix/store/pkg/a.service");
    assert.deepEqual([...system.wanted().keys()].sort(), ["a.service", "alias.service"]);
    assert.deepEqual(system.resolve("/lib/systemd/system/a.service"), {
      kind: "inside",
      path: "/nix/store/pkg/a.service",
    });
    assert.deepEqual(system.resolve("/run/x"), { kind: "outside", path: "/run/x" });
  });
});
