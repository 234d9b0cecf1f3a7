import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';

/** Within this time a lost worker is missed, its successor at work, and its sessions open. */
const SUCCESSION_SECONDS = 60;

/** F8: native code takes its worker with it in mid training, and another one comes. */
export function nativeAbort(checkpoint: number): Fault {
  return {
    ...{ id: 'F8', title: `native code of the gpu worker aborts at checkpoint ${checkpoint}` },
    ...{ within: SUCCESSION_SECONDS, retries: 2 },
    async disturb({ gpu, checkpoints, startGpu }) {
      await checkpoints(checkpoint);
      process.kill(gpu.pid, 'SIGABRT');
      await startGpu();
    },
  };
}

/** F5: a worker that was taken for dead wakes up beside its successor, so long after that one's first step. */
export function zombie(checkpoint: number, afterMs: number): Fault {
  return {
    ...{
      id: 'F5',
      title: `the gpu worker sleeps from checkpoint ${checkpoint} to ${afterMs} ms after its successor’s first`,
    },
    ...{ within: SUCCESSION_SECONDS, retries: 3 },
    async disturb({ gpu, checkpoints, fence, startGpu, run }) {
      await checkpoints(checkpoint);
      const before = await fence();
      process.kill(gpu.pid, 'SIGSTOP');
      await startGpu();
      while ((await fence()) === before) await sleep(50);
      await sleep(afterMs);
      process.kill(gpu.pid, 'SIGCONT');
      await run.result();
    },
  };
}

const ODD_CLOCK = new URL('./odd-clock.mjs', import.meta.url).href;

/** F6: the clocks of all workers jump forth and back by hours, every four seconds. */
export function jumpingClock(hours: readonly number[]): Fault {
  const options = {
    env: { NODE_OPTIONS: `--import=${ODD_CLOCK}`, CLOCK_JUMPS_MS: hours.map((hour) => hour * 3_600_000).join() },
  };
  return {
    ...{ id: 'F6', title: `the workers’ clocks jump by ${hours.join(', ')} hours` },
    ...{ within: SUCCESSION_SECONDS, retries: 3 },
    workers: async () => ({ gpu: options, others: options }),
    disturb: async ({ run }) => void (await run.result()),
  };
}

/** F6: the main thread of the gpu worker does not hear of anything for longer than it may be silent, once it works. */
export function blockedLoop(checkpoint: number, seconds: number): Fault {
  return {
    ...{ id: 'F6', title: `the gpu worker’s main thread is blocked for ${seconds} s at checkpoint ${checkpoint}` },
    ...{ within: SUCCESSION_SECONDS + seconds, retries: 4 },
    workers: async () => ({ gpu: { env: { NODE_OPTIONS: `--import=${ODD_CLOCK}`, BLOCKED_MS: `${seconds * 1000}` } } }),
    async disturb({ gpu, checkpoints }) {
      await checkpoints(checkpoint);
      process.kill(gpu.pid, 'SIGUSR2');
    },
  };
}
