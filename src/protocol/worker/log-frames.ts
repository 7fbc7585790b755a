/** What a daemon says while it works, between a request and its result. */

import { FormatError } from "../../base/errors.ts";
import { readBigUint, readList, readString, readUint, type Wire } from "../wire.ts";

/** A field of an activity or result: what it counts or names depends on the type. */
export type LogField = string | bigint;

export type LogEvent =
  /** A line for people. */
  | { readonly kind: "message"; readonly text: string }
  | {
      readonly kind: "start";
      readonly id: bigint;
      readonly level: number;
      readonly type: number;
      readonly text: string;
      readonly fields: readonly LogField[];
      readonly parent: bigint;
    }
  | { readonly kind: "stop"; readonly id: bigint }
  /** News about an activity; type 101 is a line of a build's log. */
  | { readonly kind: "result"; readonly id: bigint; readonly type: number; readonly fields: readonly LogField[] };

export type Frame =
  | LogEvent
  /** The work is done, its result follows. */
  | { readonly kind: "last" }
  /** The work failed; nothing follows. */
  | { readonly kind: "error"; readonly message: string; readonly traces: readonly string[] }
  /** The daemon wants up to `size` bytes (before protocol 1.23). */
  | { readonly kind: "want"; readonly size: number }
  /** The daemon gives bytes (old operations only). */
  | { readonly kind: "give"; readonly text: string };

export const FRAME_LAST = 0x616c7473;
export const FRAME_ERROR = 0x63787470;
const FRAME_NEXT = 0x6f6c6d67;
const FRAME_READ = 0x64617461;
const FRAME_WRITE = 0x64617416;
const FRAME_START = 0x53545254;
const FRAME_STOP = 0x53544f50;
const FRAME_RESULT = 0x52534c54;

/** The type of a result that is a line of a build's log. */
export const RESULT_BUILD_LOG_LINE = 101;

export function* readFrame(minor: number): Wire<Frame> {
  const type = yield* readUint("frame");
  switch (type) {
    case FRAME_LAST:
      return { kind: "last" };
    case FRAME_ERROR:
      return yield* readError(minor);
    case FRAME_NEXT:
      return { kind: "message", text: (yield* readString("message")).trimEnd() };
    case FRAME_READ:
      return { kind: "want", size: yield* readUint("wanted size") };
    case FRAME_WRITE:
      return { kind: "give", text: yield* readString("given bytes") };
    case FRAME_START:
      return {
        kind: "start",
        id: yield* readBigUint(),
        level: yield* readUint("level"),
        type: yield* readUint("activity type"),
        text: yield* readString("activity"),
        fields: yield* readList("fields", readField),
        parent: yield* readBigUint(),
      };
    case FRAME_STOP:
      return { kind: "stop", id: yield* readBigUint() };
    case FRAME_RESULT:
      return {
        kind: "result",
        id: yield* readBigUint(),
        type: yield* readUint("result type"),
        fields: yield* readList("fields", readField),
      };
    default:
      throw new FormatError("worker protocol", `unknown frame 0x${type.toString(16)}`);
  }
}

function* readField(): Wire<LogField> {
  const type = yield* readUint("field type");
  if (type === 0) return yield* readBigUint();
  if (type === 1) return yield* readString("field");
  throw new FormatError("worker protocol", `unknown field type ${type}`);
}

function* readError(minor: number): Wire<Frame> {
  if (minor < 26) {
    const message = yield* readString("error");
    yield* readUint("exit status");
    return { kind: "error", message, traces: [] };
  }
  yield* readString("error type");
  yield* readUint("error level");
  yield* readString("error name");
  const message = yield* readString("error");
  yield* noPosition();
  const traces = yield* readList("traces", function* () {
    yield* noPosition();
    return yield* readString("trace");
  });
  return { kind: "error", message, traces };
}

function* noPosition(): Wire<void> {
  if ((yield* readUint("position")) !== 0) throw new FormatError("worker protocol", "an error has a position");
}
