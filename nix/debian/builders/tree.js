// Reading directories and writing trees of links and files, in a fixed order, for the builders of this directory.
import * as std from "std";
import * as os from "os";

/** Ends the build; the message is what the user reads. */
export function fail(message) {
  std.err.puts(`error: ${message}\n`);
  std.exit(1);
}

function check(result, what) {
  if (result < 0) fail(`${what}: ${std.strerror(-result)}`);
}

/** The manifest Nix wrote for this build. */
export function readManifest() {
  const path = std.getenv("manifestPath");
  const text = std.loadFile(path);
  if (text === null) fail(`cannot read the manifest ${path}`);
  return JSON.parse(text);
}

/** Names in a directory, sorted; empty when there is no such directory. */
export function namesIn(directory) {
  const [names, error] = os.readdir(directory);
  if (error === 2) return [];
  if (error !== 0) fail(`cannot list ${directory}: ${std.strerror(error)}`);
  return names.filter((name) => name !== "." && name !== "..").sort();
}

/** "directory", "link", "file", or undefined when nothing is there. */
export function kindOf(path) {
  const [status, error] = os.lstat(path);
  if (error !== 0) return undefined;
  const type = status.mode & os.S_IFMT;
  if (type === os.S_IFDIR) return "directory";
  if (type === os.S_IFLNK) return "link";
  return "file";
}

/** Whether a file may be executed. */
export function isExecutable(path) {
  const [status, error] = os.stat(path);
  return error === 0 && (status.mode & 0o111) !== 0;
}

/** Where a link points. */
export function targetOf(path) {
  const [target, error] = os.readlink(path);
  if (error !== 0) fail(`cannot read the link ${path}: ${std.strerror(error)}`);
  return target;
}

/** A file's bytes. */
export function bytesOf(path) {
  const file = std.open(path, "rb");
  if (file === null) fail(`cannot read ${path}`);
  file.seek(0, std.SEEK_END);
  const bytes = new ArrayBuffer(file.tell());
  file.seek(0, std.SEEK_SET);
  const read = file.read(bytes, 0, bytes.byteLength);
  file.close();
  if (read !== bytes.byteLength) fail(`cannot read all of ${path}`);
  return bytes;
}

/** Whether two files have the same bytes. */
export function sameBytes(one, other) {
  const a = new Uint8Array(bytesOf(one));
  const b = new Uint8Array(bytesOf(other));
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

export function makeDirectory(path) {
  check(os.mkdir(path, 0o755), `cannot make ${path}`);
}

export function makeLink(target, path) {
  check(os.symlink(target, path), `cannot make the link ${path}`);
}

/** Writes a file from a string or from bytes. */
export function writeFile(path, content, { executable = false } = {}) {
  const descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, executable ? 0o755 : 0o644);
  check(descriptor, `cannot write ${path}`);
  const file = std.fdopen(descriptor, "w");
  if (typeof content === "string") file.puts(content);
  else file.write(content, 0, content.byteLength);
  if (file.error() || file.close() < 0) fail(`cannot write all of ${path}`);
}

/**
 * A tree to be written. Each entry knows whose it is, so that a conflict can name both.
 * Entries: { kind: "directory", children: Map }, { kind: "link", target }, { kind: "file", content, executable }.
 */
export class Tree {
  constructor() {
    this.root = { kind: "directory", owner: "", children: new Map() };
  }

  /** The directory at a path, made when absent; undefined when something else is in the way. */
  directory(path, owner) {
    let at = this.root;
    if (path === "") return at;
    for (const name of path.split("/")) {
      let next = at.children.get(name);
      if (next === undefined) {
        next = { kind: "directory", owner, children: new Map() };
        at.children.set(name, next);
      }
      if (next.kind !== "directory") return undefined;
      at = next;
    }
    return at;
  }

  /** The entry at a path, or undefined. */
  find(path) {
    let at = this.root;
    for (const name of path.split("/")) {
      if (at.kind !== "directory") return undefined;
      at = at.children.get(name);
      if (at === undefined) return undefined;
    }
    return at;
  }

  /** Writes everything below a path that must not exist yet. */
  write(path) {
    writeEntry(this.root, path);
  }
}

function writeEntry(entry, path) {
  if (entry.kind === "link") return makeLink(entry.target, path);
  if (entry.kind === "file") return writeFile(path, entry.content, { executable: entry.executable });
  makeDirectory(path);
  for (const name of [...entry.children.keys()].sort()) writeEntry(entry.children.get(name), `${path}/${name}`);
}

/** The name of a package from its store path: what follows the hash. */
export function nameOf(storePath) {
  return storePath.replace(/^.*\//, "").replace(/^[0-9a-z]{32}-/, "");
}
