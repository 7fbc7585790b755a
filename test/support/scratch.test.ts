/** What long runs leave in the temporary directory. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const MODULE = new URL("./scratch.ts", import.meta.url).href;

/** A process with a scratch directory, in which it has a file: it ends when its standard input does. */
const PROGRAM = `
  import { writeFileSync } from "node:fs";
  import { takeScratch } from ${JSON.stringify(MODULE)};
  const directory = takeScratch("run");
  writeFileSync(directory + "/file", "");
  process.stdout.write(directory);
  process.stdin.resume();`;

test("a run removes its own directory and those of killed ones, and no other", async () => {
  const temporary = mkdtempSync(join(tmpdir(), "pristine-scratch-"));
  const start = async (): Promise<{ directory: string; end: (signal?: NodeJS.Signals) => Promise<void> }> => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    const end = async (signal?: NodeJS.Signals): Promise<void> => {
      const isOver = once(child, "exit");
      if (signal === undefined) child.stdin.end();
      else child.kill(signal);
      await isOver;
    };
    return { directory: said.toString(), end };
  };
  try {
    writeFileSync(join(temporary, "run-0-file"), "");
    const [living, killed] = [await start(), await start()];
    await killed.end("SIGKILL");
    assert.equal(existsSync(killed.directory), true);
    const next = await start();
    assert.deepEqual(
      [killed, living, next].map(({ directory }) => existsSync(directory)),
      [false, true, true],
    );
    await Promise.all([living.end(), next.end()]);
    assert.deepEqual(readdirSync(temporary), ["run-0-file"]);
  } finally {
    rmSync(temporary, { recursive: true });
  }
});
