/** A real Nix's copy out of the store that tests build in. */

import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { oracleCommand } from "../../scripts/oracle.ts";
import { TEST_STORE_ROOT } from "./test-store.ts";

/** Copies a path with its closure to a store of Nix's: `ssh://root@HOST`, by the lab's configuration, or below `directory`. */
export function nixCopy(
  path: string,
  to: string,
  options: { readonly sshConfig: string; readonly directory: string },
): void {
  const { sshConfig, directory } = options;
  const copy = ["env", `NIX_SSHOPTS=-F ${sshConfig}`, "nix", "copy", "--no-check-sigs", "--to", to, path];
  const bind = [dirname(sshConfig), directory];
  const { argv, env } = oracleCommand(copy, { nixDir: join(TEST_STORE_ROOT, "nix"), bind });
  execFileSync(argv[0]!, argv.slice(1), { env, stdio: ["ignore", "ignore", "pipe"], timeout: 120_000 });
}
