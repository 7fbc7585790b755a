/** How programs start: the launcher, the stack that evaluation has, and what works without the help of either. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CHECKOUT } from "../support/shop.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-start-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The programs elsewhere, without the thread that evaluates when the first one cannot. */
const copy = join(scratch, "copy");
for (const directory of ["bin", "dist", "nix"])
  cpSync(join(CHECKOUT, directory), join(copy, directory), { recursive: true });
symlinkSync(join(CHECKOUT, "node_modules"), join(copy, "node_modules"));
unlinkSync(join(copy, "dist/evaluate-worker.cjs"));

function run(command: string): { readonly status: number | null; readonly text: string } {
  const env = { ...process.env, PRISTINE_CACHE: "off", HERE: CHECKOUT, COPY: copy };
  const result = spawnSync("sh", ["-c", `${command} 2>&1`], { cwd: scratch, env, encoding: "utf8" });
  return { status: result.status, text: result.stdout.trim() };
}

const DEEP = '--eval --option max-call-depth 10000000 -E "let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 100000"';
const ENDLESS = '--eval --option max-call-depth 10000000 -E "let f = n: 1 + f (n + 1); in f 0"';
const OVERFLOW = "error: stack overflow (possible infinite recursion)";
const NIX_INSTANTIATE = '"$HERE/bin/compat/nix-instantiate"';

const CASES: Readonly<Record<string, readonly [command: string, text: string]>> = {
  "deep recursion": [`${NIX_INSTANTIATE} ${DEEP}`, "100000"],
  "endless recursion": [`${NIX_INSTANTIATE} ${ENDLESS}`, OVERFLOW],
  "deep recursion where no deep stack can be had": [`ulimit -s 8192; ${NIX_INSTANTIATE} ${DEEP}`, "100000"],
  "endless recursion where no deep stack can be had": [`ulimit -s 8192; ${NIX_INSTANTIATE} ${ENDLESS}`, OVERFLOW],
  "no thread of its own": ['"$COPY/bin/compat/nix-instantiate" --eval -E "1 + 1"', "2"],
  "no thread of its own for the other programs": ['"$COPY/bin/pristine" eval --json -E "1 + 1"', "2"],
  "no compiled code": ['rm "$COPY"/dist/*.cache; "$COPY/bin/compat/nix-instantiate" --eval -E "1 + 1"', "2"],
  "compiled code of something else": [
    'for f in x64 x64-deep arm64 arm64-deep; do echo no > "$COPY/dist/evaluate-$f.cache"; done; "$COPY/bin/compat/nix" eval --expr 3',
    "3",
  ],
  "the limit on stacks of what is built": [
    `ulimit -S -s 4096; sh -c 'ulimit -S -s 286720 && exec "$HERE/bin/node" --stack-size=262144 --input-type=module -e "
      import { spawnSync } from \\"node:child_process\\";
      const { withFormerStackLimit } = await import(\\"$HERE/src/system/stack-limit.ts\\");
      const [program, ...args] = withFormerStackLimit([\\"sh\\", \\"-c\\", \\"ulimit -S -s\\"]);
      process.stdout.write(spawnSync(program, args).stdout);
    "'; true`,
    "4096",
  ],
  "links to the program": [
    'mkdir a b && ln -s ../a/one b/two && ln -s "$HERE/bin/compat/nix-instantiate" a/one && b/two --eval -E 3',
    "3",
  ],
};
for (const [name, [command, text]] of Object.entries(CASES)) {
  test(name, () => {
    assert.equal(run(command).text, text);
  });
}
