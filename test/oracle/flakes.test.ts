/**
 * A real Nix locks, shows, checks and evaluates the same flakes to the same bytes.
 *
 * A story in `flakes/` is a script: lines of `$ SHELL` change the world, `> ARGUMENTS` are given to `nix` and to
 * `pristine`, `! ARGUMENTS` must fail in both, with the same message. Each side runs the story at the same place, from
 * nothing. After every command its output and all lock files are compared.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";

const ROOT = join(import.meta.dirname, "../..");
const place = mkdtempSync(join(tmpdir(), "pristine-flakes-"));
const nixDir = mkdtempSync(join(tmpdir(), "pristine-oracle-nix-"));
const WORLD = join(place, "world");
const NOTES = join(place, "notes");
after(() => {
  for (const directory of [nixDir, place]) {
    spawnSync("chmod", ["-R", "u+w", directory]);
    rmSync(directory, { recursive: true, force: true });
  }
});

interface Step {
  readonly kind: "shell" | "succeeds" | "fails";
  readonly text: string;
}

function stepsOf(story: string): readonly Step[] {
  const kinds = { $: "shell", ">": "succeeds", "!": "fails" } as const;
  const steps: { kind: Step["kind"]; text: string }[] = [];
  for (const line of story.split("\n")) {
    const kind = kinds[line[0] as keyof typeof kinds];
    if (kind !== undefined && line[1] === " ") steps.push({ kind, text: line.slice(2) });
    else if (line !== "" && !line.startsWith("#")) steps.at(-1)!.text += `\n${line}`;
  }
  return steps;
}

/** Nothing of the machine: fixed authors and times for git, and no configuration. */
const PRELUDE = `
export XDG_CONFIG_HOME=${WORLD}/config XDG_CACHE_HOME=${WORLD}/cache GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE="2024-01-02T03:04:05Z" GIT_COMMITTER_DATE="2024-01-02T03:04:05Z" TZ=UTC
settle() { find "${WORLD}" -path '*/.git' -prune -o -exec touch -h -d 2024-01-02T03:04:05Z {} +; }
rm -rf "${WORLD}" "${NOTES}"; mkdir -p "${WORLD}" "${NOTES}"; cd "${WORLD}"
printf '{"version":2,"flakes":[]}' > none.json
`;

/** Runs a story with one of the programs; answers what each command printed, its status and all lock files then. */
function runStory(steps: readonly Step[], program: string, run: (script: string) => void): readonly Outcome[] {
  let script = PRELUDE;
  steps.forEach((step, index) => {
    const at = `${NOTES}/${index}`;
    if (step.kind === "shell") script += `${step.text}\nsettle\n`;
    else {
      script += `${program} ${step.text} > ${at}.out 2> ${at}.err; echo $? > ${at}.status; settle\n`;
      script += `find . -name '*.lock' -not -path './cache/*' | sort | xargs -r tail -n +1 > ${at}.locks\n`;
    }
  });
  run(script);
  return steps.map((step, index) => {
    if (step.kind === "shell") return { status: "", out: "", err: "", locks: "" };
    const read = (name: string): string => readFileSync(`${NOTES}/${index}.${name}`, "utf8");
    return { status: read("status").trim(), out: plain(read("out")), err: plain(read("err")), locks: read("locks") };
  });
}

interface Outcome {
  readonly status: string;
  readonly out: string;
  readonly err: string;
  readonly locks: string;
}

/** What only one of the two tells on its way; what it just wrote to a work tree, Nix does not see in the same run. */
const PROGRESS =
  /^(evaluating|checking|derivation evaluated|copying|fetching|running|unpacking|warning: committed|warning: Git tree) /;

/** Without colors and what only tells of progress. */
function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const lines = text.replace(/\x1b\[[0-9;]*m/g, "").split("\n");
  return lines.filter((line) => !PROGRESS.test(line)).join("\n");
}

/** Attributes are looked at in another order; what is printed last has no newline in Nix. */
function comparable({ out, err }: Outcome): object {
  return { out: out.trimEnd(), err: err.trimEnd().split("\n").sort() };
}

/** The last message of an error, without its frames and excerpt. */
function messageOf(err: string): string {
  const start = err.lastIndexOf("error: ");
  const message = err.slice(start + "error: ".length).split(/\n +at |\n *\d+\||\n *Did you mean|\nTry /)[0]!;
  // A path that does not exist is shown with two slashes.
  return message
    .replace(/\s+/g, " ")
    .replaceAll("'//", "'/")
    .replace(/ \(libgit2 error code = .*?\)/, "")
    .trim();
}

function withNix(script: string): void {
  const { argv, env } = oracleCommand(["bash", "-c", script], { nixDir, bind: [place] });
  const result = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" });
  assert.equal(result.status, 0, result.stderr);
}

function withPristine(script: string): void {
  const store = join(place, "root");
  mkdirSync(store, { recursive: true });
  const env = { ...process.env, HOME: place, PRISTINE_CACHE: "off", NIX_PATH: "" };
  const result = spawnSync("bash", ["-c", script], { env, encoding: "utf8" });
  assert.equal(result.status, 0, result.stderr);
}

const NIX = "nix --extra-experimental-features nix-command --extra-experimental-features flakes";
const COMPATIBLE = `${ROOT}/bin/compat/${NIX} --store local?root=${place}/root`;
const PRISTINE = `${ROOT}/bin/pristine --store local?root=${place}/root`;

for (const file of globSync(`${import.meta.dirname}/flakes/*.story`).sort()) {
  const steps = stepsOf(readFileSync(file, "utf8"));
  const expected = runStory(steps, NIX, withNix);
  const programs = { pristine: PRISTINE, "bin/compat/nix": COMPATIBLE };
  for (const [name, program] of Object.entries(programs)) {
    const actual = runStory(steps, program, withPristine);
    for (const [index, { kind, text }] of steps.entries()) {
      if (kind === "shell") continue;
      test(`${basename(file, ".story")}: ${name} ${text.split("\n")[0]!}`, () => {
        const [nix, ours] = [expected[index]!, actual[index]!];
        assert.equal(ours.locks, nix.locks);
        assert.equal(nix.status === "0", kind === "succeeds", nix.err);
        if (kind === "succeeds") assert.deepEqual(comparable(ours), comparable(nix));
        else {
          assert.notEqual(ours.status, "0", ours.out);
          const shown = ours.err.replace(/ \[[A-Z_]+\]\n/, "\n").replace(/\s+/g, " ");
          assert.ok(shown.includes(messageOf(nix.err)), `${ours.err}\nis not\n${nix.err}`);
        }
      });
    }
  }
}
