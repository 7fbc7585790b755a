/**
 * What pure and restricted evaluation may look at: cases for ours and for a real Nix. `DIR` stands for a directory that
 * `makeAccessTree` filled.
 */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface AccessCase {
  readonly flags: readonly string[];
  readonly expression: string;
  /** What is printed, or the last line of the error. */
  readonly expected: string;
}

/** The value that was printed, or the error's own line. */
export function verdictOf(output: string): string {
  return (/^ *error: .+$/gm.exec(output.replace(/^error:$/m, ""))?.[0] ?? output).trim();
}

export function makeAccessTree(directory: string): void {
  mkdirSync(join(directory, "allowed/inner"), { recursive: true });
  mkdirSync(join(directory, "tunnel"));
  mkdirSync(join(directory, "other"));
  writeFileSync(join(directory, "secret"), "secret");
  writeFileSync(join(directory, "allowed/file"), "open");
  writeFileSync(join(directory, "allowed/inner/default.nix"), "import ../../code.nix");
  writeFileSync(join(directory, "code.nix"), "42");
  symlinkSync("..", join(directory, "tunnel/out"));
  symlinkSync("../secret", join(directory, "allowed/leak"));
}

const RESTRICTED = ["--restrict-eval"];
const PURE = ["--pure-eval"];
const ALLOWED = [...RESTRICTED, "-I", "a=DIR/allowed"];
const forbidden = (path: string): string => `error: access to absolute path '${path}' is forbidden in restricted mode`;
const impure = (path: string): string =>
  `error: access to absolute path '${path}' is forbidden in pure evaluation mode (use '--impure' to override)`;

const restricted: readonly (readonly [flags: readonly string[], expression: string, expected: string])[] = [
  [RESTRICTED, "1 + 2", "3"],
  [RESTRICTED, "builtins.readFile DIR/secret", forbidden("DIR/secret")],
  [RESTRICTED, "builtins.readDir DIR/other", forbidden("DIR/other")],
  [RESTRICTED, "builtins.readFileType DIR/secret", forbidden("DIR/secret")],
  [RESTRICTED, "builtins.hashFile ''sha256'' DIR/secret", forbidden("DIR/secret")],
  [RESTRICTED, "builtins.pathExists DIR/secret", "false"],
  [RESTRICTED, "import DIR/code.nix", forbidden("DIR/code.nix")],
  [RESTRICTED, "import DIR/nothing.nix", forbidden("DIR/nothing.nix")],
  [RESTRICTED, "scopedImport { } DIR/code.nix", forbidden("DIR/code.nix")],
  [RESTRICTED, '"${DIR/secret}"', forbidden("DIR/secret")],
  [RESTRICTED, "builtins.path { path = DIR/secret; }", forbidden("DIR/secret")],
  [RESTRICTED, "builtins.filterSource (path: type: true) DIR/other", forbidden("DIR/other")],
  [RESTRICTED, 'builtins.getEnv "PATH"', '""'],
  [RESTRICTED, "builtins.readFile (builtins.toFile ''x'' ''text'')", '"text"'],
  [ALLOWED, "builtins.readFile <a/file>", '"open"'],
  [ALLOWED, "builtins.readFile DIR/allowed/file", '"open"'],
  [ALLOWED, "builtins.readFile DIR/allowed/leak", forbidden("DIR/secret")],
  [ALLOWED, "builtins.readFile <a/leak>", forbidden("DIR/secret")],
  [ALLOWED, "builtins.readFile DIR/allowed/../secret", forbidden("DIR/secret")],
  [ALLOWED, "import <a/inner>", forbidden("DIR/code.nix")],
  [ALLOWED, "builtins.attrNames (builtins.readDir DIR)", '[ "allowed" ]'],
  [ALLOWED, "builtins.attrNames (builtins.readDir DIR/allowed)", '[ "file" "inner" "leak" ]'],
  [[...RESTRICTED, "-I", "DIR/tunnel"], "builtins.readFile DIR/tunnel/out/secret", forbidden("DIR/secret")],
  [[...RESTRICTED, "-I", "DIR/tunnel"], "builtins.readDir DIR/tunnel/out", '{ tunnel = "directory"; }'],
  [
    RESTRICTED,
    "let __nixPath = [ { prefix = ''b''; path = DIR/allowed; } ]; in builtins.readFile <b/file>",
    forbidden("DIR/allowed"),
  ],
  [PURE, "1 + 2", "3"],
  [PURE, "builtins.readFile DIR/secret", impure("DIR/secret")],
  [PURE, "builtins.pathExists DIR/secret", "false"],
  [PURE, "import DIR/code.nix", impure("DIR/code.nix")],
  [PURE, '"${DIR/secret}"', impure("DIR/secret")],
  [PURE, "DIR/secret", "DIR/secret"],
  [PURE, "builtins ? currentTime || builtins ? currentSystem", "false"],
  [[...PURE, "-I", "a=DIR/allowed"], "builtins.nixPath", "[ ]"],
  [
    [...PURE, "-I", "a=DIR/allowed"],
    "<a>",
    "error: cannot look up '<a>' in pure evaluation mode (use '--impure' to override)",
  ],
  [PURE, "<nix/fetchurl.nix>", "<nix/fetchurl.nix>"],
  [PURE, 'builtins.getEnv "PATH"', '""'],
  [PURE, "~/file", "error: the path '~/file' can not be resolved in pure mode"],
  [PURE, "builtins.readFile (builtins.toFile ''x'' ''text'')", '"text"'],
  [
    PURE,
    "builtins.storePath ''/nix/store/00000000000000000000000000000000-x''",
    "error: 'builtins.storePath' is not allowed in pure evaluation mode",
  ],
];

export const ACCESS_CASES: readonly AccessCase[] = restricted.map(([flags, expression, expected]) => ({
  flags,
  expression,
  expected,
}));
