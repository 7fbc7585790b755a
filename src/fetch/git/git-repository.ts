/** Questions to one repository on this machine. Names of files and references are byte strings. */

import { textOfByteString } from "../../base/byte-string.ts";
import { OperationError } from "../../base/errors.ts";
import { ByteReader } from "../../format/byte-reader.ts";
import { isDirectory } from "../../system/files.ts";
import type { Git, GitOptions } from "./git-program.ts";

export interface GitTreeEntry {
  readonly mode: "file" | "executable" | "symlink" | "directory" | "submodule";
  readonly id: string;
  readonly path: string;
}

export interface GitSubmodule {
  readonly path: string;
  readonly url: string;
  readonly branch: string;
}

const MODES: Readonly<Record<string, GitTreeEntry["mode"]>> = {
  "100644": "file",
  "100664": "file",
  "100755": "executable",
  "120000": "symlink",
  "040000": "directory",
  "160000": "submodule",
};

export class GitRepository {
  /** The work tree, or the repository itself when it has none; an ordinary path. */
  readonly path: string;
  readonly isBare: boolean;
  readonly #git: Git;

  constructor(git: Git, path: string, options: { readonly isBare: boolean }) {
    this.#git = git;
    this.path = path;
    this.isBare = options.isBare;
  }

  #arguments(args: readonly string[]): string[] {
    return this.isBare ? ["--git-dir", this.path, ...args] : ["-C", this.path, ...args];
  }

  async #output(what: string, args: readonly string[], options?: GitOptions): Promise<Buffer> {
    return await this.#git.output(what, this.#arguments(args), options);
  }

  /** Throws when there is no repository that may be read. */
  async check(): Promise<void> {
    const { ok, stdout, said } = await this.#git.run(this.#arguments(["rev-parse", "--show-prefix"]));
    // A directory within somebody else's work tree is none of its own.
    if (ok && (this.isBare || stdout.toString("utf8").trim() === "")) return;
    const reason = ok ? "it is only a part of a repository" : said;
    throw new OperationError("FETCH_FAILED", `opening Git repository "${this.path}": ${reason}`);
  }

  /** The commit that a reference leads to. */
  async resolve(reference: string): Promise<string> {
    const found = await this.find(`${reference}^{commit}`);
    if (found !== undefined) return found;
    const shown = textOfByteString(reference);
    throw new OperationError("FETCH_FAILED", `resolving Git reference '${shown}': revspec '${shown}' not found`);
  }

  /** The object of a name, if there is one. */
  async find(name: string): Promise<string | undefined> {
    const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", textOfByteString(name)];
    const { ok, stdout } = await this.#git.run(this.#arguments(args));
    return ok ? stdout.toString("utf8").trim() : undefined;
  }

  async hasObject(id: string): Promise<boolean> {
    return (await this.#git.run(this.#arguments(["cat-file", "-e", id]))).ok;
  }

  /** The branch that is checked out, `refs/heads/…`; `undefined` when none is. */
  async headReference(): Promise<string | undefined> {
    const { ok, stdout } = await this.#git.run(this.#arguments(["symbolic-ref", "--quiet", "HEAD"]));
    return ok ? stdout.toString("latin1").trim() : undefined;
  }

  async isShallow(): Promise<boolean> {
    const said = await this.#output("reading a repository", ["rev-parse", "--is-shallow-repository"]);
    return said.toString("latin1").trim() === "true";
  }

  /**
   * What git says of the signature of a commit, given who may sign. A repository must not choose the programs that
   * check it.
   */
  async verifyCommit(rev: string, signersFile: string): Promise<{ readonly ok: boolean; readonly said: string }> {
    const programs = [
      "gpg.ssh.program=ssh-keygen",
      "gpg.program=gpg",
      "gpg.openpgp.program=gpg",
      "gpg.x509.program=gpgsm",
    ];
    const settings = [`gpg.ssh.allowedSignersFile=${signersFile}`, ...programs].flatMap((one) => ["-c", one]);
    const { ok, stdout, stderr } = await this.#git.run([...settings, ...this.#arguments(["verify-commit", rev])]);
    return { ok, said: stdout.toString("utf8") + stderr };
  }

  /** When a commit was made, in seconds. */
  async commitTime(rev: string): Promise<number> {
    const what = `getting Git object '${rev}'`;
    const args = ["show", "--no-patch", "--no-show-signature", "--format=%ct", `${rev}^{commit}`];
    const lines = (await this.#output(what, args)).toString("latin1").trim().split("\n");
    return Number(lines.at(-1));
  }

  async revisionCount(rev: string): Promise<number> {
    const count = await this.#output("counting the commits", ["rev-list", "--count", rev]);
    return Number(count.toString("latin1").trim());
  }

  /** Everything in a commit, directories before what is in them. */
  async tree(rev: string): Promise<readonly GitTreeEntry[]> {
    const what = `getting Git object '${rev}'`;
    const listing = await this.#output(what, ["ls-tree", "-r", "-t", "-z", "--full-tree", rev]);
    return records(listing).map((record) => {
      const [, mode = "", id = "", path = ""] = /^(\d{6}) \w+ ([0-9a-f]+)\t([\s\S]+)$/.exec(record) ?? [];
      const kind = MODES[mode];
      if (kind === undefined) {
        throw new OperationError("FETCH_FAILED", `file '${textOfByteString(path)}' has an unsupported Git file type`);
      }
      return { mode: kind, id, path };
    });
  }

  /** Hands the contents of objects to `use`, one after the other. */
  async readBlobs(
    ids: readonly string[],
    use: (index: number, contents: AsyncIterable<Uint8Array>) => Promise<void>,
  ): Promise<void> {
    if (ids.length === 0) return;
    const running = await this.#git.open(this.#arguments(["cat-file", "--batch"]));
    const input = new ByteReader(running.readable as AsyncIterable<Uint8Array>, "git cat-file");
    try {
      running.writable.end(ids.map((id) => `${id}\n`).join(""));
      for (const [index, id] of ids.entries()) {
        const header = Buffer.from(await input.takeUntil(NEWLINE, HEADER_BYTES_MAX)).toString("latin1");
        const size = /^[0-9a-f]+ blob (\d+)$/.exec(header)?.[1];
        if (size === undefined) throw new OperationError("FETCH_FAILED", `getting Git object '${id}': ${header}`);
        const left = { bytes: Number(size) };
        await use(index, contentsOf(input, left));
        await input.skip(left.bytes + 1);
      }
    } finally {
      await running.close();
    }
  }

  /** Those of some paths that `.gitattributes` says are not to be exported. */
  async exportIgnored(
    rev: string | undefined,
    paths: readonly string[],
    workDir: string,
  ): Promise<ReadonlySet<string>> {
    // An index of the commit alone, so that git reads the attributes from there.
    const env = rev === undefined ? {} : { GIT_INDEX_FILE: `${workDir}/index` };
    if (rev !== undefined)
      await this.#output("reading a commit", ["read-tree", "--index-output", `${workDir}/index`, rev]);
    const asked: string[] = [];
    // What is a directory can be seen in a work tree only.
    for (const path of paths) {
      const isShown = !this.isBare && (await isDirectory(`${this.path}/${textOfByteString(path)}`));
      asked.push(isShown ? `${path}/` : path);
    }
    const args = ["check-attr", "--cached", "-z", "--stdin", "export-ignore"];
    const stdin = Buffer.from(asked.map((path) => `${path}\0`).join(""), "latin1");
    const answers = records(await this.#output("reading attributes", args, { env, stdin }));
    const ignored = new Set<string>();
    for (let at = 0; at + 2 < answers.length; at += 3) {
      if (answers[at + 2] === "set") ignored.add(answers[at]!.replace(/\/$/, ""));
    }
    return ignored;
  }

  /** What `.gitmodules` says, in the order of its sections' names; `source` is a file or a blob. */
  async submodules(source: { readonly file: string } | { readonly blob: string }): Promise<readonly GitSubmodule[]> {
    const from = "file" in source ? ["--file", source.file] : ["--blob", source.blob];
    const { ok, stdout } = await this.#git.run(
      this.#arguments(["config", "-z", ...from, "--get-regexp", "^submodule\\..*\\.(path|url|branch)$"]),
    );
    if (!ok) return [];
    const values = new Map<string, string>();
    for (const record of records(stdout)) {
      const newline = record.indexOf("\n");
      const key = record.slice("submodule.".length, newline < 0 ? undefined : newline);
      if (!values.has(key)) values.set(key, newline < 0 ? "" : record.slice(newline + 1));
    }
    const keys = [...values.keys()].filter((key) => key.endsWith(".path")).toSorted();
    return keys.map((key) => {
      const section = key.slice(0, -".path".length);
      return {
        path: values
          .get(key)!
          .split("/")
          .filter((name) => name !== "" && name !== ".")
          .join("/"),
        url: values.get(`${section}.url`) ?? "",
        branch: values.get(`${section}.branch`) ?? "",
      };
    });
  }

  /** The URL of a submodule, which may be relative to where the repository comes from. */
  async submoduleUrl(url: string): Promise<string> {
    if (!url.startsWith("./") && !url.startsWith("../")) return url;
    const { ok, stdout } = await this.#git.run(this.#arguments(["config", "--get", "remote.origin.url"]));
    let base = ok ? stdout.toString("latin1").trim() : this.path;
    let rest = url;
    for (;;) {
      if (rest.startsWith("./")) rest = rest.slice(2);
      else if (rest.startsWith("../")) {
        rest = rest.slice(3);
        base = base.replace(/[/:][^/:]*$/, "");
      } else return `${base}/${rest}`;
    }
  }

  /** The files of the index, as they are in the work tree, and whether anything differs from the commit. */
  async workTree(): Promise<{ readonly files: readonly string[]; readonly isDirty: boolean }> {
    const what = "getting working directory status";
    const listed = records(await this.#output(what, ["ls-files", "-z", "--cached", "--stage", "--full-name"]));
    const flags = ["--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=all", "--no-renames"];
    const changes = records(await this.#output(what, ["status", ...flags]));
    const deleted = new Set(
      changes.filter((record) => record[0] === "D" || record[1] === "D").map((record) => record.slice(3)),
    );
    const files = new Set<string>();
    for (const record of listed) {
      const [, mode = "", path = ""] = /^(\d{6}) [^\t]*\t([\s\S]+)$/.exec(record) ?? [];
      if (MODES[mode] !== "submodule" && !deleted.has(path)) files.add(path);
    }
    return { files: [...files], isDirty: changes.length > 0 };
  }
}

const NEWLINE = 10;
const HEADER_BYTES_MAX = 4096;

async function* contentsOf(input: ByteReader, left: { bytes: number }): AsyncGenerator<Uint8Array, void, undefined> {
  while (left.bytes > 0) {
    const chunk = await input.some(left.bytes);
    left.bytes -= chunk.length;
    yield chunk;
  }
}

/** What git separates by NUL. */
function records(output: Buffer): string[] {
  const text = output.toString("latin1");
  return text === "" ? [] : text.replace(/\0$/, "").split("\0");
}
