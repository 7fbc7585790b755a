/** One shared line changes on ten hosts that an index tells apart. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { birdModule } from "../../test/support/bird.ts";
import { evaluateMany } from "../../test/support/evaluate-many.ts";
import { writeStubLock } from "../../test/support/stub-lock.ts";
import { systemOf } from "../../test/support/system-tree.ts";
import { diffEtcFile, diffSystems } from "../machine/system-diff.ts";
import type { SystemObject } from "../machine/system-object.ts";
import { fleetExpression } from "./inventory.ts";

const HOSTS = Array.from({ length: 10 }, (_, index) => `router${index + 1}`);

/** Of each host all files of `/etc` with their texts, links as the system has them. */
type Etc = Readonly<Record<string, Readonly<Record<string, string>>>>;

test("one shared line of ten hosts: ten right files differ, and the daemon is reloaded and nothing else touched", async () => {
  const directory = mkdtempSync(join(tmpdir(), "ten-hosts-"));
  try {
    writeStubLock(directory, { mirror: "http://mirror.invalid" });
    const requests = [90, 240].map((holdTime) => {
      const file = join(directory, `fleet-${holdTime}.nix`);
      writeFileSync(join(directory, `bird-${holdTime}.nix`), birdModule({ holdTime, secret: false }));
      const hosts = HOSTS.map((name) => `${name} = { };`).join(" ");
      writeFileSync(file, `{ meta.name = "net"; defaults = ./bird-${holdTime}.nix; hosts = { ${hosts} }; }`);
      const expression = `builtins.mapAttrs (_: host: builtins.mapAttrs (_: file:
        builtins.unsafeDiscardStringContext (file.text or "-> \${file.link or file.source}")) host.config.system.build.etc)
        (${fleetExpression(file)}).hosts`;
      return { expression, baseDir: directory, output: "json" as const, strict: true };
    });
    const [before, after] = (await evaluateMany(requests)).map((outcome) => {
      assert.ok(outcome.ok, outcome.text);
      return JSON.parse(outcome.text) as Etc;
    });
    const systemIn = (etc: Etc, name: string, age: string): SystemObject =>
      systemOf(
        `${name}-${age}`,
        Object.fromEntries(Object.entries(etc[name]!).map(([path, text]) => [`etc/${path}`, text])),
      );
    const changed = new Set<string>();
    for (const [index, name] of HOSTS.entries()) {
      const [old, next] = [systemIn(before!, name, "old"), systemIn(after!, name, "next")];
      const { etc, units } = diffSystems({ old, next, access: { user: "root", port: 22 } });
      assert.deepEqual(
        etc.map(({ path, kind }) => `${kind} ${path}`),
        ["changed /etc/bird/bird.conf", "changed /etc/systemd/system/bird.service"],
      );
      assert.deepEqual([units.stop, units.restart, units.start, units.reload], [[], [], [], ["bird.service"]]);
      assert.deepEqual(
        diffEtcFile(old, next, "/etc/bird/bird.conf", 0).map(({ kind, text }) => `${kind} ${text}`),
        ["removed protocol bgp { hold time 90; }", "added protocol bgp { hold time 240; }"],
      );
      const text = next.read("/etc/bird/bird.conf")!;
      assert.match(text, new RegExp(`^router id 10\\.0\\.0\\.${index + 1};\\n.*10\\.9\\.${index + 1}\\.0/24`));
      changed.add(text);
    }
    assert.equal(changed.size, HOSTS.length, "each host has a file of its own");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
