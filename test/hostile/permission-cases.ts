/**
 * Looks at files and directories that belong to root alone, by somebody else: cases for ours and for a real Nix. `DIR`
 * stands for a directory that `makeLockedTree` filled.
 */

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Numbers mean the same in every root file system. */
export const AS_NOBODY: readonly string[] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

export function makeLockedTree(directory: string): void {
  chmodSync(directory, 0o755);
  for (const [name, mode] of Object.entries({ locked: 0o700, tree: 0o755, entered: 0o711, listed: 0o744 })) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, "inner.nix"), "1");
    chmodSync(join(directory, name), mode);
  }
  for (const name of ["secret.nix", "tree/secret"]) {
    writeFileSync(join(directory, name), '"secret"');
    chmodSync(join(directory, name), 0o600);
  }
  symlinkSync("locked/inner.nix", join(directory, "link"));
}

/** The value that was printed, or the error's own line. */
export function verdictOf(output: string): string {
  return (/^ *error: .+$/gm.exec(output.replace(/^error:$/m, ""))?.[0] ?? output).trim();
}

const opening = (path: string): string => `error: opening file 'DIR/${path}': Permission denied`;
const listing = (path: string): string => `error: cannot read directory "DIR/${path}": Permission denied`;
const status = (path: string): string => `error: getting status of "DIR/${path}": Permission denied`;

/** What is asked, and what is printed or the line of the error. */
export const PERMISSION_CASES: readonly (readonly [expression: string, expected: string])[] = [
  ["builtins.readFile DIR/secret.nix", opening("secret.nix")],
  ["import DIR/secret.nix", opening("secret.nix")],
  ["scopedImport { } DIR/secret.nix", opening("secret.nix")],
  ['builtins.hashFile "sha256" DIR/secret.nix', opening("secret.nix")],
  ["builtins.pathExists DIR/secret.nix", "true"],
  ["builtins.readFileType DIR/secret.nix", '"regular"'],
  ['"${DIR/secret.nix}"', opening("secret.nix")],
  ["builtins.path { path = DIR/secret.nix; }", opening("secret.nix")],
  ["builtins.readDir DIR/locked", listing("locked")],
  ["builtins.pathExists DIR/locked", "true"],
  ["builtins.pathExists DIR/locked/inner.nix", status("locked/inner.nix")],
  ["builtins.pathExists DIR/locked/nothing", status("locked/nothing")],
  ["builtins.readFileType DIR/locked/inner.nix", status("locked/inner.nix")],
  ["builtins.readFile DIR/locked/inner.nix", status("locked/inner.nix")],
  ["import DIR/locked/inner.nix", status("locked/inner.nix")],
  ["import DIR/locked", status("locked/default.nix")],
  ['"${DIR/locked}"', listing("locked")],
  ["builtins.path { path = DIR/locked; }", listing("locked")],
  ["builtins.path { path = DIR/locked/inner.nix; }", status("locked/inner.nix")],
  ['builtins.findFile [ { path = "DIR/locked"; prefix = ""; } ] "inner.nix"', status("locked/inner.nix")],
  ['"${DIR/tree}"', opening("tree/secret")],
  ["builtins.filterSource (path: type: true) DIR/tree", opening("tree/secret")],
  ['builtins.isString (builtins.filterSource (path: type: baseNameOf path != "secret") DIR/tree)', "true"],
  ["builtins.readDir DIR/entered", listing("entered")],
  ["import DIR/entered/inner.nix", "1"],
  ["builtins.readDir DIR/listed", '{ "inner.nix" = "regular"; }'],
  ["import DIR/listed/inner.nix", status("listed/inner.nix")],
  ["(builtins.tryEval (builtins.readFile DIR/secret.nix)).success", opening("secret.nix")],
];
