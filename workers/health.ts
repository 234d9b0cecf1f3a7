import { writeFileSync } from 'node:fs';
import type { Worker } from '@temporalio/worker';

const EVERY_MS = 5_000;

/**
 * Rewrites a file while all workers poll. A probe compares the file's age with the clock: a blocked event loop, a stopped
 * worker and a dead process all let it grow old.
 */
export function reportHealth(file: string, workers: readonly Worker[]): () => void {
  const report = (): void => {
    if (!workers.every((worker) => worker.getState() === 'RUNNING')) return;
    try {
      writeFileSync(file, `${process.pid}\n`);
    } catch {
      // A disk that is full, or no file handle: the file grows old, and whoever looks at it decides.
    }
  };
  const timer = setInterval(report, EVERY_MS);
  return () => clearInterval(timer);
}
