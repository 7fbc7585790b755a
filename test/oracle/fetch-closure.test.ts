/** A real Nix fetches the same closures, rewrites them to the same paths, and refuses in the same words. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { generateKeyPair } from "../../src/format/signature.ts";
import { StorePath } from "../../src/format/store-path.ts";
import { evaluate } from "../../src/realise/evaluate.ts";
import { EvalDiagnostic } from "../../src/realise/evaluation-request.ts";
import { storeServices } from "../../src/realise/store-services.ts";
import { LocalStore } from "../../src/store/local-store.ts";
import {
  contentAddressed,
  fileOf,
  inputAddressed,
  serveDirectory,
  signed,
  textObject,
  writeBinaryCache,
} from "../support/binary-cache.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-oracle-closure-")));
after(() => {
  spawnSync("chmod", ["-R", "u+w", directory]);
  rmSync(directory, { recursive: true, force: true });
});

const key = generateKeyPair("test-1");
const base = contentAddressed("base", fileOf("base\n"));
const text = textObject("text", `${base.info.path.render("/nix/store")}\n`, [base.info.path]);
const pathOf = (letter: string, name: string): StorePath => StorePath.of(`${letter.repeat(32)}-${name}`);
const library = inputAddressed(pathOf("1", "library").baseName, fileOf("not content-addressed\n"));
const self = pathOf("2", "self");
const large = "x".repeat(100_000);
/** Refers to itself, more than once and across chunks, to something that is rewritten and to something that is not. */
const program = inputAddressed(
  self.baseName,
  {
    type: "directory",
    entries: new Map([
      ["a", fileOf(`${self.render("/nix/store")}${large}${self.digest}${large}${self.baseName}`)],
      ["b", { type: "regular", executable: true, contents: Buffer.from(library.info.path.render("/nix/store")) }],
      ["c", { type: "symlink", target: base.info.path.render("/nix/store") }],
      // A digest alone is no path: it stays.
      ["d", fileOf(library.info.path.digest)],
    ]),
  },
  [self, library.info.path, base.info.path],
);
const vouched = signed(inputAddressed(pathOf("3", "vouched").baseName, fileOf("signed\n")), key.secret);
const forged = { ...textObject("forged", "announced\n"), bytes: textObject("forged", "sent\n").bytes };
const cache = join(directory, "cache");
writeBinaryCache(cache, [base, text, library, program, vouched, forged], { compression: "xz" });
const elsewhere = join(directory, "elsewhere");
writeBinaryCache(elsewhere, [], { storeDir: "/elsewhere" });
const server = await serveDirectory(directory);
after(() => server.close());
const url = `${server.url}/cache`;

const call = (attributes: string): string => `builtins.fetchClosure { fromStore = "${url}"; ${attributes} }`;
const shown = (expression: string): string =>
  `let p = ${expression}; in { inherit p; context = builtins.getContext p; type = builtins.readFileType p; }`;
const path = ({ info }: { readonly info: { readonly path: StorePath } }): string => info.path.render("/nix/store");
const absent = pathOf("z", "absent").render("/nix/store");

interface Case {
  readonly expression: string;
  readonly options?: string;
  readonly differs?: RegExp;
}

const UNSIGNED = "--option require-sigs false";
const PROGRAM_TO = `fromPath = ${path(program)}; toPath`;
/** In this order: the store of each side keeps what was fetched. */
const cases: Readonly<Record<string, Case | string>> = {
  "no path": call(""),
  "no store": `builtins.fetchClosure { fromPath = ${path(base)}; }`,
  "an unknown attribute": call("other = 1;"),
  "no set": "builtins.fetchClosure 1",
  "a path that is none": call('fromPath = "/tmp/x";'),
  "a path below a store object": call(`fromPath = "${path(base)}/x";`),
  "a path of a wrong type": call("fromPath = 1;"),
  "a store of a wrong type": `builtins.fetchClosure { fromPath = ${path(base)}; fromStore = 1; }`,
  "a store on disk": `builtins.fetchClosure { fromPath = ${path(base)}; fromStore = "file://${cache}"; }`,
  "a store that is no address": `builtins.fetchClosure { fromPath = ${path(base)}; fromStore = "daemon"; }`,
  "a store with a parameter": `builtins.fetchClosure { fromPath = ${path(base)}; fromStore = "${url}?a=b"; }`,
  "input-addressed and a goal": call(`${PROGRAM_TO} = ""; inputAddressed = true;`),
  "no cache there": {
    expression: `builtins.fetchClosure { fromPath = ${path(base)}; fromStore = "${server.url}/nowhere"; }`,
    differs: /does not appear to be a binary cache/,
  },
  "a cache for another directory": {
    expression: `builtins.fetchClosure { fromPath = ${path(base)}; fromStore = "${server.url}/elsewhere"; }`,
    differs: /is for Nix stores with prefix '\/elsewhere', not '\/nix\/store'/,
  },
  absent: { expression: call(`fromPath = ${absent};`), differs: /'?\/nix\/store\/z{32}-absent'? is not valid/ },
  "content-addressed": shown(call(`fromPath = ${path(text)};`)),
  "content-addressed, read": `builtins.readFile (${call(`fromPath = ${path(text)};`)})`,
  "content-addressed, there already": shown(call(`fromPath = ${path(base)};`)),
  "content-addressed, called input-addressed": call(`fromPath = ${path(base)}; inputAddressed = true;`),
  "contents that are not what was announced": {
    expression: call(`fromPath = ${path(forged)};`),
    differs: /mismatch|not what was announced/,
  },
  "without a signature": call(`fromPath = ${path(library)}; inputAddressed = true;`),
  "a signature that nobody trusts": call(`fromPath = ${path(vouched)}; inputAddressed = true;`),
  "a signature that is trusted": {
    expression: shown(call(`fromPath = ${path(vouched)}; inputAddressed = true;`)),
    options: `--option trusted-public-keys ${key.public}`,
  },
  "a goal to be found out": call(`${PROGRAM_TO} = "";`),
  "another goal": call(`${PROGRAM_TO} = ${absent};`),
  "a goal with another name": call(`${PROGRAM_TO} = ${path(base)};`),
  "input-addressed, not said so": { expression: call(`fromPath = ${path(library)};`), options: UNSIGNED },
  "input-addressed": {
    expression: shown(call(`fromPath = ${path(library)}; inputAddressed = true;`)),
    options: UNSIGNED,
  },
  "a goal that is input-addressed": call(`${PROGRAM_TO} = ${path(library)};`),
  "of something in a derivation": `(derivation { name = "d"; system = "s"; builder = "b"; dep = ${call(`fromPath = ${path(text)};`)}; }).drvPath`,
};

