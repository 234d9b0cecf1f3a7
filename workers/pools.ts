import { fileURLToPath } from 'node:url';
import type { DataConverter, WorkerDeploymentVersion } from '@temporalio/common';
import { Worker, type WorkerDeploymentOptions, type WorkerOptions } from '@temporalio/worker';
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

/** How a pool works. */
export interface PoolOptions {
  /** Activities at a time. */
  readonly slots: number;
  /** What the server hands out a second to all workers of the queue; null: as many as they take. */
  readonly activitiesPerSecond: number | null;
  /** Version of the workflow code; null: it has none, and every worker takes every workflow. */
  readonly version: WorkerDeploymentVersion | null;
}

/** The workers of a pool. The io pool's process also runs the workflows: it loads nothing heavy. */
export async function createPool(
  pool: Pool,
  { slots, activitiesPerSecond, version }: PoolOptions,
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
    ...(activitiesPerSecond !== null && { maxTaskQueueActivitiesPerSecond: activitiesPerSecond }),
  });
  if (pool !== 'io') return [work];
  const flow = await Worker.create({
    ...common,
    ...temporal,
    taskQueue: QUEUES.workflow,
    workflowsPath: WORKFLOWS,
    ...tracing?.workflows,
    ...(version && { workerDeploymentOptions: versioned(version) }),
  });
  return [work, flow];
}

/** The queues that a pool's process serves. */
export const queuesOf = (pool: Pool): QueueOf[] => [
  { name: QUEUES[pool], tasks: 'activities' },
  ...(pool === 'io' ? [{ name: QUEUES.workflow, tasks: 'workflows' } as const] : []),
];

/**
 * An open run stays with the code that it was started under, its children and its next histories too: its worker need only
 * run until they have ended. Activities are not versioned: they read what older workflows gave them.
 */
const versioned = (version: WorkerDeploymentVersion): WorkerDeploymentOptions => ({
  version,
  useWorkerVersioning: true,
  defaultVersioningBehavior: 'PINNED',
});
