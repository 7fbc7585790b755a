import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { suite, test } from "node:test";
import { OperationError } from "../base/errors.ts";
import { findProgram, isProcessAlive, openDuplex, renderExit, run, runChecked } from "./process.ts";

suite("run", () => {
  test("passes arguments and bytes through unchanged", async () => {
    const outcome = await run(["sh", "-c", 'printf "%s|" "$@"; cat', "sh", "a b", "$x"], {
      stdin: Buffer.from("in\0put"),
    });
    assert.equal(outcome.stdout.toString("latin1"), "a b|$x|in\0put");
    assert.equal(outcome.code, 0);
  });

  test("a failing exit is an outcome, and an error when checked", async () => {
    assert.equal(renderExit(await run(["sh", "-c", "exit 3"])), "exit code 3");
    await assert.rejects(runChecked(["sh", "-c", "echo broken >&2; exit 3"]), /exit code 3\nbroken/);
  });

  test("a missing program is named", async () => {
    await assert.rejects(run(["/nowhere/program"]), (error) => {
      assert(error instanceof OperationError);
      assert.equal(error.code, "PROGRAM_MISSING");
      return true;
    });
  });

  test("programs are found past directories that cannot be looked into, and past what is no program", async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/programs-`);
    t.after(() => rmSync(directory, { recursive: true }));
    symlinkSync("loop", `${directory}/loop`);
    mkdirSync(`${directory}/a/tool`, { recursive: true });
    mkdirSync(`${directory}/b`);
    writeFileSync(`${directory}/b/tool`, "", { mode: 0o755 });
    const path = ["loop", "absent", "a/tool/..", "b"].map((name) => `${directory}/${name}`).join(":");
    assert.equal(await findProgram("tool", path), `${directory}/b/tool`);
    assert.equal(await findProgram("other", path), undefined);
  });

  test("aborting ends the whole process group", async () => {
    const abort = new AbortController();
    let inner = 0;
    const running = run(["sh", "-c", "sleep 60 & echo $!; trap '' TERM; wait; wait"], {
      signal: abort.signal,
      graceMs: 100,
      onStdout: (chunk) => {
        inner = Number(Buffer.from(chunk).toString());
        abort.abort(new Error("enough"));
      },
    });
    await assert.rejects(running, /enough/);
    assert.notEqual(inner, 0);
    // A killed process remains visible until its parent (init) has reaped it.
    for (let i = 0; i < 50 && isProcessAlive(inner); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(isProcessAlive(inner), false);
  });

  test("a deadline ends the program", async () => {
    const outcome = await run(["sleep", "60"], { deadlineMs: 50 });
    assert.equal(renderExit(outcome), "timed out");
  });

  test("both output streams keep their order when merged, and extra inputs can be read", async () => {
    const outcome = await run(["sh", "-c", "echo 1; echo 2 >&2; cat <&3; echo 4 >&2; cat <&4"], {
      mergeStderr: true,
      inputs: [Buffer.from("3\n"), Buffer.alloc(200_000, "x")],
    });
    assert.equal(outcome.stdout.subarray(0, 8).toString(), "1\n2\n3\n4\n");
    assert.equal(outcome.stdout.length, 200_008);
  });

  test("a handler that fails ends the program", async () => {
    const onStdout = (): void => {
      throw new Error("cannot take it");
    };
    await assert.rejects(run(["cat", "/dev/zero"], { onStdout, output: "discard" }), /cannot take it/);
  });

  test("output beyond the limit is an error", async () => {
    await assert.rejects(run(["cat", "/dev/zero"], { outputSizeMax: 1000 }), /more than 1000 bytes/);
  });
});

suite("openDuplex", () => {
  test("speaks both ways and closes", async () => {
    const peer = openDuplex(["cat"]);
    peer.writable.write("ping");
    for await (const chunk of peer.readable) {
      assert.equal(String(chunk), "ping");
      break;
    }
    assert.equal((await peer.close()).code, 0);
  });

  test("a program that does not exist looks like one that ended", async () => {
    const peer = openDuplex(["/nowhere/program"]);
    assert.equal((await peer.exited).code, 127);
    assert.match(peer.stderrTail(), /not found/);
  });
});
