/**
 * The system that machine tests boot, and the kit that they run: built by Pristine itself, from the packages of a lock
 * that is made now, in the tests' own store.
 *
 * `PRISTINE_TEST_SYSTEM` (a store path) and `PRISTINE_TEST_NIX` (the directory that holds it as `store/…`, and its
 * database) name another one, such as one that a real Nix has built.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { realise } from "../../src/build/realise.ts";
import { nixDirectory, nixString } from "../../src/fleet/inventory.ts";
import { StorePath } from "../../src/format/store-path.ts";
import type { Bootstrap } from "../../src/lab/lab.ts";
import { checkRequirements } from "../../src/lab/requirements.ts";
import { evaluate } from "../../src/realise/evaluate.ts";
import { instantiate } from "../../src/realise/instantiate.ts";
import { copyClosure } from "../../src/store/copy.ts";
import { LocalStore } from "../../src/store/local-store.ts";
import { openLocalStore } from "../../src/store/open-store.ts";
import { CHECKOUT, PRISTINE } from "./shop.ts";
import { TEST_STORE } from "./test-store.ts";

export interface TestSystem extends Bootstrap {
  /** The directory that holds `store` and `var/nix`. */
  readonly nix: string;
  /** The base name of the kit's store path. */
  readonly kit: string;
}

const BUILD_DEADLINE_MS = 15 * 60_000;

/** Why labs cannot be made here, or false: as `skip` of a test takes it. */
export async function labsMissing(): Promise<string | false> {
  if (process.geteuid?.() !== 0) return "needs root";
  try {
    await checkRequirements();
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Undefined where labs cannot be made. */
export async function testSystem(): Promise<TestSystem | undefined> {
  if ((await labsMissing()) !== false) return undefined;
  const system = process.env["PRISTINE_TEST_SYSTEM"];
  const nix = process.env["PRISTINE_TEST_NIX"];
  if (system === undefined || nix === undefined) return await builtSystem(AbortSignal.timeout(BUILD_DEADLINE_MS));
  const kit = readdirSync(`${nix}/store`).find((name) => /^[0-9a-z]{32}-pristine-kit$/.test(name));
  if (kit === undefined) throw new Error(`there is no kit in ${nix}/store`);
  return seededFrom(await LocalStore.open(dirname(nix)), system, kit);
}

async function builtSystem(signal: AbortSignal): Promise<TestSystem> {
  const directory = mkdtempSync(join(tmpdir(), "pristine-bootstrap-"));
  try {
    const run = (...args: string[]): void => {
      execFileSync(PRISTINE, args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
    };
    run("init", "--new-key", ".");
    run("lock");
    const expression = `
      let
        pristine = import ${nixDirectory()} { };
        lock = /. + ${nixString(join(directory, "pristine.lock"))};
        kitJs = /. + ${nixString(join(CHECKOUT, "dist/kit.js"))};
        pathsOf = drv: { inherit (drv) drvPath; outputPath = drv.outPath; };
      in [ (pathsOf (pristine.bootstrap { inherit lock; }).system) (pathsOf (pristine.kit { inherit lock kitJs; })) ]`;
    const result = await evaluate({ expression, baseDir: directory, output: "json", strict: true }, signal);
    const built = JSON.parse(result.text) as { drvPath: string; outputPath: string }[];
    const drvPaths = built.map(({ drvPath }) => drvPath);
    const store = await openLocalStore(TEST_STORE, signal);
    await instantiate(result, drvPaths, store, signal);
    await realise({ store, drvPaths: drvPaths.map((path) => StorePath.ofFull(path, store.storeDir)), signal });
    const [system = "", kit = ""] = built.map(({ outputPath }) => outputPath);
    return seededFrom(store, system, basename(kit));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A system of the tests' store, as hosts of a lab boot it first. */
export function bootstrapOf(system: string): Bootstrap {
  return {
    system,
    seed: async (root, signal) => {
      await using from = await openLocalStore(TEST_STORE, signal);
      await using to = await LocalStore.open(root);
      await copyClosure({ from, to, roots: [StorePath.of(basename(system))], signal });
    },
  };
}

function seededFrom(store: LocalStore, system: string, kit: string): TestSystem {
  return {
    system,
    kit,
    nix: dirname(store.layout.realStoreDir),
    seed: async (root, signal) => {
      await using disk = await LocalStore.open(root);
      await copyClosure({ from: store, to: disk, roots: [StorePath.of(basename(system))], signal });
    },
  };
}
