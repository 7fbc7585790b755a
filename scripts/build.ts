/**
 * Bundles the programs into `dist/`; runs in `npm ci`, so that nothing is built when a command starts.
 *
 * `dist/library.cjs` is what programs import. `dist/programs.cjs` is all code in one script, with V8's compiled code beside it; a file for each program starts it.
 * `dist/delay-relay.cjs` is the process that makes a lab's link late; `dist/kit.js` is the part that QuickJS runs on hosts.
 * Everything is made beside `dist/` and takes its place when it is complete, so that running commands see no half of it.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { bundleKit } from "./kit-bundle.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const made = join(root, "dist.new");
const former = join(root, "dist.old");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

/** Programs of src/cli/programs.ts, each started by a file of its name; `cli` has one of its own. */
const PROGRAMS = [
  "nix",
  "nix-instantiate",
  "nix-store",
  "evaluate-worker",
  "member-worker",
  "repl-worker",
  "shared-worker",
  "resident-main",
] as const;

/** Options of Node that bin/start.sh gives and that V8 compiles differently with. */
const DEEP = ["--stack-size=262144", "--no-opt", "--semi-space-growth-factor=4"];

/**
 * Commander can start programs for subcommands, which none of ours is. What Node has for that is loaded if it does:
 * loading it takes a tenth of a start.
 */
const lateChildProcess: Plugin = {
  name: "late-child-process",
  setup(bundling) {
    bundling.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes("/commander/") ? { path: "child_process", namespace: "late" } : undefined,
    );
    const contents = 'exports.spawn = (...args) => process.getBuiltinModule("node:child_process").spawn(...args);';
    bundling.onLoad({ filter: /.*/, namespace: "late" }, () => ({ contents, loader: "js" }));
  },
};

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node24",
  // The bundle is no module, so what Node itself has is loaded by require(), too.
  supported: { "dynamic-import": false },
  packages: "bundle",
  // A native add-on stays where npm put it.
  external: ["koffi"],
  define: {
    PRISTINE_VERSION: JSON.stringify(version),
    "import.meta.dirname": "__dirname",
    "import.meta.filename": "__filename",
    "import.meta.url": "__filename",
  },
  legalComments: "none",
  outExtension: { ".js": ".cjs" },
  outdir: made,
  sourcemap: "linked",
  logLevel: "warning",
  plugins: [lateChildProcess],
};

rmSync(made, { recursive: true, force: true });
await build({
  ...common,
  entryPoints: { programs: "src/cli/programs.ts" },
  // One function of what CommonJS gives a module, which src/system/bundle.ts calls.
  banner: { js: "(function (exports, require, module, __filename, __dirname) {" },
  footer: { js: "})" },
});
await build({ ...common, entryPoints: { cli: "src/cli/main.ts", "delay-relay": "src/lab/delay-relay.ts" } });
await build({ ...common, entryPoints: { library: "src/library/fleet.ts" } });
for (const name of PROGRAMS) {
  const contents = `import { startProgram } from "./src/system/bundle.ts"; startProgram(${JSON.stringify(name)}, require);`;
  await build({ ...common, stdin: { contents, resolveDir: root, loader: "ts" }, entryNames: name });
}

await bundleKit(join(made, "kit.js"), { version, hasFaultPoints: false });

// What V8 compiles is kept for both ways in which bin/start.sh starts programs. Nothing here needs the deep stack itself.
for (const flags of [[], DEEP]) {
  for (const group of ["cli", "evaluate"]) {
    const argv = [...flags, join(root, "scripts/code-cache.ts"), made, group];
    execFileSync(process.execPath, argv, { stdio: "inherit" });
  }
}

rmSync(former, { recursive: true, force: true });
if (existsSync(dist)) renameSync(dist, former);
renameSync(made, dist);
rmSync(former, { recursive: true, force: true });

// The first start of each program shows that it works.
const starts = {
  pristine: { args: ["--version"], answer: version },
  "compat/nix": { args: ["eval", "--expr", "1 + 1"], answer: "2" },
  "compat/nix-store": { args: ["--version"], answer: "nix-store (Nix) 2.34.8" },
  "compat/nix-instantiate": { args: ["--eval", "-E", "1 + 1"], answer: "2" },
};
for (const [program, { args, answer }] of Object.entries(starts)) {
  const said = execFileSync(join(root, "bin", program), args, { encoding: "utf8" });
  if (said.trim() !== answer)
    throw new Error(`${program} ${args.join(" ")} answered ${said.trim()} instead of ${answer}`);
}
