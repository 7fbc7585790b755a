/** The files that `pristine init` writes, from the templates that ship with the program. */

import { dirname, join } from "node:path";
import { OperationError } from "../base/errors.ts";
import { homeDirectory } from "../system/directories.ts";
import {
  ensureDirectory,
  exists,
  filesBelow,
  namesIn,
  readText,
  readTextIfPresent,
  writeFileAtomic,
} from "../system/files.ts";
import { runChecked } from "../system/process.ts";
import { programFile } from "../system/program-files.ts";

/** Names in the templates that would mean something in this repository. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: ".gitignore" };

export interface InitOptions {
  /** A directory of `examples/`. */
  readonly template: string;
  /** Make a key pair for this fleet even when the user has one. */
  readonly newKey: boolean;
  readonly signal: AbortSignal;
}

/** Where the operator's key of a fleet lies, when it has one of its own. */
export const OPERATOR_KEY = "keys/operator";

async function templateDirectory(name: string): Promise<string> {
  const examples = programFile("examples");
  const known = (await namesIn(examples)).sort();
  if (!known.includes(name)) {
    throw new OperationError("TEMPLATE_UNKNOWN", `there is no template '${name}'`, {
      hint: `one of: ${known.join(", ")}`,
    });
  }
  return join(examples, name);
}

/** Writes a template below a directory; refuses when any file is in the way, before writing the first. */
export async function initFleet(
  directory: string,
  options: InitOptions,
): Promise<{ written: string[]; madeKey: boolean }> {
  const template = await templateDirectory(options.template);
  const files = (await filesBelow(template)).filter((path) => !/^(pristine\.lock|keys)(\.|\/|$)/.test(path));
  const key = join(directory, OPERATOR_KEY);
  const targets = files.map((path) => join(directory, dirname(path), RENAMED[path] ?? path.split("/").at(-1) ?? path));
  for (const target of [...targets, key, `${key}.pub`]) {
    if (await exists(target)) {
      throw new OperationError("FILE_IN_THE_WAY", `${target} exists already`, {
        hint: "choose an empty directory: pristine init DIRECTORY",
      });
    }
  }
  for (const [index, path] of files.entries()) {
    const target = targets[index] ?? path;
    await ensureDirectory(dirname(target));
    await writeFileAtomic(target, await readText(join(template, path)));
  }
  await ensureDirectory(dirname(key));
  const keys = options.newKey ? [] : await operatorKeys();
  if (keys.length > 0) {
    await writeFileAtomic(`${key}.pub`, `${keys.join("\n")}\n`);
    return { written: [...targets, `${key}.pub`], madeKey: false };
  }
  await runChecked(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f", key], {
    signal: options.signal,
  });
  return { written: [...targets, key, `${key}.pub`], madeKey: true };
}

/** The public keys this user already has. */
async function operatorKeys(): Promise<string[]> {
  const keys: string[] = [];
  for (const name of ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"]) {
    const text = await readTextIfPresent(join(homeDirectory(), ".ssh", name));
    if (text !== undefined) keys.push(text.trim());
  }
  return keys;
}
