import { MessageChannel } from 'node:worker_threads';

/** Smaller arrays may share a pool's memory with others, and are not worth it. */
const LEAST_BYTES = 2 ** 20;

/**
 * Gives the memory of arrays back at once: the collector does not see how large they are, and comes when it likes, which for
 * volumes is too late. For arrays that nobody else has; they are empty afterwards. A message that nobody can receive
 * takes the memory along.
 */
export function release(...arrays: readonly ArrayLike<number>[]): void {
  const { port1, port2 } = new MessageChannel();
  for (const array of arrays) {
    if (!ArrayBuffer.isView(array) || array.byteLength < LEAST_BYTES) continue;
    if (array.buffer instanceof ArrayBuffer) port1.postMessage(null, [array.buffer]);
  }
  port1.close();
  port2.close();
}
