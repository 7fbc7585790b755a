/**
 * Files that change while they are read: every answer is of one version, and the answer after the last change is of the
 * last version, whatever was remembered. With a cache, with the resident process, and with sources that are copied.
 */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { hashBytes } from "../../src/format/hash.ts";
import { isWholeRun } from "../support/whole-run.ts";
import { FIRST_NUMBER, versionText, WAYS, WRITTEN_OVER } from "./file-writer.ts";

const BIN = join(import.meta.dirname, "../../bin");
const NIX_INSTANTIATE = join(BIN, "compat/nix-instantiate");
const PRISTINE = join(BIN, "pristine");
const ASKED = isWholeRun ? 20 : 2;
const START_MS_MAX = 30_000;

const scratch = realpathSync(mkdtempSync(join(tmpdir(), "pristine-changing-")));
mkdirSync(join(scratch, "run"), { mode: 0o700 });
after(() => rmSync(scratch, { recursive: true, force: true }));
const env = {
  ...process.env,
  HOME: scratch,
  NO_COLOR: "1",
  NIX_PATH: "",
  PRISTINE_CACHE: "on",
  PRISTINE_RESIDENT: "off",
  XDG_CACHE_HOME: join(scratch, "cache"),
  XDG_RUNTIME_DIR: join(scratch, "run"),
};

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  program: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  try {
    return await promisify(execFile)(program, args, { env: { ...env, ...more }, cwd: scratch });
  } catch (error) {
    const { stdout, stderr, code } = error as Ended & { readonly code: unknown };
    assert.equal(code, 1, `${program} ended with ${String(code)}\n${stderr}`);
    return { stdout, stderr };
  }
}

/** So long that the result is worth remembering. */
const SLOW = "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 60000)";

/** Everything of the file that an expression can see. */
function expressionFor(file: string): string {
  return `builtins.seq (${SLOW}) (let v = import ${file}; in [ v.first v.last (builtins.readFile ${file}) ])`;
}

/** The version that an answer is of; `undefined` for an error, and for what was read while it was `written over`. */
function versionOf({ stdout, stderr }: Ended, way?: string): number | undefined {
  if (stdout === "") {
    // Between two versions the file is empty, or not there.
    assert.match(
      stderr,
      /error: (syntax error, unexpected end of file|(path '.*|opening file '.*') ?(does not exist|: No such))/s,
    );
    return undefined;
  }
  const [first, last, text] = JSON.parse(stdout) as [number, number, string];
  const isOfOneVersion = first === last && (text === "" || /^\{ first = (\d+);.* last = \1; \}\n$/.test(text));
  // Linux keeps no reader from seeing a half of a write (one read of two thousand here), so neither can anybody else.
  if (!isOfOneVersion && way === WRITTEN_OVER) return undefined;
  assert.ok(isOfOneVersion, `a mixture was read: ${first}, ${last}, ${text}`);
  return first - FIRST_NUMBER;
}

/** A process that changes the file in `directory` for as long as `meanwhile` lasts; answers the last version. */
async function whileChanging(way: string, directory: string, meanwhile: () => Promise<void>): Promise<number> {
  const argv = ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "file-writer.ts"), way, directory];
  const writer: ChildProcess = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  let written = "";
  writer.stdout!.on("data", (chunk: Buffer) => (written += chunk.toString()));
  const isOver = once(writer, "close");
  try {
    await meanwhile();
  } finally {
    writer.stdin!.end();
    await isOver;
  }
  return Number(written);
}

function directoryFor(name: string): string {
  const directory = join(scratch, name.replaceAll(/\W+/g, "-"));
  mkdirSync(directory);
  writeFileSync(join(directory, "file.nix"), versionText(0));
  return directory;
}

type Ask = (directory: string) => Promise<Ended>;

