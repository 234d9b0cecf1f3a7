import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { Activities } from '../activities/index.ts';
import { type Pool, QUEUES } from '../contracts/queues.ts';
import type { Temporal } from './temporal.ts';

const WORKFLOWS = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

const common = {
  // Cancellation comes as the answer to a heartbeat, so this is how long it takes to arrive, and how much progress a
  // killed worker takes with it. The SDK's default is a minute.
  maxHeartbeatThrottleInterval: '1s',
  // On SIGTERM activities are told at once: a training has its last checkpoint in the store. What has not ended after this is
  // left to the retry.
  shutdownGraceTime: 0,
  shutdownForceTime: '20s',
} as const satisfies Partial<WorkerOptions>;

/** The workers of a pool. The io pool's process also runs the workflows: it loads nothing heavy. */
export async function createPool(
  pool: Pool,
  slots: number,
  activities: Activities,
  temporal: Temporal & { readonly dataConverter: DataConverter },
): Promise<Worker[]> {
  const work = await Worker.create({
    ...common,
    ...temporal,
    taskQueue: QUEUES[pool],
    activities,
    maxConcurrentActivityTaskExecutions: slots,
  });
  if (pool !== 'io') return [work];
  const flow = await Worker.create({ ...common, ...temporal, taskQueue: QUEUES.workflow, workflowsPath: WORKFLOWS });
  return [work, flow];
}
