import { CancellationScope } from '@temporalio/workflow';

/**
 * Maps items through a sliding window: at most `width` are at work at once, and the next one starts as soon as one ends.
 * On the first failure the others are cancelled and waited for; then that failure is thrown.
 */
export async function mapBounded<T, R>(
  items: readonly T[],
  width: number,
  map: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  const failures: unknown[] = [];
  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < items.length && failures.length === 0) {
        const index = next++;
        try {
          results[index] = await map(items[index]!, index);
        } catch (error) {
          failures.push(error);
          scope.cancel();
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  });
  // The first one counts: those after it are mostly the cancellations that it caused.
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Two different pieces of work at once, with the same promise about failures. */
export async function together<A, B>(first: () => Promise<A>, second: () => Promise<B>): Promise<[A, B]> {
  const results = await mapBounded<() => Promise<A | B>, A | B>([first, second], 2, (work) => work());
  return results as [A, B];
}