async function checkWay(way: string, directory: string, ask: Ask): Promise<void> {
  const seen: (number | undefined)[] = [];
  const last = await whileChanging(way, directory, async () => {
    for (let i = 0; i < ASKED; i++) seen.push(versionOf(await ask(directory), way));
  });
  for (const version of seen) assert.ok(version === undefined || (version >= 0 && version <= last));
  for (const when of ["anew", "again"]) assert.equal(versionOf(await ask(directory)), last, when);
  // What was just remembered is of the same size and time as what takes its place.
  const file = join(directory, "file.nix");
  const { mtime } = statSync(file);
  writeFileSync(file, versionText(last + 1));
  utimesSync(file, mtime, mtime);
  assert.equal(versionOf(await ask(directory)), last + 1, "changed after the last answer");
  assert.equal(readFileSync(file, "utf8"), versionText(last + 1), "nobody else wrote it");
}

const nixInstantiate: Ask = async (directory) =>
  await run(NIX_INSTANTIATE, ["--eval", "--strict", "--json", "-E", expressionFor(join(directory, "file.nix"))]);

for (const way of Object.keys(WAYS)) {
  test(`with a cache: ${way}`, async () => await checkWay(way, directoryFor(`cache ${way}`), nixInstantiate));
}

test("with the resident process", async () => {
  const on = { PRISTINE_RESIDENT: "on" };
  const ask: Ask = async (directory) =>
    await run(PRISTINE, ["eval", "--json", "--expr", expressionFor(join(directory, "file.nix"))], on);
  const long = SLOW.replace("60000", "3000000");
  await run(PRISTINE, ["eval", "--json", "--expr", long], on);
  const { pid } = await resident(1);
  try {
    await checkWay(WRITTEN_OVER, directoryFor("resident"), ask);
    const { pid: same, answered } = await resident(ASKED);
    assert.deepEqual([same, answered >= ASKED], [pid, true], "it was the resident process that answered");
  } finally {
    process.kill(pid);
  }
});

interface Resident {
  readonly pid: number;
  readonly answered: number;
}

/** The resident process, once it has answered so and so often. */
async function resident(answeredMin: number): Promise<Resident> {
  for (const until = Date.now() + START_MS_MAX; Date.now() < until; await sleep(50)) {
    const { stdout } = await run(PRISTINE, ["cache", "show", "--json"], { PRISTINE_RESIDENT: "on" });
    const { resident: found } = JSON.parse(stdout) as { readonly resident: Resident | null };
    if (found !== null && found.answered >= answeredMin) return found;
  }
  throw new Error("the resident process did not come up");
}

test("what is copied to the store is what its path says, or nothing", async () => {
  const directory = directoryFor("store");
  const store = `local?root=${join(scratch, "root")}`;
  const expression = `derivation { name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; src = ${directory}/file.nix; }`;
  const instantiate = async (): Promise<boolean> => {
    const { stdout, stderr } = await run(NIX_INSTANTIATE, ["--store", store, "-E", expression]);
    if (stdout === "") {
      assert.match(stderr, /error: .*file\.nix/);
      return false;
    }
    const drv = readFileSync(join(scratch, "root", stdout.trim()), "utf8");
    const [path = ""] = /\/nix\/store\/[^"]*-file\.nix/.exec(drv) ?? [];
    const text = readFileSync(join(scratch, "root", path), "utf8");
    const { stdout: named } = await run(NIX_INSTANTIATE, ["--eval", "-E", sourceOf(text)], { PRISTINE_CACHE: "off" });
    assert.equal(named.trim(), `"${path}"`, "the path is that of other contents");
    return true;
  };
  await whileChanging("a new file is moved there", directory, async () => {
    for (let i = 0; i < ASKED; i++) await instantiate();
  });
  assert.equal(await instantiate(), true, "nothing changes any more");
});

/** An expression for the store path of a file with these contents. */
function sourceOf(text: string): string {
  const copy = join(scratch, hashBytes("sha256", Buffer.from(text)).toBase16(), "file.nix");
  mkdirSync(join(copy, ".."), { recursive: true });
  writeFileSync(copy, text);
  return `"\${${copy}}"`;
}
