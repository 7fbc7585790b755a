/** The files that `pristine init` writes, from the templates that ship with the program. */

import { dirname, join, resolve } from "node:path";
import { homedir } from "node:os";
import { OperationError } from "../base/errors.ts";
import {
  ensureDirectory,
  exists,
  isDirectory,
  namesIn,
  readText,
  readTextIfPresent,
  writeFileAtomic,
} from "../system/files.ts";

/** Names in the templates that would mean something in this repository. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: ".gitignore" };

function templates(): string {
  return resolve(
    import.meta.dirname,
    import.meta.filename.endsWith(".ts") ? "../../examples/start" : "../examples/start",
  );
}

/** Writes the templates below a directory; refuses when any file is in the way, before writing the first. */
export async function initFleet(directory: string): Promise<{ written: string[]; keys: number }> {
  const files = await filesBelow(templates(), "");
  const targets = files.map((path) =>
    join(directory, join(dirname(path), RENAMED[path] ?? path.split("/").at(-1) ?? path)),
  );
  for (const target of targets) {
    if (await exists(target)) {
      throw new OperationError("FILE_IN_THE_WAY", `${target} exists already`, {
        hint: "choose an empty directory: pristine init DIRECTORY",
      });
    }
  }
  for (const [index, path] of files.entries()) {
    const target = targets[index] ?? path;
    await ensureDirectory(dirname(target));
    await writeFileAtomic(target, await readText(join(templates(), path)));
  }
  const keys = await operatorKeys();
  if (keys.length > 0) {
    const target = join(directory, "keys/operator.pub");
    await ensureDirectory(dirname(target));
    await writeFileAtomic(target, `${keys.join("\n")}\n`);
    targets.push(target);
  }
  return { written: targets, keys: keys.length };
}

/** The public keys this user already has. */
async function operatorKeys(): Promise<string[]> {
  const keys: string[] = [];
  for (const name of ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"]) {
    const text = await readTextIfPresent(join(homedir(), ".ssh", name));
    if (text !== undefined) keys.push(text.trim());
  }
  return keys;
}

async function filesBelow(root: string, below: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of (await namesIn(join(root, below))).sort()) {
    const path = below === "" ? name : `${below}/${name}`;
    if (await isDirectory(join(root, path))) found.push(...(await filesBelow(root, path)));
    else found.push(path);
  }
  return found;
}
