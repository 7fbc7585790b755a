/** The differential fuzzer: programs in batches through both evaluators, and what differs made smaller. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { byteStringOfText } from "../../src/base/byte-string.ts";
import { Kind } from "../../src/language/syntax/ast.ts";
import { parse } from "../../src/language/syntax/parse.ts";
import { Source } from "../../src/language/syntax/source.ts";
import { programOf } from "./arbitrary/nix-program.ts";
import { type Rope, smallerRopes, textOf } from "./arbitrary/rope.ts";
import { type Form, isSame, type Said, saidByNix, saidByUs, type Setting, writeMark } from "./differential.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly programs: number;
  readonly batch: number;
  /** Whether what differs is made smaller. */
  readonly reduces: boolean;
  readonly onProgress?: (done: number, differing: number) => void;
}

export interface FuzzDifference {
  readonly index: number;
  readonly form: Form;
  readonly program: string;
  readonly ours: Said;
  readonly nix: Said;
}

export interface FuzzReport {
  readonly evaluating: number;
  readonly failing: number;
  readonly differences: readonly FuzzDifference[];
  readonly builtins: number;
  readonly nodes: number;
  /** Builtins and kinds of syntax that no program has. */
  readonly absent: readonly string[];
}

/** More reductions than this for one run say nothing new. */
const REDUCED_MAX = 25;
const REDUCTION_ROUNDS_MAX = 40;
const CANDIDATES_MAX = 60;

/** Files that programs read. */
const FIXTURE: Readonly<Record<string, string>> = {
  "hello.txt": "hello\nworld\n",
  empty: "",
  "data.json": '{"a": [1, 2.5, null]}',
  "value.nix": "x: x",
  "identity.nix": "x: x",
  "set.nix": "{ a = 1; b.c = ./hello.txt; }",
  "scoped.nix": "[ x (builtins.typeOf map) ]",
  "sub/inner.txt": "inner",
  "sub/deep/x": "x",
};

function makeSetting(): Setting & { readonly scratch: string } {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-fuzz-"));
  // Deep enough that programs that copy what is above them (`dirOf (dirOf ../.)`) copy nothing that changes meanwhile.
  const directory = join(scratch, "a/b/c/d/e/f/some/where");
  mkdirSync(join(directory, "fixture/sub/deep"), { recursive: true });
  mkdirSync(join(scratch, "nix"));
  writeMark(directory);
  for (const [name, text] of Object.entries(FIXTURE)) writeFileSync(join(directory, "fixture", name), text);
  symlinkSync("hello.txt", join(directory, "fixture/link"));
  symlinkSync("nowhere", join(directory, "fixture/dangling"));
  return { scratch, directory, nixDir: join(scratch, "nix"), searchPath: [`fx=${directory}/fixture`] };
}

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const setting = makeSetting();
  const differences: FuzzDifference[] = [];
  const seen = new Coverage();
  let evaluating = 0;
  try {
    for (let start = 0; start < options.programs; start += options.batch) {
      const size = Math.min(options.batch, options.programs - start);
      const ropes = Array.from({ length: size }, (_, index) => programOf(options.seed, start + index));
      for (const rope of ropes) seen.add(textOf(rope));
      const found = await compare(setting, ropes);
      evaluating += found.evaluating;
      for (const { at, form, ours, nix } of found.differing) {
        const rope = ropes[at]!;
        const reduced =
          options.reduces && differences.length < REDUCED_MAX ? await reduce(setting, rope, form) : undefined;
        differences.push({ index: start + at, form, ...(reduced ?? { program: textOf(rope), ours, nix }) });
        options.onProgress?.(start + at, differences.length);
      }
      options.onProgress?.(start + size, differences.length);
    }
  } finally {
    spawnSync("chmod", ["-R", "u+w", setting.scratch]);
    rmSync(setting.scratch, { recursive: true, force: true });
  }
  return { evaluating, failing: options.programs - evaluating, differences, ...seen.summary() };
}

interface Differing {
  readonly at: number;
  readonly form: Form;
  readonly ours: Said;
  readonly nix: Said;
}

/** Programs through both evaluators: their values, then those that have one as JSON and XML. */
async function compare(
  setting: Setting,
  ropes: readonly Rope[],
): Promise<{ readonly evaluating: number; readonly differing: readonly Differing[] }> {
  const files = ropes.map((rope, index) => writeProgram(setting, index, rope));
  const differing: Differing[] = [];
  const values = await bothSay(setting, files, "value");
  const okay: number[] = [];
  for (const [at, [ours, nix]] of values.entries()) {
    if (isSame(ours, nix) || isRepetition(ours, nix)) {
      if (nix.ok) okay.push(at);
      continue;
    }
    const alone = await differenceAlone(setting, files[at]!, "value");
    if (alone !== undefined) differing.push({ at, form: "value", ...alone });
  }
  for (const form of ["json", "xml"] as const) {
    // A function fails in JSON, and each failure costs Nix a process.
    const suitable = okay.filter((at) => form === "xml" || !/«/.test(values[at]![1].text));
    const said = await bothSay(
      setting,
      suitable.map((at) => files[at]!),
      form,
    );
    said.forEach(([ours, nix], index) => {
      if (!isSame(ours, nix)) differing.push({ at: suitable[index]!, form, ours, nix });
    });
  }
  return { evaluating: values.filter(([, nix]) => nix.ok).length, differing };
}

