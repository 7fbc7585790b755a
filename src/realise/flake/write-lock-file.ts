/** Puts a lock file where it belongs: replaced in one step, and made known to git when the flake is a work tree. */

import { bytesOfByteString, textOfByteString } from "../../base/byte-string.ts";
import { OperationError } from "../../base/errors.ts";
import type { LockFileWrite } from "../../language/flake/settle-locks.ts";
import { exists, writeFileAtomic } from "../../system/files.ts";
import { run, runChecked, succeeded } from "../../system/process.ts";

export async function writeLockFile(write: LockFileWrite, signal: AbortSignal): Promise<void> {
  const path = textOfByteString(write.path);
  await writeFileAtomic(path, bytesOfByteString(write.text));
  const root = write.root === undefined ? undefined : textOfByteString(write.root);
  if (root === undefined || !(await exists(`${root}/.git`))) {
    if (write.commitMessage !== undefined) {
      throw new OperationError(
        "FLAKE_NOT_A_REPOSITORY",
        `'${path}' is written but not committed: it is in no git work tree`,
      );
    }
    return;
  }
  const name = path.slice(root.length + 1);
  const git = (...args: readonly string[]): readonly string[] => ["git", "-C", root, ...args];
  const ignored = await run(git("check-ignore", "--quiet", name), { signal });
  if (succeeded(ignored)) return;
  await runChecked(git("add", "--intent-to-add", "--", name), { signal });
  if (write.commitMessage === undefined) return;
  const message = bytesOfByteString(write.commitMessage);
  await runChecked(git("commit", "--quiet", "-F", "-", "--", name), { signal, stdin: message });
}
