/** A copy of the example fleet, with an operator's key and a lock, made once for a test file. */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const CHECKOUT: string = join(import.meta.dirname, "../..");
export const PRISTINE: string = join(CHECKOUT, "bin/pristine");

export interface Shop extends Disposable {
  readonly directory: string;
  /** Where the copy and everything a test makes beside it lies. */
  readonly scratch: string;
}

/** Copies the example, edits it, makes a key and locks; removed when disposed of. */
export function makeShop(
  options: { readonly subnet?: string; readonly edit?: (directory: string) => void } = {},
): Shop {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-shop-"));
  const directory = join(scratch, "shop");
  cpSync(join(CHECKOUT, "examples/shop"), directory, {
    recursive: true,
    filter: (path) => !/pristine\.lock|\/keys/.test(path),
  });
  mkdirSync(join(directory, "keys"));
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", join(directory, "keys/operator")]);
  if (options.subnet !== undefined) {
    for (const host of ["lb", "web1", "web2"]) {
      const file = join(directory, `hosts/${host}.nix`);
      writeFileSync(file, readFileSync(file, "utf8").replace(/10\.77\.7\./, `${options.subnet}.`));
    }
  }
  options.edit?.(directory);
  execFileSync(PRISTINE, ["lock"], { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
  return { directory, scratch, [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }) };
}
