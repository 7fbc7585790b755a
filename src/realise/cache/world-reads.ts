/**
 * What evaluations learn from the world, and how to tell that it would still tell them the same.
 *
 * Every question is recorded with its answer. A file, directory or link is one `node` with all that was asked about it
 * and with its stamp, taken before the first question: an unchanged stamp answers them all without asking. Where there
 * is no stamp to trust, because the object had just changed, or when the stamp differs, the questions are asked again.
 *
 * Paths are byte strings. Everything here is plain data, to be sent to other threads and kept in files.
 */

export interface NodeRead {
  readonly kind: "node";
  readonly path: string;
  /** Of the path itself; "" for one not to be trusted, "-" when there is nothing. */
  stamp: string;
  /** Of what a link leads to, when the path is a link; otherwise the same as `stamp`. */
  target: string;
  readonly answers: NodeAnswers;
}

/** Kinds are empty where there is nothing; digests are sha256 in base 16. */
export interface NodeAnswers {
  /** What the path itself is. */
  self?: string;
  /** What it is when links are followed. */
  kind?: string;
  link?: string | null;
  contents?: string;
  listing?: string;
}

export interface RealPathRead {
  readonly kind: "real-path";
  readonly path: string;
  readonly answer: string | null;
}

/** A tree (or one file, `flat`) that was hashed to become a source. */
export interface TreeRead {
  readonly kind: "tree";
  readonly path: string;
  readonly method: "nar" | "flat";
  readonly hash: string;
  /** What a filter let through; absent when there was none. */
  readonly included?: readonly string[];
  /** A digest of everything that a filter was asked about. */
  readonly offered: string;
  /** The stamp of each entry that was looked at, by its path below the root. */
  stamps: readonly (readonly [path: string, stamp: string])[];
}

export interface EnvironmentRead {
  readonly kind: "environment";
  readonly name: string;
  /** A digest, because values can be secret; null when the variable is not set. */
  readonly answer: string | null;
}

export type EvaluationRead = NodeRead | RealPathRead | TreeRead | EnvironmentRead;

export interface EvaluationReads {
  readonly reads: readonly EvaluationRead[];
  /** Why the result may not be kept, when it depends on something that cannot be checked. */
  readonly volatile: string | undefined;
}

/** The stamp of nothing. */
export const ABSENT = "-";
/** Stands for a stamp that proves nothing. */
export const UNTRUSTED = "";
