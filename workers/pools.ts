import { fileURLToPath } from 'node:url';
import { type ActivityInterceptorsFactory, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Activities } from '../activities/index.ts';
import { type Pool, QUEUES } from '../contracts/queues.ts';
import { logSubjects } from './activity-subject.ts';
import { measureStages } from './measure.ts';
import type { Metrics } from './metrics.ts';
import type { QueueOf, Temporal } from './temporal.ts';

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
  temporal: Temporal,
  metrics: Metrics | null,
): Promise<Worker[]> {
  const activity: ActivityInterceptorsFactory[] = [logSubjects, ...(metrics ? [measureStages(metrics)] : [])];
  const work = await Worker.create({
    ...common,
    ...temporal,
    taskQueue: QUEUES[pool],
    activities,
    interceptors: { activity },
    maxConcurrentActivityTaskExecutions: slots,
  });
  if (pool !== 'io') return [work];
  const flow = await Worker.create({ ...common, ...temporal, taskQueue: QUEUES.workflow, workflowsPath: WORKFLOWS });
  return [work, flow];
}

/** The queues that a pool's process serves. */
export const queuesOf = (pool: Pool): QueueOf[] => [
  { name: QUEUES[pool], tasks: 'activities' },
  ...(pool === 'io' ? [{ name: QUEUES.workflow, tasks: 'workflows' } as const] : []),
];
