/**
 * `npm run bench -- [NAME] [ARGUMENTS]`: one benchmark of `bench/`, or all of them; `--list` names them.
 *
 * Each answers one question and prints one JSON value with a ratio, against a peer or a limit measured in the same run.
 */

import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { basename, join } from "node:path";

const root = join(import.meta.dirname, "..");
/** What benchmarks share is no benchmark. */
const SHARED = new Set(["measure", "fleet-peers"]);
const names = globSync("bench/*.ts", { cwd: root })
  .map((path) => basename(path, ".ts"))
  .filter((name) => !SHARED.has(name))
  .sort();

const [first, ...rest] = process.argv.slice(2);
const isNamed = first !== undefined && !first.startsWith("-");
if (isNamed && !names.includes(first)) {
  console.error(`there is no benchmark '${first}'; there are: ${names.join(", ")}`);
  process.exit(1);
}
if (first === "--list") {
  console.log(names.join("\n"));
} else {
  if (!existsSync(join(root, "dist/cli.cjs")))
    spawnSync(process.execPath, [join(root, "scripts/build.ts")], { stdio: "inherit" });
  const args = isNamed ? rest : process.argv.slice(2);
  for (const name of isNamed ? [first] : names) {
    const result = spawnSync(process.execPath, [join(root, `bench/${name}.ts`), ...args], { stdio: "inherit" });
    if (result.status !== 0) process.exitCode = 1;
  }
}
