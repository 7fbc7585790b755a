/**
 * A program: `delay-relay INTERFACE INTERFACE DELAY_MS JITTER_MS`. It makes the two interfaces and passes frames between
 * them, each after the delay give or take the jitter, but never one before those ahead of it: a slow line, not a disorderly one.
 */

import { systemClock } from "../base/clock.ts";
import { openTap, type Tap } from "../system/tap.ts";

/** What a real line would drop when too much is under way. */
const FRAMES_WAITING_MAX = 10_000;

function relay(from: Tap, to: Tap, delayMs: number, jitterMs: number): void {
  const waiting: { readonly dueMs: number; readonly frame: Uint8Array }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const deliver = (): void => {
    timer = undefined;
    const now = systemClock.nowMs();
    let due = 0;
    while (due < waiting.length && (waiting[due]?.dueMs ?? 0) <= now) due += 1;
    for (const { frame } of waiting.splice(0, due)) to.send(frame);
    const [next] = waiting;
    if (next !== undefined) timer = setTimeout(deliver, Math.max(0, next.dueMs - systemClock.nowMs()));
  };
  from.onFrame((frame) => {
    if (waiting.length >= FRAMES_WAITING_MAX) return;
    const varied = Math.max(0, delayMs + (Math.random() * 2 - 1) * jitterMs);
    const dueMs = Math.max(waiting.at(-1)?.dueMs ?? 0, systemClock.nowMs() + varied);
    waiting.push({ dueMs, frame });
    timer ??= setTimeout(deliver, Math.max(0, dueMs - systemClock.nowMs()));
  });
}

const [switchSide, hostSide, delayMs, jitterMs] = process.argv.slice(2);
const a = openTap(switchSide ?? "");
const b = openTap(hostSide ?? "");
relay(a, b, Number(delayMs), Number(jitterMs));
relay(b, a, Number(delayMs), Number(jitterMs));
