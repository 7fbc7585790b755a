/** The house rules that a program can check; each failure says what to write instead. */

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { LAYERS } from "./support/layers.ts";

const ROOT = join(import.meta.dirname, "..");

/** Built-in modules that touch the world; only `src/system` imports them. */
const EFFECTS =
  /^node:(fs|fs\/promises|child_process|net|http|https|tls|dgram|dns|sqlite|worker_threads|os|readline|readline\/promises|tty|cluster)$/;

/** Effects a file outside `system` is allowed, with the reason. */
const EFFECTS_ALLOWED: Readonly<Record<string, string>> = {};

const FILE_LINES_MAX = 800;

const files = globSync("src/**/*.ts", { cwd: ROOT }).sort();
const production = files.filter((path) => !/\.test\.ts$|\.d\.ts$/.test(path));

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

interface Import {
  readonly specifier: string;
  readonly line: number;
}

function importsOf(text: string): Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;"'`]*?from\s+["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g,
  )) {
    const specifier = match[1] ?? match[2] ?? match[3] ?? "";
    found.push({ specifier, line: text.slice(0, match.index).split("\n").length });
  }
  return found;
}

test("a layer imports only the layers it may", () => {
  const wrong: string[] = [];
  for (const path of production) {
    const layer = path.split("/")[1] ?? "";
    const allowed = LAYERS[layer];
    if (allowed === undefined) {
      wrong.push(`${path}: '${layer}' is not a layer; add it to LAYERS here and to ARCHITECTURE.md`);
      continue;
    }
    for (const { specifier, line } of importsOf(textOf(path))) {
      if (!specifier.startsWith(".")) continue;
      const target = relative(ROOT, resolve(ROOT, dirname(path), specifier));
      const other = target.split("/")[1] ?? "";
      if (target.startsWith("src/") && other !== layer && !allowed.includes(other)) {
        wrong.push(`${path}:${line}: ${layer} may import ${["itself", ...allowed].join(", ")}; not ${other}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test("the kit takes only pure files from the machine layer", () => {
  const wrong: string[] = [];
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { specifier } of importsOf(textOf(path))) {
      if (specifier.startsWith("node:")) wrong.push(`${path} imports ${specifier}, which QuickJS does not have`);
      if (specifier.startsWith(".")) visit(relative(ROOT, resolve(ROOT, dirname(path), specifier)));
    }
  };
  for (const path of production) if (path.startsWith("src/kit/")) visit(path);
  assert.deepEqual(wrong, []);
});

test("only src/system touches the operating system", () => {
  const wrong: string[] = [];
  for (const path of production) {
    if (path.startsWith("src/system/") || path in EFFECTS_ALLOWED) continue;
    for (const { specifier, line } of importsOf(textOf(path))) {
      if (EFFECTS.test(specifier)) wrong.push(`${path}:${line}: move what needs ${specifier} to src/system/`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every module says what it is for in its first lines", () => {
  const wrong = [...production, ...globSync(["test/**/*.ts", "scripts/*.ts", "bench/*.ts"], { cwd: ROOT })].filter(
    (path) => !/^(#!.*\n)?\s*\/\*\*/.test(textOf(path)),
  );
  assert.deepEqual(wrong, [], "open each with a doc comment");
});

test("a file holds one concept", () => {
  const wrong = production
    .map((path) => ({ path, lines: textOf(path).split("\n").length }))
    .filter(({ lines }) => lines > FILE_LINES_MAX)
    .map(({ path, lines }) => `${path}: ${lines} lines (at most ${FILE_LINES_MAX})`);
  assert.deepEqual(wrong, []);
});

test("files are named after their concept", () => {
  const wrong = files.filter((path) => /(^|\/|-)(utils?|helpers?|common|misc|manager|service|index)\.ts$/.test(path));
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    files.filter((path) => !/^[a-z0-9./-]+$/.test(path)),
    [],
    "kebab-case names",
  );
});

test("calls that hide trouble are not made", () => {
  const banned: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
    { pattern: /catch\s*(\([^)]*\))?\s*\{\s*\}/, instead: "say in a comment why nothing is right, or handle it" },
    { pattern: /\bas any\b|:\s*any\b/, instead: "use unknown and narrow it" },
    { pattern: /@ts-(ignore|expect-error|nocheck)/, instead: "mend the type" },
    { pattern: /\bconsole\.log\(/, instead: "write through the terminal of src/cli/render" },
    { pattern: /\bexecSync\(|\bshell:\s*true/, instead: "run an argument vector through src/system/process.ts" },
  ];
  const wrong: string[] = [];
  for (const path of production) {
    textOf(path)
      .split("\n")
      .forEach((line, index) => {
        for (const { pattern, instead } of banned) {
          if (pattern.test(line)) wrong.push(`${path}:${index + 1}: ${instead}`);
        }
      });
  }
  assert.deepEqual(wrong, []);
});

test("every error code is documented", () => {
  const documented = readFileSync(join(ROOT, "docs/manual/errors.md"), "utf8");
  const codes = new Set<string>();
  for (const path of production) {
    for (const match of textOf(path).matchAll(/new OperationError\(\s*"([A-Z][A-Z0-9_]+)"/g)) codes.add(match[1] ?? "");
  }
  assert.deepEqual(
    [...codes].filter((code) => !documented.includes(`\`${code}\``)).sort(),
    [],
    "add a section to docs/manual/errors.md",
  );
});

test("no package registry, mirror or local path is named", () => {
  // Written in pieces, so that this file does not name them either.
  const names = [
    ["deb", "debian", "org"].join("."),
    ["security", "debian", "org"].join("."),
    ["registry", "npmjs", "org"].join("."),
    "/" + "work/",
  ];
  const wrong: string[] = [];
  for (const path of globSync("{src,nix,test,scripts,bench,docs,examples,bin,changelog}/**/*", {
    cwd: ROOT,
    withFileTypes: true,
  })) {
    if (!path.isFile() || /pristine\.lock/.test(path.parentPath + path.name)) continue;
    const text = readFileSync(join(path.parentPath, path.name), "utf8");
    for (const name of names)
      if (text.includes(name)) wrong.push(`${relative(ROOT, join(path.parentPath, path.name))} names ${name}`);
  }
  assert.deepEqual(wrong, []);
});
