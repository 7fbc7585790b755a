/** Checks that the documentation says what the code does, as far as a program can tell. */

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { suite, test } from "node:test";
import type { Command } from "commander";
import { BUILTINS_PAGE, builtinsPage } from "../scripts/builtins-doc.ts";
import { OPTIONS_PAGE, optionsPage } from "../scripts/options-doc.ts";
import { draw } from "../scripts/terminal-picture.ts";
import { makeProgram } from "../src/cli/program.ts";
import { EXPERIMENTAL_FEATURES } from "../src/cli/compat/nix-setting-table.ts";
import { BUILTIN_TOPICS, documentationOfBuiltin } from "../src/language/builtins/documentation.ts";
import { openScope } from "../src/language/builtins/scope.ts";
import type { Attrs } from "../src/language/eval/attrs.ts";
import { PrimOp } from "../src/language/eval/value.ts";
import { openEvaluation, runEvaluation } from "../src/realise/run-evaluation.ts";
import { parse } from "../src/language/syntax/parse.ts";
import { Source } from "../src/language/syntax/source.ts";
import { LAYERS } from "./support/layers.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGES = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ...globSync("docs/**/*.md", { cwd: ROOT })].sort();

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The cells of a table's rows, without its head. */
function rowsOf(text: string, heading: RegExp): string[][] {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => heading.test(line));
  const rows: string[][] = [];
  for (const line of lines.slice(first + 2)) {
    if (!line.startsWith("|")) break;
    rows.push(
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  }
  return rows;
}

test("ARCHITECTURE.md has the layers that the tidy test enforces", () => {
  const names = Object.keys(LAYERS);
  const rows = rowsOf(textOf("ARCHITECTURE.md"), /^\| layer +\|/);
  const documented: Record<string, readonly string[]> = {};
  for (const [layer = "", , imports = ""] of rows) {
    const name = layer.replaceAll("`", "");
    documented[name] = layersOf(imports, names.slice(0, names.indexOf(name)));
  }
  assert.deepEqual(documented, LAYERS);
});

/** The layers that a cell names: `nothing`, `all`, `all above`, or their names. */
function layersOf(cell: string, above: readonly string[]): readonly string[] {
  if (cell === "nothing") return [];
  if (cell === "all" || cell === "all above") return above;
  return cell.split(",").map((part) => part.trim().replace(/^.* of /, ""));
}

