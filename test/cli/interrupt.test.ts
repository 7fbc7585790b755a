/** Ctrl-C at each phase: the command ends soon with 130, leaves no temporary file, and the store stays valid. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { removeTree } from "../../src/system/files.ts";
import { LocalStore } from "../../src/store/local-store.ts";

import { unmetNeed } from "../support/needs.ts";
import { openMirror, WAITING_PROGRAM } from "../support/story.ts";
import { writeStubLock } from "../support/stub-lock.ts";

const PRISTINE = join(import.meta.dirname, "../../bin/pristine");
const ENDS_WITHIN_MS = 20_000;

interface Case {
  readonly args: readonly string[];
  readonly mirror: "silent" | "good";
  /** The interruption comes this long after standard error has matched. */
  readonly at: RegExp;
  readonly afterMs: number;
  readonly needs?: string;
  readonly signal?: NodeJS.Signals;
}

const CASES: Readonly<Record<string, Case>> = {
  "while evaluating an expression that never ends": {
    args: [
      "eval",
      "-E",
      "let f = n: if n == 0 then 0 else f (n - 1); in builtins.foldl' (a: b: f 1000) 0 (builtins.genList (x: x) 1000000)",
    ],
    mirror: "good",
    at: /^/,
    afterMs: 700,
  },
  "while evaluating a fleet": { args: ["build"], mirror: "good", at: /evaluate/, afterMs: 200 },
  "while instantiating": { args: ["build"], mirror: "good", at: /instantiating/, afterMs: 0 },
  "while fetching": { args: ["build"], mirror: "silent", at: /files to fetch/, afterMs: 500, needs: "sandbox" },
  "while building": { args: ["build"], mirror: "good", at: /files to fetch/, afterMs: 1_500, needs: "sandbox" },
  "by a terminal that closes": {
    args: ["build"],
    mirror: "good",
    at: /files to fetch/,
    afterMs: 700,
    needs: "sandbox",
    signal: "SIGHUP",
  },
  "while locking": { args: ["lock"], mirror: "silent", at: /^/, afterMs: 700 },
};

for (const [name, given] of Object.entries(CASES)) {
  test(`interrupted ${name}`, { skip: unmetNeed(...(given.needs === undefined ? [] : [given.needs])) }, () =>
    interrupted(given),
  );
}

async function interrupted(given: Case): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-interrupt-"));
  const mirror = await openMirror(given.mirror);
  try {
    const fleet = join(scratch, "fleet");
    const temporary = join(scratch, "tmp");
    for (const directory of [fleet, temporary]) mkdirSync(directory);
    writeFileSync(join(fleet, "fleet.nix"), '{ meta.name = "shop"; hosts.web = { }; }\n');
    if (given.args[0] === "build") writeStubLock(fleet, { mirror: mirror.url, busybox: WAITING_PROGRAM });
    const before = readdirSync(fleet).sort();
    const { status, stderr } = await run(given, { fleet, scratch, temporary, mirror: mirror.url });
    assert.equal(status, 130, stderr);
    assert.doesNotMatch(stderr, /\n\s+at |bug in pristine/, stderr);
    assert.deepEqual(readdirSync(temporary), [], "no temporary files");
    assert.deepEqual(readdirSync(fleet).sort(), before, "nothing beside the fleet");
    await checkStore(join(scratch, "data/pristine/root"));
  } finally {
    mirror.server?.closeAllConnections();
    mirror.server?.close();
    await removeTree(scratch);
  }
}

/** What is registered is there and whole, and what is there is registered. */
async function checkStore(root: string): Promise<void> {
  await using store = await LocalStore.open(root);
  const signal = AbortSignal.timeout(30_000);
  const { faults } = await store.verify({ checkContents: true, signal });
  assert.deepEqual(faults, []);
  const names = readdirSync(join(root, "nix/store")).filter((name) => name !== ".links");
  const left = names.filter((name) => !/^[0-9a-z]{32}-[^/]*$/.test(name) && !name.startsWith("."));
  assert.deepEqual(left, [], "no half-made names in the store");
}

async function run(
  given: Case,
  places: { readonly fleet: string; readonly scratch: string; readonly temporary: string; readonly mirror: string },
): Promise<{ status: number; stderr: string }> {
  const child = spawn(PRISTINE, given.args, {
    cwd: places.fleet,
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: places.scratch,
      TMPDIR: places.temporary,
      XDG_DATA_HOME: join(places.scratch, "data"),
      XDG_CACHE_HOME: join(places.scratch, "cache"),
      XDG_RUNTIME_DIR: places.scratch,
      PRISTINE_RESIDENT: "off",
      PRISTINE_DEBIAN_MIRROR: `${places.mirror}/debian`,
      PRISTINE_DEBIAN_SECURITY_MIRROR: `${places.mirror}/debian-security`,
      PRISTINE_DEBIAN_KEYRING: join(import.meta.dirname, "../vectors/debian-archive/keyring.gpg"),
    },
  });
  const kill = (signal: NodeJS.Signals): void => void (child.pid !== undefined && process.kill(-child.pid, signal));
  let stderr = "";
  let isSent = false;
  const look = (): void => {
    if (isSent || !given.at.test(stderr)) return;
    isSent = true;
    setTimeout(() => kill(given.signal ?? "SIGINT"), given.afterMs);
  };
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    look();
  });
  look();
  const deadline = setTimeout(() => kill("SIGKILL"), ENDS_WITHIN_MS);
  const status = await new Promise<number>((resolve) => {
    // As a shell tells it: what only evaluates is ended by the signal itself.
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
  clearTimeout(deadline);
  return { status, stderr };
}
