/** Changing the operators' files, and with them the files of the hosts that use them. */

import { basename } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { ensureDirectory, exists, writeFileAtomic } from "../../system/files.ts";
import { MemoryDirectory } from "../../system/memory-directory.ts";
import { renderExit, run, succeeded } from "../../system/process.ts";
import type { HostInventory, Inventory } from "../inventory.ts";
import { encryptTo, requireRecipients, SECRET_BYTES_MAX } from "./age-file.ts";
import { type OperatorsFile, operatorsFiles } from "./declared.ts";
import { HostFiles } from "./host-files.ts";
import {
  generateSecret,
  readOperatorsFile,
  readSource,
  type SecretSource,
  sha256Of,
  type SourceContext,
} from "./source.ts";

/** What became of one host's files. */
export interface HostFilesChange {
  readonly host: string;
  /** Secrets whose files were written. */
  readonly written: readonly string[];
  /** Why nothing could be written. */
  readonly withoutKey?: true;
}

/** What became of an operators' file. */
export interface FileChange {
  readonly file: string;
  readonly isChanged: boolean;
  readonly hosts: readonly HostFilesChange[];
}

/** The keys that operators' files are encrypted to; there must be one, or nobody could ever read them. */
function recipientsOf({ fleetFile, secrets: { recipients } }: Inventory): readonly string[] {
  if (recipients.length === 0) {
    throw new OperationError("SECRET_RECIPIENTS_MISSING", `${fleetFile} says for nobody that secrets are encrypted`, {
      hint: 'add meta.secrets.recipients = [ "age1…" ]: the keys of those who may change secrets (age-keygen -y, or a public key of ssh)',
    });
  }
  requireRecipients(recipients);
  return recipients;
}

export interface Editing {
  /** Gives a secret its new bytes, from those that it has. */
  readonly edit: (plaintext: Uint8Array, file: string) => Promise<Uint8Array>;
  /** What it has does not matter, and need not be readable. */
  readonly isReplaced: boolean;
}

/** Changes an operators' file, which is made when it is not there, and the files of the hosts that use it. */
export async function editFile(
  inventory: Inventory,
  file: OperatorsFile,
  { edit, isReplaced }: Editing,
  context: SourceContext,
): Promise<FileChange> {
  const recipients = recipientsOf(inventory);
  const isNew = !(await exists(file.path));
  const before = isNew ? new Uint8Array() : await readBefore(file.path, isReplaced, context);
  const after = await edit(before, file.path);
  if (after.length === 0) {
    throw new OperationError(
      "SECRET_EMPTY",
      `the secret would be empty, and ${file.path} is left as it ${isNew ? "was: absent" : "is"}`,
      {
        hint: "remove its declaration to be without it",
      },
    );
  }
  if (after.length > SECRET_BYTES_MAX) {
    throw new OperationError(
      "SECRET_TOO_LARGE",
      `${after.length} bytes are more than a secret may have, ${SECRET_BYTES_MAX}`,
      {
        hint: "encrypt large data by a key, and let that be the secret",
      },
    );
  }
  if (!isNew && Buffer.from(after).equals(before)) return { file: file.path, isChanged: false, hosts: [] };
  return await writeFile(inventory, file, { recipients, plaintext: after });
}

async function readBefore(path: string, isReplaced: boolean, context: SourceContext): Promise<Uint8Array> {
  try {
    return (await readOperatorsFile(path, context)).plaintext;
  } catch (error) {
    const isUnreadable = error instanceof OperationError && ["SECRET_DAMAGED", "SECRET_IDENTITY"].includes(error.code);
    if (isReplaced && isUnreadable) return new Uint8Array();
    throw error;
  }
}

async function writeFile(
  { fleetFile }: Inventory,
  { path, users }: OperatorsFile,
  { recipients, plaintext }: { readonly recipients: readonly string[]; readonly plaintext: Uint8Array },
): Promise<FileChange> {
  const text = await encryptTo(recipients, plaintext);
  await ensureDirectory(path.slice(0, path.lastIndexOf("/")));
  await writeFileAtomic(path, text);
  const hosts: HostFilesChange[] = [];
  const byHost = Map.groupBy(users, ({ host }) => host);
  for (const [host, used] of byHost) {
    const files = await HostFiles.open(fleetFile, host.name);
    const recipient = files.recipientOf(host.secrets?.hostKey ?? null);
    const names = used.map(({ secret }) => secret.name);
    // What is for another key is for `secrets rekey`, which writes all of them.
    if (recipient === undefined || !(files.isFor(recipient) || (await isEmpty(files)))) {
      hosts.push({ host: host.name, written: [], withoutKey: true });
      continue;
    }
    const source: SecretSource = { plaintext, source: sha256Of(text) };
    await files.write(recipient, new Map(names.map((name) => [name, source])), declaredNames(host));
    hosts.push({ host: host.name, written: names });
  }
  return { file: path, isChanged: true, hosts };
}

