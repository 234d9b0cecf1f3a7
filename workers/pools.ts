import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { Activities } from '../activities/index.ts';
import { HEARTBEAT } from '../contracts/messages.ts';
import { type Pool, QUEUES } from '../contracts/queues.ts';
import { logActivities } from './activity-subject.ts';
import { measureStages } from './measure.ts';
import type { Metrics } from './metrics.ts';
import type { QueueOf, Temporal } from './temporal.ts';
import type { WorkerTracing } from './tracing.ts';

const WORKFLOWS = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

const common = {
  // Cancellation comes as the answer to a heartbeat, so this is how long it takes to arrive, and how much progress a
  // killed worker takes with it. The SDK's default is a minute.
  maxHeartbeatThrottleInterval: HEARTBEAT.everyMs,
  // On SIGTERM activities are told at once, and a training leaves the step that it is at behind. What has not ended after this
  // is left to the retry.
  shutdownGraceTime: 0,
  shutdownForceTime: '20s',
} as const satisfies Partial<WorkerOptions>;

/** Who watches a worker's work; null where nobody does. */
export interface Watchers {
  readonly metrics: Metrics | null;
  readonly tracing: WorkerTracing | null;
}

/** The workers of a pool. The io pool's process also runs the workflows: it loads nothing heavy. */
export async function createPool(
  pool: Pool,
  slots: number,
  activities: Activities,
  temporal: Temporal & { readonly dataConverter: DataConverter },
  { metrics, tracing }: Watchers,
): Promise<Worker[]> {
  const activity = [...(tracing?.activity ?? []), logActivities, ...(metrics ? [measureStages(metrics)] : [])];
  const client = tracing && { client: { workflow: [tracing.client] } };
  const work = await Worker.create({
    ...common,
    ...temporal,
    taskQueue: QUEUES[pool],
    activities,
    interceptors: { activity, ...client },
    maxConcurrentActivityTaskExecutions: slots,
  });
  if (pool !== 'io') return [work];
  const flow = await Worker.create({
    ...common,
    ...temporal,
    taskQueue: QUEUES.workflow,
    workflowsPath: WORKFLOWS,
    ...tracing?.workflows,
  });
  return [work, flow];
}

/** The queues that a pool's process serves. */
export const queuesOf = (pool: Pool): QueueOf[] => [
  { name: QUEUES[pool], tasks: 'activities' },
  ...(pool === 'io' ? [{ name: QUEUES.workflow, tasks: 'workflows' } as const] : []),
];