/**
 * What both say when a program is all they are given, if it still differs. Which of several failing attributes is reported
 * depends on the names met before, also in other programs.
 */
async function differenceAlone(
  setting: Setting,
  file: string,
  form: Form,
): Promise<Pick<FuzzDifference, "ours" | "nix"> | undefined> {
  const [[ours, nix]] = (await bothSay(setting, [file], form)) as [readonly [Said, Said]];
  const isKnown =
    isSame(ours, nix) || (form === "value" && isRepetition(ours, nix)) || isExhausted(ours) || isExhausted(nix);
  return isKnown ? undefined : { ours, nix };
}

/** Whether an evaluator ran out of memory or time, which says nothing about the language. */
function isExhausted(said: Said): boolean {
  return !said.ok && /^out of memory|^no message: |interrupted by the user/.test(said.text);
}

/**
 * Whether two values differ only in what is called repeated: Nix copies lists of one or two elements where we share them.
 * Their JSON and XML are still compared.
 */
function isRepetition(ours: Said, nix: Said): boolean {
  return ours.ok && nix.ok && (ours.text.includes("«repeated»") || nix.text.includes("«repeated»"));
}

async function bothSay(
  setting: Setting,
  files: readonly string[],
  form: Form,
): Promise<readonly (readonly [Said, Said])[]> {
  if (files.length === 0) return [];
  const [ours, nix] = await Promise.all([saidByUs(setting, files, form), saidByNix(setting, files, form)]);
  return files.map((_, index) => [ours[index]!, nix[index]!] as const);
}

function writeProgram(setting: Setting, index: number, rope: Rope): string {
  const file = `p${index}.nix`;
  writeFileSync(join(setting.directory, file), textOf(rope));
  return file;
}

/** The smallest program found that still differs. */
async function reduce(
  setting: Setting,
  rope: Rope,
  form: Form,
): Promise<Pick<FuzzDifference, "program" | "ours" | "nix"> | undefined> {
  let current = rope;
  let best: Pick<FuzzDifference, "program" | "ours" | "nix"> | undefined;
  for (let round = 0; round < REDUCTION_ROUNDS_MAX; round++) {
    const candidates = smallerRopes(current).slice(0, CANDIDATES_MAX);
    const files = candidates.map((candidate, index) => writeProgram(setting, index, candidate));
    const said = await bothSay(setting, files, form);
    let found: number | undefined;
    for (const [at, [ours, nix]] of said.entries()) {
      if (isSame(ours, nix)) continue;
      const alone = await differenceAlone(setting, files[at]!, form);
      if (alone === undefined) continue;
      found = at;
      best = { program: textOf(candidates[at]!), ...alone };
      break;
    }
    if (found === undefined) break;
    current = candidates[found]!;
  }
  return best;
}

/** What programs are made of. */
class Coverage {
  readonly #kinds = new Set<number>();
  readonly #words = new Set<string>();

  add(program: string): void {
    for (const word of program.matchAll(/[a-zA-Z_][\w']*/g)) this.#words.add(word[0]);
    const parsed = parse(new Source("p", byteStringOfText(program), { isFile: false }), { baseDir: "/", homeDir: "/" });
    if (parsed.ok) this.#visit(parsed.value.root);
  }

  #visit(node: unknown): void {
    if (typeof node !== "object" || node === null || node instanceof Source) return;
    if ("kind" in node && typeof node.kind === "number") this.#kinds.add(node.kind);
    for (const child of Object.values(node)) this.#visit(child);
  }

  summary(): Pick<FuzzReport, "builtins" | "nodes" | "absent"> {
    const kinds = Object.entries(Kind);
    const absentKinds = kinds.filter(([, kind]) => !this.#kinds.has(kind)).map(([name]) => name);
    const absentBuiltins = BUILTINS.filter((name) => !this.#words.has(name));
    return {
      builtins: BUILTINS.length - absentBuiltins.length,
      nodes: kinds.length - absentKinds.length,
      absent: [...absentBuiltins, ...absentKinds],
    };
  }
}

/** The names in `builtins` of the Nix that ours is compared with. */
const BUILTINS: readonly string[] = (
  "abort add addDrvOutputDependencies addErrorContext all any appendContext attrNames attrValues baseNameOf bitAnd bitOr " +
  "bitXor break builtins catAttrs ceil compareVersions concatLists concatMap concatStringsSep convertHash currentSystem " +
  "currentTime deepSeq derivation derivationStrict dirOf div elem elemAt false fetchGit fetchMercurial fetchTarball " +
  "fetchTree fetchurl filter filterSource findFile flakeRefToString floor foldl' fromJSON fromTOML functionArgs genList " +
  "genericClosure getAttr getContext getEnv getFlake groupBy hasAttr hasContext hashFile hashString head import " +
  "intersectAttrs isAttrs isBool isFloat isFunction isInt isList isNull isPath isString langVersion length lessThan " +
  "listToAttrs map mapAttrs match mul nixPath nixVersion null parseDrvName parseFlakeRef partition path pathExists " +
  "placeholder readDir readFile readFileType removeAttrs replaceStrings scopedImport seq sort split splitVersion storeDir " +
  "storePath stringLength sub substring tail throw toFile toJSON toPath toString toXML trace traceVerbose true tryEval " +
  "typeOf unsafeDiscardOutputDependency unsafeDiscardStringContext unsafeGetAttrPos warn zipAttrsWith"
).split(" ");
