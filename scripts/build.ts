/**
 * Bundles the programs into `dist/`; runs in `npm ci`, so that nothing is built when a command starts.
 *
 * `dist/cli.js` and the Nix-compatible entry points share chunks; `dist/evaluate-worker.js` is the evaluator's thread;
 * `dist/delay-relay.js` is the process that makes a lab's link late; `dist/kit.js` is the part that QuickJS runs on hosts.
 * Everything is made beside `dist/` and takes its place when it is complete, so that running commands see no half of it.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { bundleKit } from "./kit-bundle.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const made = join(root, "dist.new");
const former = join(root, "dist.old");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

/** Each program by the name of its bundle. */
const PROGRAMS: Readonly<Record<string, string>> = {
  cli: "src/cli/main.ts",
  nix: "src/cli/compat/nix.ts",
  "nix-instantiate": "src/cli/compat/nix-instantiate.ts",
  "evaluate-worker": "src/realise/evaluate-worker.ts",
  "repl-worker": "src/realise/repl/repl-worker.ts",
  "delay-relay": "src/lab/delay-relay.ts",
};

rmSync(made, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: Object.entries(PROGRAMS).map(([out, path]) => ({ in: path, out })),
  outdir: made,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  packages: "bundle",
  // A native add-on stays where npm put it.
  external: ["koffi"],
  banner: {
    js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);',
  },
  define: { PRISTINE_VERSION: JSON.stringify(version) },
  legalComments: "none",
  sourcemap: "linked",
  logLevel: "warning",
});

await bundleKit(join(made, "kit.js"), { version, hasFaultPoints: false });

rmSync(former, { recursive: true, force: true });
if (existsSync(dist)) renameSync(dist, former);
renameSync(made, dist);
rmSync(former, { recursive: true, force: true });

// The first start of each program shows that it works, and fills V8's compile cache, which lies beside the bundles.
const starts = {
  cli: { args: ["--version"], answer: version },
  nix: { args: ["eval", "--expr", "1 + 1"], answer: "2" },
  "nix-instantiate": { args: ["--eval", "-E", "1 + 1"], answer: "2" },
};
for (const [program, { args, answer }] of Object.entries(starts)) {
  const said = execFileSync(process.execPath, [join(dist, `${program}.js`), ...args], { encoding: "utf8" });
  if (said.trim() !== answer)
    throw new Error(`${program} ${args.join(" ")} answered ${said.trim()} instead of ${answer}`);
}
