/**
 * Where this user's resident evaluator listens, and the frames that go through its socket.
 *
 * The socket lies in a directory that this user alone can enter. Its name stands for everything that has to be the same
 * on both sides for the resident process to see what the client would see: the program, Node, the groups, the root
 * directory and the mount namespace.
 */

import { deserialize, serialize } from "node:v8";
import { FormatError } from "../../base/errors.ts";
import { hashBytes } from "../../format/hash.ts";
import { runtimeDirectory } from "../../system/directories.ts";
import { viewOfFiles } from "../../system/identity.ts";
import { PrivateDirectory } from "../../system/private-files.ts";
import { programIdentity } from "../../system/program-files.ts";
import type { Keeping } from "../cache/evaluation-cache.ts";
import type { EvalDiagnosticData, EvaluationRequest, EvaluationResult } from "../evaluation-request.ts";

const NAME_CHARS = 16;
const FRAME_BYTES_MAX = 256 * 1024 * 1024;

/** The directory of the socket; `undefined` when there is none that is this user's alone. */
export function residentDirectory(options: { readonly make: boolean }): PrivateDirectory | undefined {
  const path = runtimeDirectory();
  return options.make ? PrivateDirectory.make(path) : PrivateDirectory.open(path);
}

export function residentSocketName(): string {
  const seen = [programIdentity(), process.version, viewOfFiles()].join("\n");
  return `evaluator-${hashBytes("sha256", Buffer.from(seen)).toBase16().slice(0, NAME_CHARS)}`;
}

/** What a client says. */
export type ResidentQuery =
  /** With `keeping`, the result is kept there and comes without what was read. */
  | { readonly kind: "evaluate"; readonly request: EvaluationRequest; readonly keeping?: Keeping }
  | { readonly kind: "status" };

/** What it hears. */
export type ResidentAnswer =
  | { readonly kind: "trace"; readonly line: string }
  | { readonly kind: "warning"; readonly text: string; readonly isFromExpression: boolean }
  | { readonly kind: "result"; readonly result: EvaluationResult }
  | { readonly kind: "diagnostic"; readonly data: EvalDiagnosticData }
  /** Said from time to time while there is nothing else to say: the client waits for no process that has stopped. */
  | { readonly kind: "working" }
  /** The client is to evaluate itself. */
  | { readonly kind: "declined" }
  | { readonly kind: "status"; readonly pid: number; readonly answered: number; readonly heapBytes: number };

export function encodeFrame(message: ResidentQuery | ResidentAnswer): Buffer {
  const body = serialize(message);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

/** Puts frames together from what arrives. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;

  /** Takes a chunk; answers the messages that are complete with it. */
  take(chunk: Buffer): unknown[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const messages: unknown[] = [];
    for (;;) {
      if (this.#size < 4) return messages;
      if (this.#chunks[0]!.length < 4) this.#chunks = [Buffer.concat(this.#chunks)];
      const length = this.#chunks[0]!.readUInt32LE(0);
      if (length > FRAME_BYTES_MAX) throw new FormatError("resident", "a message is too long");
      if (this.#size < 4 + length) return messages;
      const whole = Buffer.concat(this.#chunks);
      messages.push(deserialize(whole.subarray(4, 4 + length)));
      this.#chunks = [whole.subarray(4 + length)];
      this.#size = this.#chunks[0]!.length;
    }
  }
}
