/** How large the threads are that evaluate. */

import { heapLimitMb, heapMbMax } from "../system/heap.ts";

/** Deep enough that the limit on nested calls is always reached first. */
const STACK_MB = 256;
/** As quick as with V8's default, with a fifth less memory at the peak. */
const YOUNG_HEAP_MB = 64;

/** The size of a thread that evaluates. */
export function threadSize(): {
  readonly stackMb: number;
  readonly heapMb: number;
  readonly youngHeapMb: number;
} {
  return { stackMb: STACK_MB, heapMb: heapLimitMb(heapMbMax()), youngHeapMb: YOUNG_HEAP_MB };
}
