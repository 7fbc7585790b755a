/** Asks the file system and the environment on behalf of an evaluation, and writes down every answer. */

import { textOfByteString } from "../../base/byte-string.ts";
import { hashByteString } from "../../format/hash.ts";
import type { SyncTreeSource } from "../../format/nar.ts";
import {
  kindOfSync,
  readDirectorySync,
  readFileSync,
  readLinkSync,
  realPathSync,
  type SyncDirectoryEntry,
  type SyncFileKind,
} from "../../system/files-sync.ts";
import { type Stamp, stampFrom, stampOf } from "../../system/file-stamp.ts";
import { type DiskTree, diskTree } from "../../system/tree.ts";
import {
  ABSENT,
  type EvaluationRead,
  type EvaluationReads,
  type NodeAnswers,
  type NodeRead,
  type TreeRead,
  UNTRUSTED,
} from "./world-reads.ts";

export class RecordedWorld {
  readonly #nodes = new Map<string, NodeRead>();
  readonly #others = new Map<string, EvaluationRead>();
  /** What was read in files whose digests nobody has asked for: an evaluation that is not kept needs none. */
  readonly #undigested = new Map<string, string | undefined>();
  /** What paths are, as their stamps said: for all that are there and no links. */
  readonly #kinds = new Map<string, SyncFileKind>();
  #volatile: string | undefined;

  get volatile(): string | undefined {
    return this.#volatile;
  }

  /** What has been read so far. */
  get reads(): EvaluationReads {
    for (const [path, contents] of this.#undigested) {
      this.#nodes.get(path)!.answers.contents = contents === undefined ? "" : digestOf(contents);
    }
    this.#undigested.clear();
    return { reads: [...this.#nodes.values(), ...this.#others.values()], volatile: this.#volatile };
  }

  /** Notes that what is learnt now cannot be checked later. */
  markVolatile(reason: string): void {
    this.#volatile ??= reason;
  }

  readFile(path: string): string | undefined {
    // The stamp is older than the contents: whatever changes from here on shows.
    const node = this.#nodes.get(path) ?? this.#nodeOf(path);
    const contents = this.#guarded(path, () => readFileSync(path));
    const before = node.answers.contents;
    if (before !== undefined) {
      if (before !== (contents === undefined ? "" : digestOf(contents))) this.markVolatile(changedText(node));
    } else if (!this.#undigested.has(path)) this.#undigested.set(path, contents);
    else if (this.#undigested.get(path) !== contents) this.markVolatile(changedText(node));
    return contents;
  }

  /** Entries in byte order; `undefined` when there is no such directory. */
  readDirectory(path: string): readonly SyncDirectoryEntry[] | undefined {
    return this.#ask(path, "listing", () => {
      const entries = readDirectorySync(path);
      return [entries, entries === undefined ? "" : listingDigest(entries)];
    });
  }

  kindOf(path: string, options: { readonly followLinks: boolean }): SyncFileKind | undefined {
    const question = options.followLinks ? "kind" : "self";
    const node = this.#nodes.get(path) ?? this.#nodeOf(path);
    const known = this.#kinds.get(path);
    if (known !== undefined) {
      node.answers[question] ??= known;
      return known;
    }
    return this.#ask(path, question, () => {
      const kind = kindOfSync(path, options);
      return [kind, kind ?? ""];
    });
  }