suite("commands.md", () => {
  const page = textOf("docs/manual/commands.md");
  const headings = new Set([...page.matchAll(/^## (.+)$/gm)].map((match) => match[1]));

  test("has a section for each command", () => {
    const commands = commandsOf([]);
    assert.ok(commands.length > 10, "there are commands");
    assert.deepEqual(
      commands.filter((name) => !headings.has(name)),
      [],
      "add a section to docs/manual/commands.md",
    );
  });

  test("names each option of each command", () => {
    const manual = page + textOf("docs/manual/lab.md") + textOf("docs/manual/flakes.md");
    const calls = [
      [],
      ...commandsOf([]).map((name) => [name]),
      ...["lab", "flake"].flatMap((group) => commandsOf([group]).map((name) => [group, name])),
    ];
    const missing = calls.flatMap((call) =>
      [...helpOf(call).matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)]
        .filter(([, option = ""]) => !manual.includes(option))
        .map(([, option = ""]) => `pristine ${call.join(" ")} ${option}`),
    );
    assert.deepEqual(missing, []);
  });

  test("each command's help lists its exit status", () => {
    const without = commandsOf([]).filter((name) => !/\nExit status:\n/.test(helpOf([name])));
    assert.deepEqual(without, []);
  });
});

/** What `pristine COMMAND --help` prints. */
function helpOf(path: readonly string[]): string {
  const command = commandAt(path);
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** The names of a command's subcommands. */
function commandsOf(path: readonly string[]): string[] {
  const command = commandAt(path);
  // What only scripts call is hidden from people.
  return command
    .createHelp()
    .visibleCommands(command)
    .map((visible) => visible.name())
    .filter((name) => name !== "help");
}

function commandAt(path: readonly string[]): Command {
  return path.reduce<Command>((command, name) => {
    const found = command.commands.find((candidate) => candidate.name() === name);
    assert.ok(found, `there is no command ${path.join(" ")}`);
    return found;
  }, makeProgram());
}

test("errors.md has the codes that the sources have, each once", () => {
  const items = [...textOf("docs/manual/errors.md").matchAll(/^- ((?:`[A-Z0-9_]+`(?:, )?)+):/gm)];
  const documented = items.flatMap(([, codes = ""]) => codes.split(", ").map((code) => code.replaceAll("`", "")));
  const sources = globSync("src/**/*.ts", { cwd: ROOT }).map(textOf).join("\n");
  const given = new Set(
    [...sources.matchAll(/"((?:EVAL|KIT)_[A-Z_]+)"|OperationError\(\s*"([A-Z0-9_]+)"/g)].map(
      (match) => match[1] ?? match[2] ?? "",
    ),
  );
  assert.deepEqual(documented, [...new Set(documented)], "a code stands there twice");
  assert.deepEqual(
    [...given].filter((code) => !documented.includes(code)),
    [],
    "document these",
  );
  assert.deepEqual(
    documented.filter((code) => !sources.includes(`"${code}"`)),
    [],
    "nothing gives these any more",
  );
});

test("links between pages lead somewhere", () => {
  const broken: string[] = [];
  for (const page of PAGES) {
    const prose = textOf(page).replace(/^ *```[\s\S]*?^ *```$|`[^`\n]*`/gm, "");
    for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)) {
      if (target === "" || /^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : relative(ROOT, join(ROOT, dirname(page), path));
      if (!existsSync(join(ROOT, file))) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(file).has(anchor))
        broken.push(`${page}: ${target} (no such heading)`);
    }
  }
  assert.deepEqual(broken, []);
});

const anchors = new Map<string, Set<string>>();

/** What the headings of a page are called in links. */
function anchorsOf(page: string): Set<string> {
  let found = anchors.get(page);
  if (found === undefined) {
    const headings = statSync(join(ROOT, page)).isFile() ? textOf(page).matchAll(/^#{1,6} (.+)$/gm) : [];
    found = new Set(
      [...headings].map(([, heading = ""]) =>
        heading
          .toLowerCase()
          .replace(/[^\p{L}\p{N} _-]/gu, "")
          .replaceAll(" ", "-"),
      ),
    );
    anchors.set(page, found);
  }
  return found;
}

test("Nix code in pages parses", () => {
  const wrong: string[] = [];
  for (const page of PAGES) {
    const text = textOf(page);
    for (const match of text.matchAll(/^( *)```nix\n([\s\S]*?)^ *```$/gm)) {
      const line = text.slice(0, match.index).split("\n").length;
      // A text of the evaluator has a character per byte.
      const source = new Source(page, Buffer.from(match[2] ?? "", "utf8").toString("latin1"), { isFile: false });
      const parsed = parse(source, { baseDir: ROOT });
      if (!parsed.ok) wrong.push(`${page}:${line}: ${parsed.error.message}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every decision has a number of its own and stands in the index", () => {
  const records = globSync("docs/decisions/[0-9]*.md", { cwd: ROOT }).sort();
  const index = textOf("docs/decisions/README.md");
  const numbers = records.map((path) => /(\d{4})-/.exec(path)?.[1] ?? "");
  assert.deepEqual(numbers, [...new Set(numbers)], "two records have one number");
  for (const path of records) {
    const name = path.slice("docs/decisions/".length);
    assert.ok(index.includes(`(${name})`), `${name} is missing in docs/decisions/README.md`);
    assert.match(textOf(path), new RegExp(`^# ${Number(name.slice(0, 4))}\\. `), `${name}: its title has its number`);
  }
});

test("every dependency has a decision", () => {
  const manifest = JSON.parse(textOf("package.json")) as Record<string, Record<string, string> | undefined>;
  const decisions = globSync("docs/decisions/*.md", { cwd: ROOT }).map(textOf).join("\n");
  const names = ["dependencies", "optionalDependencies", "devDependencies"].flatMap((kind) =>
    Object.keys(manifest[kind] ?? {}),
  );
  assert.deepEqual(
    names.filter((name) => !decisions.includes(name)),
    [],
  );
});

test("options.md is what the declarations say", async () => {
  const current = await optionsPage(AbortSignal.timeout(60_000));
  assert.ok(readFileSync(OPTIONS_PAGE, "utf8") === current, "run 'bin/node scripts/options-doc.ts'");
});

test("builtins.md is what the sources say", async () => {
  assert.ok(readFileSync(BUILTINS_PAGE, "utf8") === (await builtinsPage()), "run 'bin/node scripts/builtins-doc.ts'");
});

test("every builtin is documented with the arguments that it takes", () => {
  const { state } = openEvaluation({
    baseDir: "/",
    output: "value",
    experimentalFeatures: [...EXPERIMENTAL_FEATURES],
  });
  openScope(state, []);
  const builtins = state.globals.get("builtins") as Attrs;
  const wrong = builtins.keys.flatMap((name, index) => {
    const documentation = documentationOfBuiltin(name);
    if (documentation === undefined) return [`${name} is not documented`];
    const value = builtins.values[index];
    const arity = value instanceof PrimOp ? value.arity : name === "derivation" ? 1 : 0;
    return documentation.args.length === arity ? [] : [`${name} takes ${arity} arguments`];
  });
  assert.deepEqual(wrong, [], "write in src/language/builtins/docs");
  const written = Object.values(BUILTIN_TOPICS).flat();
  assert.deepEqual(
    written.map(({ name }) => name).filter((name) => !builtins.has(name)),
    [],
    "there is no such builtin",
  );
});

test("what the documentation of builtins says of its examples is true", () => {
  const entries = Object.values(BUILTIN_TOPICS).flat();
  const examples = entries.flatMap(({ name, text }) =>
    [...text.matchAll(/```nix\n([^]*?)```\n\nis `(.*)`\./g)].map((match) => ({
      name,
      code: match[1],
      value: match[2],
    })),
  );
  assert.ok(examples.length > 10, "there are examples");
  const wrong = examples.filter(({ code, value }) => {
    const expression = `(${code}) == (${value})`;
    return runEvaluation({ expression, baseDir: "/", output: "value", env: {} }).text !== "true";
  });
  assert.deepEqual(wrong, []);
});

test("the picture of the demo is drawn from its transcript", () => {
  assert.equal(textOf("docs/demo.svg"), draw(textOf("docs/demo-transcript.txt")));
});
