import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until the answer is truthy, and gives it; fails after ten seconds. */
export async function until<T>(ask: () => T | Promise<T>, seconds = 10): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`not so after ${seconds} s: ${ask}`);
    await sleep(20);
  }
}
