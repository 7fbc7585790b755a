/**
 * Writes a lock for packages given by name: `bin/node scripts/lock-names.ts OUT_DIR name name …`
 *
 * For work on `nix/` without a fleet; `pristine lock` does the same for the names a fleet needs. `--arch=arm64` before
 * the directory chooses another architecture, `--offline` uses only what was fetched before.
 */

import { LOCK_FILE_NAME } from "../src/realise/lock/lock-file.ts";
import { type DebianArchitecture, openIndexes, writeLock } from "../src/realise/lock/lock.ts";

const options = process.argv.slice(2).filter((word) => word.startsWith("--"));
const [directory, ...names] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
if (directory === undefined || names.length === 0) {
  process.stderr.write("usage: bin/node scripts/lock-names.ts [--arch=ARCH] [--offline] OUT_DIR NAME...\n");
  process.exit(1);
}
const architecture = (options.find((word) => word.startsWith("--arch="))?.slice(7) ?? "amd64") as DebianArchitecture;
const shared = {
  offline: options.includes("--offline"),
  signal: AbortSignal.timeout(300_000),
  onEvent: (event: { readonly kind: string }) => {
    if (event.kind !== "download") process.stderr.write(`${JSON.stringify(event)}\n`);
  },
};
const indexes = await openIndexes({ ...shared, architectures: [architecture] });
const outcome = await writeLock(indexes, {
  ...shared,
  lockPath: `${directory}/${LOCK_FILE_NAME}`,
  names: { [architecture]: names },
});
process.stderr.write(`${Object.keys(outcome.lock.architectures[architecture] ?? {}).length} packages\n`);