const list = Object.entries(cases).map(([name, one]): [string, Case] => [
  name,
  typeof one === "string" ? { expression: one } : one,
]);

type Outcome = { readonly value: unknown } | { readonly error: string };

function messageOf(stderr: string): string {
  const start = [...stderr.matchAll(/^ *error: /gm)].at(-1);
  return stderr
    .slice((start?.index ?? 0) + (start?.[0].length ?? 0))
    .trimEnd()
    .replace(/\n {7}/g, "\n");
}

async function oracle(): Promise<Outcome[]> {
  const at = join(directory, "cases");
  mkdirSync(at);
  const lines = list.map(([, { expression, options = "" }], index) => {
    writeFileSync(join(at, `${index}.nix`), expression);
    const flags = `--extra-experimental-features fetch-closure --option download-attempts 1 ${options}`;
    return `nix-instantiate --eval --strict --json --read-write-mode ${flags} ${at}/${index}.nix > ${at}/${index}.out 2> ${at}/${index}.err`;
  });
  const { argv, env } = oracleCommand(["bash", "-c", `${lines.join("\n")}\ntrue`], {
    nixDir: join(directory, "nix"),
    bind: [directory],
  });
  await new Promise<void>((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), { env, stdio: "inherit" });
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`the oracle ended with ${code}`))));
  });
  return list.map((_, index) => {
    const out = readFileSync(join(at, `${index}.out`), "utf8");
    return out === ""
      ? { error: messageOf(readFileSync(join(at, `${index}.err`), "utf8")) }
      : { value: JSON.parse(out) as unknown };
  });
}

const store = await LocalStore.open(join(directory, "ours"));
after(() => store.close());

async function ours(file: string, options: string): Promise<Outcome> {
  try {
    const result = await evaluate(
      {
        file,
        baseDir: directory,
        output: "json",
        strict: true,
        env: { HOME: directory, XDG_CACHE_HOME: join(directory, "cache-home") },
        experimentalFeatures: ["fetch-closure"],
        storeRoot: join(directory, "ours"),
        readWrite: true,
        fetchSettings: {
          downloadAttempts: 1,
          requireSigs: options !== UNSIGNED,
          trustedPublicKeys: options.includes(key.public) ? [key.public] : [],
        },
      },
      AbortSignal.timeout(60_000),
      storeServices(async () => store),
    );
    return { value: JSON.parse(result.text) as unknown };
  } catch (error) {
    if (error instanceof EvalDiagnostic) return { error: messageOf(error.rendered) };
    throw error;
  }
}

const expected = await oracle();
for (const [index, [name, { options = "", differs }]] of list.entries()) {
  test(name, async () => {
    const [actual, wanted] = [await ours(join(directory, "cases", `${index}.nix`), options), expected[index]!];
    if (differs === undefined) assert.deepEqual(actual, wanted);
    else {
      assert.ok("error" in actual && "error" in wanted, JSON.stringify({ actual, wanted }));
      assert.match(actual.error, differs);
    }
  });
}

test("what was rewritten is what Nix wrote", async () => {
  const told = expected[list.findIndex(([name]) => name === "a goal to be found out")] as { readonly error: string };
  const made = StorePath.ofFull(/yielded '([^']*)'/.exec(told.error)![1]!, "/nix/store");
  const { argv, env } = oracleCommand(["nix-store", "--query", "--hash", made.render("/nix/store")], {
    nixDir: join(directory, "nix"),
  });
  const nix = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" });
  const info = await store.pathInfo(made);
  assert.equal(info?.narHash.render("nix32"), nix.stdout.trim(), nix.stderr);
});
