/** Bounded concurrency. */

/**
 * Runs `work` on every item, at most `concurrencyMax` at once; results in the order of the items.
 *
 * When one fails, the others still run to their end before that failure is thrown: none is left half watched.
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  concurrencyMax: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = await work(items[index] as T, index);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(Math.max(1, concurrencyMax), items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
