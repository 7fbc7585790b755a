/**
 * No lock-in, shown: a real Nix evaluates the example fleet to the same derivations, and builds it, in its own sandbox
 * and from an empty store, to the same store paths with the same contents.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { CHECKOUT, makeShop, PRISTINE } from "../support/shop.ts";

const HOSTS = ["lb", "web1", "web2"];
const shop = makeShop();
const nixDir = join(shop.scratch, "oracle-nix");
const ourRoot = join(shop.scratch, "our-root");
after(() => {
  makeWritable(nixDir);
  makeWritable(ourRoot);
  rmSync(shop.scratch, { recursive: true, force: true });
});

/** The way in that both engines share, as the manual gives it. */
const FLEET = `(import ${CHECKOUT}/nix {}).evalFleet ${shop.directory}/fleet.nix`;

function oracle(command: readonly string[]): string {
  const { argv, env } = oracleCommand(command, { nixDir, bind: [shop.scratch] });
  return output(argv, env);
}

function pristine(args: readonly string[]): string {
  return output([PRISTINE, "--store", `local?root=${ourRoot}`, ...args], process.env);
}

function output(argv: readonly string[], env: NodeJS.ProcessEnv): string {
  const result = spawnSync(argv[0] as string, argv.slice(1), {
    cwd: shop.directory,
    env,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(result.status, 0, `${argv.slice(-6).join(" ")}\n${result.stderr}`);
  return result.stdout;
}

function makeWritable(directory: string): void {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    // Nothing was made here.
    return;
  }
  chmodSync(directory, 0o755);
  for (const name of names) if (lstatSync(join(directory, name)).isDirectory()) makeWritable(join(directory, name));
}

interface Built {
  readonly hosts: readonly { readonly host: string; readonly drvPath: string; readonly path: string }[];
}

/** Every path of the closures with its NAR hash and references, from a store's own database dump. */
function closureOf(dump: string): Map<string, string> {
  const objects = new Map<string, string>();
  const lines = dump.trimEnd().split("\n");
  for (let at = 0; at < lines.length;) {
    const [path = "", hash = "", size = "", , count = "0"] = lines.slice(at, at + 5);
    objects.set(path, [hash, size, ...lines.slice(at + 5, at + 5 + Number(count)).sort()].join(" "));
    at += 5 + Number(count);
  }
  return objects;
}

test("both engines evaluate every host to the same derivation", () => {
  const theirs = HOSTS.map((host) => oracle(["nix-instantiate", "-E", FLEET, "-A", `hosts.${host}.system`]).trim());
  const ours = HOSTS.map((host) =>
    output([join(CHECKOUT, "bin/compat/nix-instantiate"), "-E", FLEET, "-A", `hosts.${host}.system`], {
      ...process.env,
      PRISTINE_STORE: `local?root=${ourRoot}`,
    }).trim(),
  );
  assert.deepEqual(ours, theirs);
});

test("both engines build every host to the same contents", () => {
  const built = JSON.parse(pristine(["--json", "build"])) as Built;
  const paths = built.hosts.map((host) => host.path);
  const drvPaths = built.hosts.map((host) => host.drvPath);
  const theirPaths = oracle(["nix-store", "--realise", "--quiet", ...drvPaths])
    .trim()
    .split("\n");
  assert.deepEqual(paths, theirPaths);
  const closure = oracle(["nix-store", "--query", "--requisites", ...paths])
    .trim()
    .split("\n");
  const theirs = closureOf(oracle(["nix-store", "--dump-db", ...closure]));
  // A real Nix reads our store as its own.
  const { argv, env } = oracleCommand(["nix-store", "--dump-db", ...closure], { nixDir: join(ourRoot, "nix") });
  const ours = closureOf(output(argv, env));
  assert.ok(theirs.size > 100, `${theirs.size} paths`);
  assert.deepEqual(ours, theirs);
});

test("a real Nix finds our store sound", () => {
  const { argv, env } = oracleCommand(["nix-store", "--verify", "--check-contents"], { nixDir: join(ourRoot, "nix") });
  output(argv, env);
});
