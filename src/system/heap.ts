/**
 * How much room the heap of this thread has: V8 ends the whole process when its limit is reached, so whoever makes much
 * asks before.
 */

/** How many megabytes of values an evaluation may hold; `PRISTINE_HEAP_MB` says otherwise, here and in bin/start.sh. */
const HEAP_MB_DEFAULT = 8192;
/** V8's own limit for that, as a multiple: it needs room for what is no longer in use, and gives up before it is full. */
const LIMIT_FACTOR = 7 / 5;
/** From here on garbage is collected, to see what is left. */
const USED_SHARE_MAX = 4 / 5;
/** Of a process with less memory nothing more is asked: finding out takes 20 ms, nearly all of it to load what tells. */
const PROCESS_MB_SMALL = 256;

export function heapMbMax(env: Readonly<Record<string, string | undefined>> = process.env): number {
  const wish = env["PRISTINE_HEAP_MB"] ?? "";
  return /^[1-9][0-9]{2,8}$/.test(wish) ? Number(wish) : HEAP_MB_DEFAULT;
}

/** What is said when there is no room. */
export function outOfMemoryText(): string {
  return `out of memory: more than ${heapMbMax()} megabytes are needed; the variable PRISTINE_HEAP_MB allows more`;
}

/** The limit to give V8, so that so many megabytes of values fit. */
export function heapLimitMb(heapMb: number): number {
  return Math.floor(heapMb * LIMIT_FACTOR);
}

/** What is said to be room for new objects is none for those that stay. */
const YOUNG_BYTES_MAX = 96 * 2 ** 20;

let v8: typeof import("node:v8") | undefined;
let collectGarbage: (() => void) | undefined;

/** Whether the heap of this thread has room for as many more bytes. */
export function hasRoom(bytes: number): boolean {
  const bytesSmall = Math.min(PROCESS_MB_SMALL, heapMbMax()) * 2 ** 20;
  if (v8 === undefined && process.memoryUsage.rss() + bytes < bytesSmall) return true;
  v8 ??= process.getBuiltinModule("node:v8");
  const { heap_size_limit: whole, used_heap_size: used } = v8.getHeapStatistics();
  const limit = whole - YOUNG_BYTES_MAX;
  if (used + bytes <= limit * USED_SHARE_MAX) return true;
  if (collectGarbage === undefined) {
    v8.setFlagsFromString("--expose-gc");
    collectGarbage = process.getBuiltinModule("node:vm").runInNewContext("gc") as () => void;
  }
  collectGarbage();
  // Less than what led here, so that collecting again is worth its time.
  return v8.getHeapStatistics().used_heap_size + bytes <= limit / LIMIT_FACTOR;
}
