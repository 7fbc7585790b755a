/**
 * Bundles the programs into `dist/`; runs in `npm ci`, so that nothing is built when a command starts.
 *
 * `dist/cli.js` and the Nix-compatible entry points share chunks; `dist/evaluate-worker.js` is the evaluator's thread;
 * `dist/delay-relay.js` is the process that makes a lab's link late; `dist/kit.js` is the part that QuickJS runs on hosts.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

const programs = [
  "src/cli/main.ts",
  "src/cli/compat/nix-instantiate.ts",
  "src/realise/evaluate-worker.ts",
  "src/lab/delay-relay.ts",
];

rmSync(dist, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: programs.filter((path) => existsSync(join(root, path))).map((path) => ({ in: path, out: outputName(path) })),
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  packages: "bundle",
  // A native add-on stays where npm put it.
  external: ["koffi"],
  banner: { js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);' },
  define: { PRISTINE_VERSION: JSON.stringify(version) },
  legalComments: "none",
  sourcemap: "linked",
  logLevel: "warning",
});

// No source map and no minification: what runs on hosts can be read there.
await build({
  absWorkingDir: root,
  entryPoints: ["src/kit/main.ts"],
  outfile: join(dist, "kit.js"),
  bundle: true,
  format: "esm",
  platform: "neutral",
  target: "es2023",
  alias: { "quickjs:std": "std", "quickjs:os": "os" },
  external: ["std", "os"],
  define: { PRISTINE_VERSION: JSON.stringify(version), PRISTINE_FAULT_POINTS: "false" },
  legalComments: "none",
  logLevel: "warning",
});

// Fills V8's compile cache, which the programs keep beside themselves.
for (const args of [
  [join(dist, "cli.js"), "--version"],
  [join(dist, "nix-instantiate.js"), "--eval", "-E", "1"],
]) {
  if (existsSync(args[0] as string)) execFileSync(process.execPath, args, { stdio: "ignore" });
}

function outputName(path: string): string {
  return path === "src/cli/main.ts" ? "cli" : basename(path, ".ts");
}
