/** The library as programs have it: typed, documented by an example that runs, and answering as the commands do. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { openFleet } from "../../src/library/fleet.ts";
import { CHECKOUT, PRISTINE } from "../support/shop.ts";
import { writeStubLock } from "../support/stub-lock.ts";

const directory = mkdtempSync(join(tmpdir(), "library-"));
const fleetFile = join(directory, "fleet.nix");
const store = `local?root=${join(directory, "root")}`;
after(() => {
  rmSync(directory, { recursive: true });
});
writeStubLock(directory, { mirror: "http://mirror.invalid" });
const target = 'deployment.target = { host = "127.0.0.1"; port = 9; };';
writeFileSync(fleetFile, `{ meta.name = "shop"; hosts.web = { ${target} }; hosts.db = { }; }`);

interface PackageJson {
  readonly exports: { readonly ".": { readonly types: string } };
  readonly files: readonly string[];
}

const EXAMPLE = join(import.meta.dirname, "example.ts");
const NODE = join(CHECKOUT, "bin/node");

suite("library", () => {
  test("the manual shows the example as it is", () => {
    const manual = readFileSync(join(CHECKOUT, "docs/manual/library.md"), "utf8");
    const shown = /```ts\n([^]*?)```/.exec(manual)?.[1];
    const code = readFileSync(EXAMPLE, "utf8").replace(/^\/\*\*.*\n\n/, "");
    assert.equal(shown, code.replace("../../src/library/fleet.ts", "pristine-fleet"));
  });

  test("the example runs, and tells of a host that is not reached", () => {
    const { stdout, stderr, status } = spawnSync(NODE, [EXAMPLE, fleetFile, store], { encoding: "utf8" });
    assert.equal(stdout, "web unreachable 0 HOST_UNREACHABLE\nweb unreachable\n", stderr);
    assert.equal(status, 2);
    assert.match(stderr, /evaluate: 2 hosts/);
  });

  test("what is wrong with the fleet or the request rejects with its code, and changes nothing", async () => {
    const fleet = openFleet({ fleetFile, store });
    await assert.rejects(fleet.plan({ hosts: ["nobody"] }), { code: "HOST_UNKNOWN" });
    await assert.rejects(fleet.plan({ concurrencyMax: 0 }), { code: "USAGE" });
    await assert.rejects(openFleet({ fleetFile: join(directory, "none.nix"), store }).plan(), {
      code: "FLEET_FILE_MISSING",
    });
    await assert.rejects(fleet.deploy({ hosts: ["web"], pendingSeconds: 0, approve: () => false }), {
      code: "NOT_APPROVED",
    });
    await assert.rejects(
      fleet.plan({ hosts: ["web"], pendingSeconds: 0 }).then(() => fleet.status({ hosts: ["x"] })),
      {
        code: "HOST_UNKNOWN",
      },
    );
  });

  test("plans are those of the command", async () => {
    const plan = await openFleet({ fleetFile, store }).plan({ hosts: ["web"], pendingSeconds: 0 });
    const { stdout } = spawnSync(
      PRISTINE,
      ["--json", "--store", store, "--fleet", fleetFile, "plan", "web", "--pending-for", "0"],
      { encoding: "utf8" },
    );
    const shown = (JSON.parse(stdout) as { plan: { hash: string; hosts: { name: string; state: string }[] } }).plan;
    assert.equal(plan.hash, shown.hash);
    assert.deepEqual(
      plan.hosts.map(({ host, state }) => ({ name: host.name, state })),
      shown.hosts.map(({ name, state }) => ({ name, state })),
    );
  });

  test("a project that installs the package checks the example by its types", () => {
    const project = join(directory, "project");
    const installed = join(project, "node_modules/pristine-fleet");
    mkdirSync(installed, { recursive: true });
    const { exports, files } = JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")) as PackageJson;
    const [folder = ""] = exports["."].types.split("/").slice(1);
    assert.ok(files.includes(folder), "what is packed has the types");
    cpSync(join(CHECKOUT, "package.json"), join(installed, "package.json"));
    const compile = (...args: readonly string[]): string =>
      spawnSync(NODE, [join(CHECKOUT, "node_modules/typescript/bin/tsc"), ...args], { cwd: CHECKOUT, encoding: "utf8" })
        .stdout;
    assert.equal(compile("-p", "tsconfig.types.json", "--outDir", join(installed, folder)), "");

    const code = readFileSync(EXAMPLE, "utf8").replace("../../src/library/fleet.ts", "pristine-fleet");
    const options = ["--ignoreConfig", "--noEmit", "--strict", "--module", "nodenext", "--target", "es2025"];
    const types = ["--typeRoots", join(CHECKOUT, "node_modules/@types"), "--types", "node"];
    const check = (name: string, text: string): string => {
      writeFileSync(join(project, name), text);
      return compile(...options, ...types, "--lib", "es2025,esnext.disposable", join(project, name));
    };
    writeFileSync(join(project, "package.json"), '{ "type": "module" }');
    assert.equal(check("right.ts", code), "");
    assert.match(check("wrong.ts", code.replace("copy?.bytes", "copy?.bites")), /Property 'bites' does not exist/);
  });

  test("the package has the library under its name", () => {
    const program =
      "import { openFleet, isAsWanted } from 'pristine-fleet'; console.log(typeof openFleet, typeof isAsWanted)";
    const said = execFileSync(NODE, ["--input-type=module", "--eval", program], { cwd: CHECKOUT, encoding: "utf8" });
    assert.equal(said, "function function\n");
  });
});
