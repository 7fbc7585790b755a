/** `pristine repl`, over a pipe and at a terminal: completion, lines that go on, history, and Ctrl-C. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { removeTree } from "../../src/system/files.ts";
import { unmetNeed } from "../support/needs.ts";

const PRISTINE = join(import.meta.dirname, "../../bin/pristine");
const PROMPT = /pristine> ⎋\[11G$/;
const ANSWER_DEADLINE_MS = 20_000;

const scratch = mkdtempSync(join(tmpdir(), "pristine-repl-"));
after(async () => {
  await removeTree(scratch);
});
const env = { ...process.env, XDG_STATE_HOME: join(scratch, "state"), XDG_DATA_HOME: scratch, NO_COLOR: "1" };

test("a script on standard input prints values and errors, and nothing else", () => {
  writeFileSync(join(scratch, "set.nix"), "{ loaded = 5; }");
  const input = [
    "x = {",
    "  a = [ 1 2 ];",
    "}",
    "x",
    ":p x",
    'throw "no"',
    ":l set.nix",
    "loaded + 1",
    "let",
    "  y = 2;",
    "in y",
    ":q",
    "never",
  ].join("\n");
  const { stdout, stderr, status } = spawnSync(PRISTINE, ["repl"], { input, env, cwd: scratch, encoding: "utf8" });
  assert.equal(stdout, "{\n  a = [ ... ];\n}\n{\n  a = [\n    1\n    2\n  ];\n}\n6\n2\n");
  assert.match(stderr, /^error:[^]*error: no\n.*Added 1 variables\.\nloaded\n$/s);
  assert.equal(status, 0);
});

test("at a terminal", { skip: unmetNeed("script") }, async () => {
  const command = `stty cols 100; exec '${PRISTINE}' repl`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], { env: { ...env, TERM: "xterm" }, cwd: scratch });
  const terminal = new Typist(child);
  await terminal.until(PROMPT);
  await terminal.enter("set = { alpha = 1; beta.gamma = 2; }", PROMPT);
  assert.match(await terminal.enter("set.alpha", PROMPT), /\r\n1\r\n/);

  terminal.type("set.be");
  terminal.type("\t");
  await terminal.until(/set\.beta$/);
  terminal.type(".");
  terminal.type("\t");
  await terminal.until(/gamma$/);
  assert.match(await terminal.enter("", PROMPT), /\r\n2\r\n/);

  terminal.type("builtins.concatS");
  terminal.type("\t");
  await terminal.until(/builtins\.concatStringsSep$/);
  terminal.type("\u0003");
  await terminal.until(/\^C[^]*pristine> ⎋\[11G$/);

  await terminal.enter("{ first =", / {8}> ⎋\[11G$/);
  assert.match(await terminal.enter("set.alpha; }", PROMPT), /\{ first = 1; \}/);

  const endless = "let f = n: f (n - 1); g = n: if n == 0 then 0 else g (n - 1); in builtins.foldl' (a: b: g 1000) 0";
  await terminal.enter(`busy = x: ${endless} (builtins.genList (y: y) 1000000)`, PROMPT);
  terminal.type(':t builtins.trace "begun" (busy 1)\r');
  await terminal.until(/trace: begun/);
  terminal.type("\u0003");
  await terminal.until(/error: interrupted by the user[^]*pristine> ⎋\[11G$/);
  assert.match(await terminal.enter("set.alpha + 1", PROMPT), /\r\n2\r\n/, "the session goes on");

  terminal.type("\u001b[A");
  await terminal.until(/set\.alpha \+ 1⎋\[24G$/);
  terminal.type("\u0003");
  await terminal.until(PROMPT);
  terminal.type("\u0004");
  assert.equal(await terminal.ended, 0);
  const history = readFileSync(join(scratch, "state/pristine/repl-history"), "utf8");
  assert.match(history, /^set = \{ alpha[^]*\nset\.alpha \+ 1\n$/);
});

/** Types at a terminal and reads what it shows. */
class Typist {
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  #shown = "";
  #onShown: () => void = () => undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      // Escape characters as something that can be seen, also in the patterns above.
      this.#shown += text.replaceAll("\u001b", "⎋");
      this.#onShown();
    });
    this.ended = new Promise((resolve) => child.on("exit", resolve));
  }

  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Types a line; what is shown until the end of that matches. */
  async enter(line: string, until: RegExp): Promise<string> {
    this.type(line);
    this.type("\r");
    return await this.until(until);
  }

  /** Waits until the end of what is shown matches; what was shown since the last wait. */
  async until(pattern: RegExp): Promise<string> {
    const deadline = AbortSignal.timeout(ANSWER_DEADLINE_MS);
    for (;;) {
      if (pattern.test(this.#shown)) {
        const shown = this.#shown;
        this.#shown = "";
        return shown;
      }
      await new Promise<void>((resolve, reject) => {
        this.#onShown = resolve;
        deadline.addEventListener("abort", () => reject(new Error(`no ${pattern} in ${JSON.stringify(this.#shown)}`)), {
          once: true,
        });
      });
    }
  }
}