async function isEmpty(files: HostFiles): Promise<boolean> {
  return !(await exists(`${files.directory}/secrets.json`));
}

function declaredNames(host: HostInventory): string[] {
  return (host.secrets?.secrets ?? []).map(({ name }) => name);
}

/** Makes the file of each secret that says how, where there is none. */
export async function generateFiles(
  inventory: Inventory,
  files: readonly OperatorsFile[],
  context: SourceContext,
): Promise<FileChange[]> {
  const recipients = recipientsOf(inventory);
  const made: FileChange[] = [];
  for (const file of files) {
    if (file.generate === null || (await exists(file.path))) continue;
    const what = `the secret in ${file.path}`;
    const plaintext = await generateSecret(file.generate, what, context);
    made.push(await writeFile(inventory, file, { recipients, plaintext }));
  }
  return made;
}

/** Encrypts every operators' file for those who are declared now; what hosts have stays as it is. */
export async function rekeyOperators(inventory: Inventory, context: SourceContext): Promise<string[]> {
  const [failure] = inventory.failed.values();
  // Which files are for a host that cannot be evaluated nobody knows.
  if (failure !== undefined) throw failure;
  const recipients = recipientsOf(inventory);
  const hosts = await Promise.all(inventory.hosts.map(async ({ name }) => HostFiles.open(inventory.fleetFile, name)));
  const rewritten: string[] = [];
  // All of them are read before one is written: a key that is missing leaves everything as it was.
  const read = [];
  for (const { path } of operatorsFiles(inventory.hosts)) {
    if (await exists(path)) read.push({ path, ...(await readOperatorsFile(path, context)) });
  }
  for (const { path, plaintext, bytes } of read) {
    const text = await encryptTo(recipients, plaintext);
    await writeFileAtomic(path, text);
    for (const files of hosts) await files.follow(sha256Of(bytes), sha256Of(text));
    rewritten.push(path);
  }
  return rewritten;
}

/** Writes a host's files, those that are not as they should be, or all of them. */
export async function rekeyHost(
  { fleetFile }: Inventory,
  host: HostInventory,
  {
    hostKey = host.secrets?.hostKey ?? null,
    isRefreshed,
  }: { readonly hostKey?: string | null; readonly isRefreshed: boolean },
  context: SourceContext,
): Promise<HostFilesChange> {
  const { secrets = [] } = host.secrets ?? {};
  const files = await HostFiles.open(fleetFile, host.name);
  const recipient = files.recipientOf(hostKey);
  if (recipient === undefined) {
    throw new OperationError(
      "SECRET_HOST_KEY",
      `no ssh key of ${host.name} is enrolled that its secrets could be encrypted for`,
      {
        hint: `run 'pristine secrets rekey --enroll ${host.name}', which asks the host for it, or set deployment.hostKey`,
      },
    );
  }
  const isForIt = files.isFor(recipient);
  const wanted = secrets.filter(({ file, state }) => !isForIt || state !== "fresh" || (isRefreshed && file === null));
  // Everything is read before anything is written.
  const sources = new Map<string, SecretSource>();
  for (const secret of wanted) sources.set(secret.name, await readSource(secret, context));
  await files.write(recipient, sources, declaredNames(host));
  return { host: host.name, written: [...sources.keys()] };
}

/** Lets a person edit in memory. */
export async function editInMemory(
  plaintext: Uint8Array,
  file: string,
  { editor, signal }: { readonly editor: string; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  using directory = MemoryDirectory.make();
  if (directory === undefined) {
    throw new OperationError(
      "SECRET_NO_MEMORY",
      "this machine has no directory in memory in which a secret could be edited",
      {
        hint: "mount a tmpfs at /dev/shm, or give the secret on standard input: pristine secrets edit --stdin NAME",
      },
    );
  }
  const name = basename(file).replace(/\.age$/, "");
  const path = directory.write(name, plaintext);
  // As everybody calls it: the variable may have arguments of its own.
  const outcome = await run(["sh", "-c", `${editor} "$1"`, "editor", path], {
    stdin: "inherit",
    output: "inherit",
    group: "shared",
    signal,
  });
  if (!succeeded(outcome)) {
    throw new OperationError(
      "SECRET_EDITOR_FAILED",
      `the editor '${editor}': ${renderExit(outcome)}; nothing was changed`,
      {
        hint: "set VISUAL or EDITOR to the one you want",
      },
    );
  }
  return directory.read(name) ?? new Uint8Array();
}
