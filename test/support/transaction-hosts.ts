/**
 * Hosts for crash tests of the transaction: a lab whose disks hold two systems that differ in services, and a kit whose
 * executor ends or stands still at a given journal record.
 */

import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { bundleKit } from "../../scripts/kit-bundle.ts";
import { StorePath } from "../../src/format/store-path.ts";
import type { Bootstrap } from "../../src/lab/lab.ts";
import { copyClosure } from "../../src/store/copy.ts";
import { LocalStore } from "../../src/store/local-store.ts";
import { testSystem } from "./test-system.ts";

export interface TransactionFixture {
  /** What the hosts boot first. */
  readonly old: string;
  readonly next: string;
  /** Its service fails. */
  readonly broken: string;
  readonly kit: string;
  readonly bootstrap: Bootstrap;
  remove(): void;
}

/** What differs: each service carries the system's version in its environment. */
function unitsOf(version: string): Record<string, string> {
  const service = (more: string): string =>
    `[Unit]\nDescription=crash test\n[Service]\nEnvironment=VERSION=${version}\nExecStart=/usr/bin/sleep infinity\n${more}`;
  return {
    "crash-stopped.service": service(""),
    "crash-restarted.service": service("X-StopIfChanged=false\n"),
    [`crash-only-${version}.service`]: service(""),
    ...(version === "broken" ? { "crash-broken.service": "[Service]\nExecStart=/usr/bin/false\n" } : {}),
  };
}

/** Undefined where labs cannot be made. */
export async function prepareTransactionFixture(signal: AbortSignal): Promise<TransactionFixture | undefined> {
  const given = await testSystem();
  if (given === undefined) return undefined;
  const { system: base, kit: kitName, nix } = given;

  const scratch = mkdtempSync(join(tmpdir(), "transaction-"));
  symlinkSync(nix, `${scratch}/nix`);
  const store = await LocalStore.open(scratch);
  const add = async (name: string, make: (directory: string) => Promise<void> | void): Promise<string> => {
    const directory = `${scratch}/${name}`;
    await make(directory);
    const path = await store.addPath(name, directory, signal);
    return path.render(store.storeDir);
  };
  const derive = (version: string): Promise<string> =>
    add(`system-${version}`, (directory) => {
      deriveSystem(`${nix}/store/${basename(base)}`, directory, version);
    });
  const old = await derive("old");
  const next = await derive("next");
  const broken = await derive("broken");
  const kit = await add("pristine-kit", (directory) => deriveKit(`${nix}/store/${basename(kitName)}`, directory));
  const runtime = dirname(dirname(readlinkSync(`${nix}/store/${basename(kitName)}/bin/busybox`)));
  const roots = [base, old, next, broken, kit, runtime].map((path) => StorePath.of(basename(path)));
  return {
    old,
    next,
    broken,
    kit,
    bootstrap: {
      system: old,
      async seed(root, seedSignal) {
        await using to = await LocalStore.open(root);
        await copyClosure({ from: store, to, roots, signal: seedSignal });
      },
    },
    remove: () => {
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

function deriveSystem(base: string, directory: string, version: string): void {
  cpSync(base, directory, { recursive: true, verbatimSymlinks: true });
  execFileSync("chmod", ["-R", "u+w", directory]);
  const units = `${directory}/etc/systemd/system`;
  mkdirSync(`${units}/multi-user.target.wants`, { recursive: true });
  for (const [name, text] of Object.entries(unitsOf(version))) {
    writeFileSync(`${units}/${name}`, text);
    symlinkSync(`../${name}`, `${units}/multi-user.target.wants/${name}`);
  }
}

async function deriveKit(base: string, directory: string): Promise<void> {
  cpSync(base, directory, { recursive: true, verbatimSymlinks: true });
  execFileSync("chmod", ["-R", "u+w", directory]);
  await bundleKit(`${directory}/kit.js`, { version: "test", hasFaultPoints: true });
  const script = `${directory}/bin/pristine-kit`;
  const start = readFileSync(script, "utf8").replace(`/nix/store/${basename(base)}`, "${0%/bin/*}");
  writeFileSync(script, start);
}
