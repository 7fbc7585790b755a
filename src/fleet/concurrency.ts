/** Bounded concurrency over hosts. */

/** Runs `work` on every item, at most `concurrencyMax` at once; results in the order of the items. */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  concurrencyMax: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(Math.max(1, concurrencyMax), items.length) }, worker));
  return results;
}
