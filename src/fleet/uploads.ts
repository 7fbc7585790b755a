/** Files that the deployer puts on a host over ssh (`deployment.uploads`), read here when they are uploaded. */

import { resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import { renderArgv } from "../base/shell-words.ts";
import { exists, readBytesIfPresent } from "../system/files.ts";
import { findProgram, renderExit, run, succeeded } from "../system/process.ts";
import type { SshConnection } from "./ssh.ts";

/** As `nix/modules/uploads.nix` hands it over: never what is in it. */
export interface Upload {
  readonly name: string;
  /** Where it is defined, for people. */
  readonly place: string;
  readonly source: "file" | "command" | "text";
  readonly file: string | null;
  readonly command: readonly string[] | null;
  readonly path: string;
  readonly owner: string;
  readonly group: string;
  readonly mode: string;
  readonly when: "preActivation" | "postActivation";
  readonly makeDirectories: boolean;
  readonly afterwards: readonly string[];
}

export interface UploadContext {
  /** Whose they are. */
  readonly host: string;
  readonly uploads: readonly Upload[];
  /** Where programs run, and what paths are relative to: the fleet's directory. */
  readonly directory: string;
  readonly textOf: (upload: Upload) => Promise<string>;
  /** A file on the host in which is noted what is made there, where only that may be replaced. */
  readonly ledger?: string;
  readonly connection: Pick<SshConnection, "run">;
  readonly onNote: (text: string) => void;
  readonly signal: AbortSignal;
}

const BYTES_MAX = 16 * 1024 * 1024;
const COMMAND_DEADLINE_MS = 120_000;
const UPLOAD_DEADLINE_MS = 120_000;

/** On hosts that others have installed, from which all that was put there is to be taken away again: a path on each line, directories before what is in them. */
export const UPLOADED = "/nix/var/pristine/uploads";

/**
 * Run by `sh -c` with path, owner, group, mode, size, whether owners may be missing, whether directories are made, and the ledger or nothing:
 * puts its input there whole or not at all, never readable for others on the way. Says `same` for what is there
 * already, and `unowned` where the owner is missing. What one left that was killed is older than any that is at work.
 */
export const UPLOAD_SCRIPT = `
set -eu
umask 022
ledger=$8
noted() { grep -qsxF -e "$1" "$ledger"; }
note() { [ -z "$ledger" ] || noted "$1" || { printf '%s\\n' "$1" >>"$ledger"; sync "$ledger"; }; }
note_missing() { [ -e "$1" ] || { note_missing "$(dirname "$1")"; note "$1"; }; }
if [ -n "$ledger" ]; then
  [ -d "$(dirname "$ledger")" ] || { echo "nothing of ours is on the host: deploy to it first" >&2; exit 1; }
  { [ ! -e "$1" ] && [ ! -h "$1" ]; } || noted "$1" || { echo "$1 is on the host already, and not of our making" >&2; exit 1; }
fi
[ "$7" = no ] || { note_missing "$(dirname "$1")"; mkdir -p "$(dirname "$1")"; }
note "$1"
umask 077
new=$(mktemp "$1.upload-XXXXXX")
trap 'rm -f "$new"' EXIT
for left in "$1".upload-??????; do
  [ "$(($(date +%s) - $(stat -c %Y "$left")))" -lt 600 ] || rm -f "$left"
done
cat >"$new"
[ "$(wc -c <"$new")" -eq "$5" ]
said=done
chown "$2:$3" "$new" 2>/dev/null || if [ "$6" = yes ]; then said=unowned; else echo "there is no user $2 or group $3" >&2; exit 1; fi
chmod "$4" "$new"
if [ -f "$1" ] && cmp -s "$new" "$1" && [ "$(stat -c '%u %g %a' "$new")" = "$(stat -c '%u %g %a' "$1")" ]; then
  echo same
  exit
fi
sync "$new"
mv -T "$new" "$1"
trap - EXIT
echo $said
`;

/** One host's uploads during one command. */
export class HostUploads {
  readonly #context: UploadContext;
  readonly #contents = new Map<string, Promise<Uint8Array>>();
  /** What has to come once more, since its owner was missing: all of it while nothing has come. */
  #due: Set<string>;

  constructor(context: UploadContext) {
    this.#context = context;
    this.#due = new Set(context.uploads.map(({ name }) => name));
  }

  /** Reads everything here, so that what is missing is noticed before anything is done. */
  async read(): Promise<void> {
    for (const upload of this.#context.uploads) await this.#read(upload);
  }

  /** Uploads what is due before an activation. */
  async before(): Promise<void> {
    const { uploads } = this.#context;
    await this.read();
    this.#due = new Set();
    for (const upload of uploads)
      if (upload.when === "postActivation") this.#due.add(upload.name);
      else await this.#upload(upload, { mayLackOwner: true });
  }

  /** Uploads what is still due to a host whose system runs. */
  async after(): Promise<void> {
    const due = this.#context.uploads.filter(({ name }) => this.#due.has(name));
    for (const upload of due) await this.#read(upload);
    for (const upload of due) await this.#upload(upload, { mayLackOwner: false });
  }

  #read(upload: Upload): Promise<Uint8Array> {
    const contents = this.#contents.get(upload.name) ?? readUpload(upload, this.#context);
    this.#contents.set(upload.name, contents);
    return contents;
  }

  async #upload(upload: Upload, { mayLackOwner }: { readonly mayLackOwner: boolean }): Promise<void> {
    const { afterwards, group, makeDirectories, mode, name, owner, path } = upload;
    const { connection, host, ledger = "", onNote, signal } = this.#context;
    const contents = await this.#read(upload);
    const flags = [mayLackOwner, makeDirectories].map(yesNo);
    const words = [path, owner, group, mode, String(contents.length), ...flags, ledger];
    const outcome = await connection.run(
      { argv: ["sh", "-c", UPLOAD_SCRIPT, "upload", ...words], stdin: contents },
      { signal, asRoot: true, deadlineMs: UPLOAD_DEADLINE_MS },
    );
    if (!succeeded(outcome)) throw failed(upload, host, lastLine(outcome.stderr) || renderExit(outcome));
    const said = lastLine(outcome.stdout);
    if (said === "unowned") this.#due.add(name);
    onNote(said === "same" ? `upload ${name}: as it was` : `upload ${name}: ${path}`);
    const [program, ...args] = afterwards;
    if (said === "same" || program === undefined) return;
    const followed = await connection.run({ argv: [program, ...args] }, { signal, deadlineMs: UPLOAD_DEADLINE_MS });
    if (succeeded(followed)) return;
    throw failed(upload, host, `'${renderArgv(afterwards)}': ${lastLine(followed.stderr) || renderExit(followed)}`);
  }
}

