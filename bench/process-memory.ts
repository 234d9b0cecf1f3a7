import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { POOLS, type Pool } from '../contracts/queues.ts';

/**
 * Peak resident memory of the dev workers of a state folder (VmHWM of /proc, Linux only). The kernel keeps the peak, so a
 * look now and then is enough.
 */
export class MemoryWatch {
  readonly peakBytes = new Map<Pool, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(stateDir: string, everyMs = 500) {
    this.#timer = setInterval(() => {
      for (const pool of POOLS) void this.#look(pool, stateDir);
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(pool: Pool, stateDir: string): Promise<void> {
    try {
      const { pid } = JSON.parse(await readFile(join(stateDir, `worker-${pool}.json`), 'utf8')) as { pid: number };
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      const kilobytes = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
      this.peakBytes.set(pool, Math.max(kilobytes * 1024, this.peakBytes.get(pool) ?? 0));
    } catch {
      // Not started yet, or ended already.
    }
  }
}
