/**
 * What the keys complete: the scripts of `pristine completion` in real shells, asking the real program about a real
 * fleet. A shell that is not installed is skipped aloud.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";
import { removeTree } from "../../src/system/files.ts";
import { unmetNeed } from "../support/needs.ts";
import { writeStubLock } from "../support/stub-lock.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "pristine-completion-"));
const directory = join(scratch, "fleet");

mkdirSync(join(directory, "broken"), { recursive: true });
writeStubLock(directory, { mirror: "http://127.0.0.1:1", extra: ["age"] });
writeFileSync(
  join(directory, "fleet.nix"),
  `{
    meta.name = "shop";
    hosts.web1.deployment.tags = [ "web" "edge" ];
    hosts.web2.deployment.tags = [ "web" ];
    hosts.db.deployment.secrets = { password.environment = "PASSWORD"; key.file = ./key.age; };
  }`,
);
writeFileSync(join(directory, "broken/fleet.nix"), "{ hosts = ");

after(() => removeTree(scratch));

/** Runs a script of a shell where `pristine` is this checkout's; it may write nothing to standard error. */
async function run(shell: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(shell, args, {
    cwd: directory,
    timeout: 60_000,
    env: {
      PATH: `${join(CHECKOUT, "bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
      HOME: scratch,
      XDG_CACHE_HOME: join(scratch, "cache"),
      XDG_RUNTIME_DIR: scratch,
      PRISTINE_RESIDENT: "off",
      LC_ALL: "C.UTF-8",
    },
  });
  assert.equal(stderr, "");
  return stdout;
}

/** What is completed of a line, whose end is where the cursor is. Bash replaces what is behind its last word break. */
const LINES: Readonly<Record<string, string>> = {
  "pristine st": "status",
  "pristine e": "eval export ephemeral exec",
  "pristine pr": "probe",
  "pristine probe ": "",
  "pristine init --fr": "--from",
  "pristine lab p": "power",
  "pristine lab power ": "on off cut reboot",
  "pristine lab power cut w": "web1 web2",
  "pristine status ": "db web1 web2 @edge @web",
  "pristine status web1 web": "web2",
  "pristine status @w": "@web",
  "pristine status --on @": "@edge @web",
  "pristine exec --on db,we": "db,web1 db,web2",
  "pristine exec --on=w": "web1 web2",
  "pristine deploy --go": "--goal",
  "pristine deploy --goal ": "switch boot test reboot dry-activate",
  "pristine deploy --goal=b": "boot",
  "pristine --fleet fleet.nix rollback ": "db web1 web2 @edge @web",
  "pristine --fleet fleet.nix bundle ": "db web1 web2",
  "pristine --fleet broken/fleet.nix rollback ": "",
  "pristine status --verb": "--verbose",
  "pristine ssh -":
    "--help --version --fleet --store --lab --lab-name --ssh-config --sudo-password-file --show-commands --json --verbose --no-cache --no-color",
  "pristine secrets r": "rekey",
  "pristine secrets edit ": "key password",
  "pristine secrets rekey --en": "--enroll",
  "pristine completion ": "bash zsh fish",
  "pristine option web1 networking.firewall.allowedT":
    "networking.firewall.allowedTCPPortRanges networking.firewall.allowedTCPPorts",
  "pristine option web1 depl": "deployment.",
  "pristine exec -- unknown": "",
  "pristine unknown ": "",
};

suite("completion", () => {
  test("bash", { skip: unmetNeed("bash") }, async () => {
    const script = `
      eval "$(pristine completion bash)"
      for COMP_LINE; do
        COMP_POINT=\${#COMP_LINE}
        _pristine pristine
        echo "$COMP_LINE => \${COMPREPLY[*]}"
      done`;
    const lines = Object.keys(LINES);
    const told = await run("bash", ["--norc", "-c", script, "bash", ...lines]);
    const expected = lines.map((line) => `${line} => ${LINES[line]!}`.trimEnd());
    assert.deepEqual(told.trimEnd().replace(/ +$/gm, "").split("\n"), expected);
  });

  test("bash completes files where only files can be meant", async () => {
    const script = `
      eval "$(pristine completion bash)"
      compopt() { echo "compopt $*"; }
      for COMP_LINE; do COMP_POINT=\${#COMP_LINE}; _pristine pristine; done`;
    const lines = ["pristine --fleet f", "pristine init d", "pristine option web1 dep"];
    const told = await run("bash", ["--norc", "-c", script, "bash", ...lines]);
    assert.equal(told, "compopt -o default\ncompopt -o dirnames\ncompopt -o nospace\n");
  });

  test("zsh", { skip: unmetNeed("zsh") }, async () => {
    // What completes is a widget of the line editor; without one, what it is given is shown.
    const script = `
      compdef() { :; }
      compadd() { print -r -- "\${(j: :)values}"; }
      _files() { print files $*; }
      eval "$(pristine completion zsh)"
      for line; do words=("\${(@s: :)line}"); CURRENT=$#words; _pristine; done`;
    const lines = [
      "pristine st",
      "pristine status @w",
      "pristine deploy --goal ",
      "pristine init ",
      "pristine option web1 dep",
    ];
    const told = await run("zsh", ["-f", "-c", script, "zsh", ...lines]);
    assert.deepEqual(told.trimEnd().split("\n"), [
      "status",
      "@web",
      "switch boot test reboot dry-activate",
      "files -/",
      "deployment.",
    ]);
  });

  test("fish", { skip: unmetNeed("fish") }, async () => {
    const script = `
      pristine completion fish | source
      for line in $argv; complete -C $line; end`;
    const told = await run("fish", ["--no-config", "-c", script, "pristine st", "pristine status @w"]);
    assert.deepEqual(told.trimEnd().split("\n"), [
      "status\tshow generation, health and drift of hosts",
      "@web\tweb1 web2",
    ]);
  });
});
