/** Wrong values in what a fleet declares of its deployments: each is refused with its place and with what is wanted. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { inventoryExpression } from "./inventory.ts";
import { evaluateMany } from "../../test/support/evaluate-many.ts";
import { writeStubLock } from "../../test/support/stub-lock.ts";

interface Wrong {
  /** The option, or the attribute of `meta`. */
  readonly name: string;
  readonly values: readonly string[];
  /** What the refusal says is wanted instead. */
  readonly wanted: string;
}

const DEPLOYMENT: readonly Wrong[] = [
  { name: "deployment", values: ["[ ]"], wanted: "takes an attribute set" },
  { name: "deployment.target", values: ['"web"'], wanted: "takes an attribute set" },
  {
    name: "deployment.target.host",
    values: ["3", "null", '""', '"web one"', '"-oProxyCommand=reboot"', '"web\\nother"'],
    wanted: "string matching the pattern",
  },
  {
    name: "deployment.target.hosts",
    values: ['"web"', '[ "" ]', "[ 1 ]", '[ "a" "-b" ]'],
    wanted: "string matching the pattern",
  },
  {
    name: "deployment.target.user",
    values: ['"root; reboot"', '"-l"', '""'],
    wanted: "string matching the pattern",
  },
  {
    name: "deployment.target.port",
    values: ["0", "65536", "22.5", '"22"'],
    wanted: "integer between 1 and 65535",
  },
  { name: "deployment.target.prot", values: ["22"], wanted: "Did you mean `deployment.target.port'?" },
  { name: "deployment.tag", values: ['[ "a" ]'], wanted: "Did you mean `deployment.tags'?" },
  {
    name: "deployment.tags",
    values: ['"web"', "[ 1 ]", '[ "@web" ]', '[ "" ]', '[ "a,b" ]', '[ "a*" ]'],
    wanted: "string matching the pattern",
  },
  { name: "deployment.wave", values: ['"first"', "1.5", "null"], wanted: "signed integer" },
  { name: "deployment.confirmTimeout", values: ["4", "3601", "-1", '"60"'], wanted: "integer between 5 and 3600" },
  { name: "deployment.buildOn", values: ["3", "[ ]"], wanted: "null or string" },
  { name: "deployment.buildOn", values: ['"wbe"'], wanted: "which the fleet does not have. Did you mean" },
  { name: "deployment.builders", values: ["null", "[ ]"], wanted: "string" },
  {
    name: "deployment.uploads.key",
    values: ['{ path = "/run/keys/a"; }', '{ path = "/run/keys/a"; text = "a"; file = "a"; }'],
    wanted: "each has one of file, command and text",
  },
  {
    name: "deployment.uploads.key",
    values: ['{ text = "a"; path = "a"; }', '{ text = "a"; path = "/a/"; }'],
    wanted: "string matching the pattern",
  },
  { name: "deployment.uploads.key.command", values: ["[ ]", '"pass show a"'], wanted: "non-empty" },
  {
    name: "deployment.checksBefore.it",
    values: ["{ }", '{ command = [ "true" ]; http.url = "http://a/"; }'],
    wanted: "each has one of http and command",
  },
  { name: "deployment.keepGenerations", values: ["0", "1", "1001"], wanted: "integer between 2 and 1000" },
  { name: "deployment.preflight.freeMiB", values: ["-1", '"1G"'], wanted: "unsigned integer" },
  { name: "deployment.preflight.freeInodes", values: ["-1"], wanted: "unsigned integer" },
  { name: "deployment.preflight.clockSeconds", values: ["0.5"], wanted: "unsigned integer" },
];

const META: readonly Wrong[] = [
  { name: "buildOn", values: ['"web"'], wanted: "it must be an attribute set" },
  { name: "buildOn.x86_64", values: ['"web"'], wanted: "Did you mean `x86_64-linux'?" },
  { name: "buildOn.x86_64-linux", values: ["3"], wanted: "it must be the name of a host" },
  { name: "builders", values: ["[ ]"], wanted: "it must be a string" },
  { name: "rollout", values: ["[ ]"], wanted: "it must be an attribute set" },
  { name: "rollout.wave", values: ["[ ]"], wanted: "Did you mean `waves'?" },
  { name: "rollout.waves", values: ['"web"', "[ 1 ]", "[ [ [ ] ] ]"], wanted: "it must be a list of patterns" },
  { name: "rollout.canaries", values: ["-1", "1.5"], wanted: "it must be the number of hosts that go ahead" },
  { name: "rollout.pause", values: ['"1m"', "-1"], wanted: "it must be a number of seconds" },
  { name: "rollout.maxFailures", values: ["null"], wanted: "it must be the number of hosts that may fail" },
  { name: "rollout.parallel", values: ["0", '"all"'], wanted: "it must be the number of hosts at a time" },
  { name: "rollout.pendingFor", values: ["-1"], wanted: "it must be a number of seconds" },
  { name: "rollout.onFailure", values: ['"stop"', "true"], wanted: 'it must be one of "continue", "halt"' },
  { name: "name", values: ['""', '"Shop"', "1"], wanted: "must be a short word" },
  { name: "base", values: ['"nixos"', "1"], wanted: "the only base there is so far" },
  { name: "architecture", values: ['"z80"', "3", "{ }"], wanted: "known are amd64, arm64" },
  { name: "nmae", values: ['"x"'], wanted: "Did you mean `name'?" },
];

const directory = mkdtempSync(join(tmpdir(), "fleet-values-"));
after(() => {
  rmSync(directory, { recursive: true });
});
writeStubLock(directory, { mirror: "http://mirror.invalid" });

const inHost = (line: string): string => `{\n  meta.name = "shop";\n  hosts.web = {\n    ${line}\n  };\n}\n`;
const inMeta = (line: string): string => {
  const name = line.startsWith("name ") ? "" : 'name = "shop";';
  return `{\n  meta = {\n    ${name}\n    ${line}\n  };\n  hosts.web = { };\n}\n`;
};
const casesOf = (table: readonly Wrong[], text: (line: string) => string): (Wrong & { line: string; text: string })[] =>
  table.flatMap((wrong) =>
    wrong.values.map((value) => {
      const line = `${wrong.name} = ${value};`;
      return { ...wrong, line, text: text(line) };
    }),
  );
const cases = [...casesOf(DEPLOYMENT, inHost), ...casesOf(META, inMeta)].map((one, index) => ({
  ...one,
  file: join(directory, `fleet-${index}.nix`),
}));
for (const { file, text } of cases) writeFileSync(file, text);

suite("wrong values", async () => {
  const outcomes = await evaluateMany(
    cases.map(({ file }) => ({
      expression: inventoryExpression(file, "none"),
      baseDir: directory,
      output: "json",
      strict: true,
    })),
  );
  for (const [index, { line, name, wanted, file }] of cases.entries()) {
    test(line, () => {
      const outcome = outcomes[index]!;
      assert.equal(outcome.ok, false, outcome.text);
      assert.notEqual((outcome as { code: string }).code, "BUG", outcome.text);
      for (const said of [file, name.split(".").at(-1)!, wanted]) {
        assert.ok(outcome.text.includes(said), `${said} in ${outcome.text}`);
      }
    });
  }
});