  readLink(path: string): string | undefined {
    return this.#ask(path, "link", () => {
      const target = readLinkSync(path);
      return [target, target ?? null];
    });
  }

  realPath(path: string): string | undefined {
    const real = this.#guarded(path, () => realPathSync(path));
    this.#note(`real-path ${path}`, { kind: "real-path", path, answer: real ?? null });
    return real;
  }

  /** Notes the value of a variable. */
  environment(name: string, value: string | undefined): void {
    this.#note(`environment ${name}`, { kind: "environment", name, answer: environmentDigest(value) });
  }

  /** The tree at a path, to be hashed; `noteTree` is to follow. */
  recordedTree(path: string): RecordedTree {
    return new RecordedTree(path);
  }

  /** Notes what a tree's hash was. */
  noteTree(tree: RecordedTree, read: Omit<TreeRead, "kind" | "path" | "offered" | "stamps">): void {
    const filtered = read.included === undefined ? "" : ` ${digestOf(read.included.join("\0"))}`;
    this.#note(`tree ${read.method} ${tree.path}${filtered}`, {
      kind: "tree",
      path: tree.path,
      ...read,
      offered: tree.offered,
      stamps: tree.stamps,
    });
  }

  #note(key: string, read: EvaluationRead): void {
    const before = this.#others.get(key);
    if (before === undefined) this.#others.set(key, read);
    else if (answerOf(before) !== answerOf(read)) this.markVolatile(changedText(read));
  }

  #ask<Key extends keyof NodeAnswers, T>(
    path: string,
    key: Key,
    question: () => readonly [answer: T, noted: NodeAnswers[Key]],
  ): T {
    // The stamp is older than the answer: whatever changes from here on shows.
    const node = this.#nodes.get(path) ?? this.#nodeOf(path);
    const [answer, noted] = this.#guarded(path, question);
    const before = node.answers[key];
    if (before === undefined) node.answers[key] = noted;
    else if (before !== noted) this.markVolatile(changedText(node));
    return answer;
  }

  #nodeOf(path: string): NodeRead {
    const self = this.#guarded(path, () => stampOf(path, { followLinks: false }));
    const node = this.#guarded(path, () => nodeReadFrom(path, self));
    this.#nodes.set(path, node);
    if (self !== undefined && self.kind !== "symlink") this.#kinds.set(path, self.kind);
    return node;
  }

  /** What was refused may be granted the next time, with nothing to show for it. */
  #guarded<T>(path: string, question: () => T): T {
    try {
      return question();
    } catch (error) {
      this.markVolatile(`'${textOfByteString(path)}' could not be read`);
      throw error;
    }
  }
}

/** A record of a path about which nothing has been asked yet, with its stamps as they are now. */
export function nodeReadOf(path: string): NodeRead {
  return nodeReadFrom(path, stampOf(path, { followLinks: false }));
}

function nodeReadFrom(path: string, self: Stamp | undefined): NodeRead {
  const stamp = stampText(self);
  const target = self?.kind === "symlink" ? stampText(stampOf(path, { followLinks: true })) : stamp;
  return { kind: "node", path, stamp, target, answers: {} };
}

export function stampText(stamp: Stamp | undefined): string {
  if (stamp === undefined) return ABSENT;
  return stamp.isFresh ? UNTRUSTED : stamp.text;
}

/** A tree on disk that keeps account of the entries that are looked at while it is hashed. */
export class RecordedTree implements SyncTreeSource {
  readonly path: string;
  readonly stamps: (readonly [path: string, stamp: string])[] = [];
  readonly #tree: DiskTree;
  readonly #offered: string[] = [];

  constructor(path: string) {
    this.path = path;
    this.#tree = diskTree(textOfByteString(path));
  }

  get offered(): string {
    return digestOf(this.#offered.join(""));
  }

  node(path: string): ReturnType<SyncTreeSource["node"]> {
    const status = this.#tree.status(path);
    const node = this.#tree.node(path, status);
    this.stamps.push([path, stampText(stampFrom(status))]);
    this.#offered.push(`${node.type} ${path}\0`);
    return node;
  }

  read(path: string, size: number): Iterable<Uint8Array> {
    return this.#tree.read(path, size);
  }
}

export function digestOf(text: string): string {
  return hashByteString("sha256", text).toBase16();
}

export function listingDigest(entries: readonly SyncDirectoryEntry[]): string {
  return digestOf(entries.map(({ name, kind }) => `${kind} ${name}\0`).join(""));
}

export function environmentDigest(value: string | undefined): string | null {
  return value === undefined ? null : digestOf(Buffer.from(value).toString("latin1"));
}

function answerOf(read: EvaluationRead): unknown {
  if (read.kind === "tree") return read.hash;
  return read.kind === "node" ? undefined : read.answer;
}

function changedText(read: EvaluationRead): string {
  const subject = read.kind === "environment" ? read.name : read.path;
  return `'${textOfByteString(subject)}' changed during evaluation`;
}