const yesNo = (value: boolean): string => (value ? "yes" : "no");

function lastLine(output: Buffer): string {
  return output.toString("utf8").trim().split("\n").at(-1) ?? "";
}

function failed({ name, place }: Upload, host: string, why: string): OperationError {
  return new OperationError("UPLOAD_FAILED", `upload '${name}' to ${host} failed: ${why}`, {
    hint: `it is declared in ${place}; deploy again, or run 'pristine secrets upload ${host}'`,
  });
}

function sourceError({ name, place }: Upload, host: string, why: string): OperationError {
  return new OperationError("UPLOAD_SOURCE", `upload '${name}' of ${host} cannot be read: ${why}`, {
    hint: `it is declared in ${place}`,
  });
}

/** Refuses what could not be uploaded from here, before anything is done to a host. */
export async function requireUploads(
  { name, uploads = [] }: { readonly name: string; readonly uploads?: readonly Upload[] | undefined },
  directory: string,
): Promise<void> {
  for (const upload of uploads) {
    const { command, file } = upload;
    if (file !== null) {
      const path = resolve(directory, file);
      if (!(await exists(path))) throw sourceError(upload, name, `there is no file ${path}`);
    }
    const [program] = command ?? [];
    if (program !== undefined && (await findProgram(resolveProgram(program, directory))) === undefined)
      throw sourceError(upload, name, `${program} is no program on this machine`);
  }
}

function resolveProgram(program: string, directory: string): string {
  return program.includes("/") ? resolve(directory, program) : program;
}

async function readUpload(upload: Upload, context: UploadContext): Promise<Uint8Array> {
  const { command, file } = upload;
  const { directory, host, signal } = context;
  if (file !== null) {
    const path = resolve(directory, file);
    const bytes = await readBytesIfPresent(path);
    if (bytes === undefined) throw sourceError(upload, host, `there is no file ${path}`);
    return bytes;
  }
  if (command === null) return Buffer.from(await context.textOf(upload));
  // It may ask on the terminal.
  const outcome = await run(command as [string, ...string[]], {
    cwd: directory,
    group: "shared",
    signal,
    deadlineMs: COMMAND_DEADLINE_MS,
    outputSizeMax: BYTES_MAX,
  });
  if (succeeded(outcome)) return outcome.stdout;
  const said = [outcome.timedOut ? "it did not end in time" : renderExit(outcome), lastLine(outcome.stderr)];
  throw sourceError(upload, host, `${renderArgv(command)}: ${said.filter((part) => part !== "").join(", ")}`);
}
