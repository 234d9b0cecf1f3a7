import { Piscina } from 'piscina';
import type { Compute } from '../activities/deps.ts';
import { Fault } from '../lib/fault.ts';
import type { Answer, Job } from './compute-thread.ts';
import { movableBuffers } from './movable-buffers.ts';

/** Idle threads end after this long: a worker between two runs holds no volume in memory. */
const IDLE_MS = 30_000;

export interface ComputePool extends Compute {
  /** Has a thread ready for the next task, for as long as it is let idle. */
  prepare(): void;
  close(): Promise<void>;
}

/** Threads for work that would otherwise hold up heartbeats. Each runs one task at a time. */
export function openCompute(threads: number): ComputePool {
  const pool = new Piscina({
    filename: new URL('./compute-thread.mjs', import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE_MS,
    // A task may wait for something asynchronous (a WebAssembly reader): its thread's event loop must not be blocked.
    atomics: 'disabled',
  });
  return {
    async run(name, input, signal) {
      signal.throwIfAborted();
      const job: Job = { name, input };
      const options = { signal, transferList: movableBuffers(input) };
      const answer = (await pool.run(job, options)) as Answer;
      if ('fault' in answer) throw new Fault(answer.fault.code, answer.fault.details);
      return answer.value as never;
    },
    // What goes wrong with it goes wrong with the next task too, which tells it.
    prepare: () => void pool.run(null).catch(() => undefined),
    close: () => pool.destroy(),
  };
}
