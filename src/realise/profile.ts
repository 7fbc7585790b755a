/** Where an evaluation spent its time, as it crosses threads and goes into files. */

import { textOfByteString } from "../base/byte-string.ts";
import { CallProfiler, describeCall, describeCallee, type ProfileNode } from "../language/eval/call-profiler.ts";
import type { Place } from "../language/eval/value.ts";
import type { ProfileRequest } from "./evaluation-request.ts";

export interface ProfileFrame {
  readonly name: string;
  /** Where the function is defined; absent for builtins. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** One stack: the stack around it, and its innermost frame; with what was sampled in it itself. */
export interface ProfileStack {
  /** An index among the stacks, less than its own; -1 for none. */
  readonly parent: number;
  /** An index among the frames; -1 where nothing is called. */
  readonly frame: number;
  readonly samples: number;
  readonly timeMs: number;
}

export interface Profile {
  readonly frames: readonly ProfileFrame[];
  /** The first one is empty. */
  readonly stacks: readonly ProfileStack[];
}

export function profilerFor(request: ProfileRequest): CallProfiler {
  return new CallProfiler({
    now: () => performance.now(),
    periodMs: request.periodMs,
    seesReturns: !request.byCallSite,
  });
}

/** What a profiler has seen; stacks of the same functions are one. */
export function profileOf(profiler: CallProfiler, { byCallSite }: ProfileRequest): Profile {
  const frames: ProfileFrame[] = [];
  const frameIndexes = new Map<string, number>();
  const frameOf = (node: ProfileNode): number => {
    const frame = byCallSite ? { name: textOfByteString(describeCall(node.call!)) } : calleeFrame(node);
    const key = `${frame.name}\0${frame.file ?? ""}\0${frame.line ?? 0}\0${frame.column ?? 0}`;
    let index = frameIndexes.get(key);
    if (index === undefined) frameIndexes.set(key, (index = frames.push(frame) - 1));
    return index;
  };
  const stacks: { parent: number; frame: number; samples: number; timeMs: number }[] = [];
  const stackIndexes = new Map<string, number>();
  // A loop rather than recursion: stacks may be as deep as evaluation goes.
  const pending: { readonly node: ProfileNode; readonly parent: number }[] = [{ node: profiler.root, parent: -1 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, parent } = next;
    const frame = node.call === undefined ? -1 : frameOf(node);
    const key = `${parent} ${frame}`;
    let index = stackIndexes.get(key);
    if (index === undefined) {
      index = stacks.push({ parent, frame, samples: 0, timeMs: 0 }) - 1;
      stackIndexes.set(key, index);
    }
    const stack = stacks[index]!;
    stack.samples += node.samples;
    stack.timeMs += node.timeMs;
    for (const deeper of node.deeper()) pending.push({ node: deeper, parent: index });
  }
  return { frames, stacks };
}

function calleeFrame(node: ProfileNode): ProfileFrame {
  const { name, place } = describeCallee(node.call!);
  return { name: textOfByteString(name), ...(place === undefined ? {} : placeOf(place)) };
}

function placeOf({ source, offset }: Place): Required<Omit<ProfileFrame, "name">> {
  return { file: textOfByteString(source.path), ...source.locate(offset) };
}
