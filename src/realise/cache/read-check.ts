/** Whether what an evaluation read is still what it would read now. */

import { textOfByteString } from "../../base/byte-string.ts";
import { OperationError } from "../../base/errors.ts";
import { hashByteString } from "../../format/hash.ts";
import { narHash } from "../../format/nar.ts";
import { kindOfSync, readDirectorySync, readFileSync, readLinkSync, realPathSync } from "../../system/files-sync.ts";
import { stampOf } from "../../system/file-stamp.ts";
import { digestOf, environmentDigest, listingDigest, nodeReadOf, RecordedTree, stampText } from "./recorded-world.ts";
import { type EvaluationRead, type NodeAnswers, type NodeRead, type TreeRead, UNTRUSTED } from "./world-reads.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a check found, for a message. */
export type CheckResult =
  /** `restamped`: some stamps were renewed, because the contents were found to be the same. */
  { readonly isCurrent: true; readonly restamped: boolean } | { readonly isCurrent: false; readonly changed: string };

/**
 * Checks reads, each path once: for as long as one command looks at several results. Renews stamps in place when the
 * contents prove to be the same.
 */
export class ReadCheck {
  readonly #env: Environment;
  /** Stamps seen by this check. */
  readonly #stamps = new Map<string, string>();
  readonly #linkStamps = new Map<string, string>();
  readonly #realPaths = new Map<string, string | null>();

  constructor(env: Environment) {
    this.#env = env;
  }

  check(reads: readonly EvaluationRead[]): CheckResult {
    let restamped = false;
    for (const read of reads) {
      let verdict: Verdict;
      try {
        verdict = this.#checkOne(read);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        verdict = "changed";
      }
      if (verdict === "changed") return { isCurrent: false, changed: subjectOf(read) };
      if (verdict === "restamped") restamped = true;
    }
    return { isCurrent: true, restamped };
  }

  #checkOne(read: EvaluationRead): Verdict {
    switch (read.kind) {
      case "node":
        return this.#checkNode(read);
      case "real-path":
        return this.#realPath(read.path) === read.answer ? "same" : "changed";
      case "environment":
        return environmentDigest(this.#env[textOfByteString(read.name)]) === read.answer ? "same" : "changed";
      case "tree":
        return this.#checkTree(read);
    }
  }

  #checkNode(read: NodeRead): Verdict {
    const isSame =
      read.stamp !== UNTRUSTED &&
      read.target !== UNTRUSTED &&
      this.#stamp(read.path) === read.stamp &&
      (read.target === read.stamp || this.#linkStamp(read.path) === read.target);
    if (isSame) return "same";
    const now = nodeReadOf(read.path);
    if (!answersHold(read.path, read.answers)) return "changed";
    read.stamp = now.stamp;
    read.target = now.target;
    return "restamped";
  }

  #stamp(path: string): string {
    let stamp = this.#stamps.get(path);
    if (stamp === undefined) {
      stamp = stampText(stampOf(path, { followLinks: false }));
      this.#stamps.set(path, stamp);
    }
    return stamp;
  }

  #linkStamp(path: string): string {
    let stamp = this.#linkStamps.get(path);
    if (stamp === undefined) {
      stamp = stampText(stampOf(path, { followLinks: true }));
      this.#linkStamps.set(path, stamp);
    }
    return stamp;
  }

  #realPath(path: string): string | null {
    let real = this.#realPaths.get(path);
    if (real === undefined) {
      real = realPathSync(path) ?? null;
      this.#realPaths.set(path, real);
    }
    return real;
  }

  #checkTree(read: TreeRead): Verdict {
    const isSame = read.stamps.every(
      ([path, stamp]) => stamp !== UNTRUSTED && this.#stamp(path === "" ? read.path : `${read.path}/${path}`) === stamp,
    );
    if (isSame) return "same";
    const tree = new RecordedTree(read.path);
    if (hashAgain(read, tree) !== read.hash || tree.offered !== read.offered) return "changed";
    read.stamps = tree.stamps;
    return "restamped";
  }
}

type Verdict = "same" | "restamped" | "changed";

function answersHold(path: string, answers: NodeAnswers): boolean {
  const { self, kind, link, contents, listing } = answers;
  if (self !== undefined && (kindOfSync(path, { followLinks: false }) ?? "") !== self) return false;
  if (kind !== undefined && (kindOfSync(path, { followLinks: true }) ?? "") !== kind) return false;
  if (link !== undefined && (readLinkSync(path) ?? null) !== link) return false;
  if (contents !== undefined) {
    const now = readFileSync(path);
    if ((now === undefined ? "" : digestOf(now)) !== contents) return false;
  }
  if (listing !== undefined) {
    const now = readDirectorySync(path);
    if ((now === undefined ? "" : listingDigest(now)) !== listing) return false;
  }
  return true;
}

function hashAgain(read: TreeRead, tree: RecordedTree): string {
  if (read.method === "flat") {
    tree.node("");
    const contents = readFileSync(read.path);
    return contents === undefined ? "" : hashByteString("sha256", contents).toBase16();
  }
  if (read.included === undefined) return narHash(tree).hash.toBase16();
  const included = new Set(read.included);
  return narHash(tree, { filter: (path) => included.has(path) }).hash.toBase16();
}

/** Whether the world refused to answer: then it does not say what it said before. */
function isRefusal(error: unknown): boolean {
  if (error instanceof OperationError || (error as Error).name === "FormatError") return true;
  return typeof (error as { readonly syscall?: unknown }).syscall === "string";
}

function subjectOf(read: EvaluationRead): string {
  return textOfByteString(read.kind === "environment" ? `$${read.name}` : read.path);
}
