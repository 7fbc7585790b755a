/** `npm run check`: types, lint, format and unused code; `npm run fix` mends what can be mended by program. */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const fix = process.argv.includes("--fix");
const modules = join(root, "node_modules");

const steps: readonly { readonly name: string; readonly argv: readonly string[] }[] = [
  { name: "types", argv: [join(modules, "typescript/bin/tsc"), "-p", "."] },
  { name: "lint", argv: [join(modules, "oxlint/bin/oxlint"), ...(fix ? ["--fix"] : []), "."] },
  {
    name: "format",
    argv: [join(modules, "prettier/bin/prettier.cjs"), fix ? "--write" : "--check", "--log-level=warn", "."],
  },
  { name: "unused code", argv: [join(modules, "knip/bin/knip.js")] },
];

// The binaries that npm's packages start look for `node` on PATH; they must find the pinned one.
const pinned = readdirSync(modules).find((name) => name === `node-linux-${process.arch}`);
const path =
  pinned === undefined ? process.env["PATH"] : `${join(modules, pinned, "bin")}:${process.env["PATH"] ?? ""}`;

let failed = 0;
for (const { name, argv } of steps) {
  console.log(`— ${name}`);
  const result = spawnSync(process.execPath, argv, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: path },
  });
  if (result.status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
