/** How large the threads are that evaluate. */

/** Deep enough that the limit on nested calls is always reached first. */
const STACK_MB = 256;
const HEAP_MB = 8192;
/** As quick as with V8's default, with a fifth less memory at the peak. */
const YOUNG_HEAP_MB = 64;

/** The size of a thread that evaluates. */
export function threadSize(): {
  readonly stackMb: number;
  readonly heapMb: number;
  readonly youngHeapMb: number;
} {
  return { stackMb: STACK_MB, heapMb: HEAP_MB, youngHeapMb: YOUNG_HEAP_MB };
}
