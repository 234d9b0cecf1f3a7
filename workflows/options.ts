import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { HEARTBEAT } from '../contracts/messages.ts';
import { QUEUES } from '../contracts/queues.ts';

/**
 * How activities are run, by stage. Three rules hold for all:
 * - Cancellation waits until the activity has ended, so that nothing works on for a run that is gone. (The SDK's own
 *   default is TRY_CANCEL, whatever its types say.)
 * - A silent worker is a dead worker after ten missed heartbeats; the attempt then moves to another one.
 * - Faults of data and configuration are non-retryable at their source (activities/failures.ts). What is left to retry is
 *   trouble of machines and networks: about a quarter of an hour of it, and then the run fails and can be started again,
 *   which costs nothing but the stage that failed.
 */
const common = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  heartbeatTimeout: HEARTBEAT.timeout,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m', maximumAttempts: 20 },
} as const satisfies ActivityOptions;

/** Reads of a few small objects. */
const brief = { ...common, taskQueue: QUEUES.io, startToCloseTimeout: '5m' } as const;

export const { fingerprint, readChampion, promote, propose, recordRun, indexEmbeddings } =
  proxyActivities<
    Pick<Activities, 'fingerprint' | 'readChampion' | 'promote' | 'propose' | 'recordRun' | 'indexEmbeddings'>
  >(brief);

/** What a failed run leaves behind: it is not to live on for long because the store cannot be written. */
export const { recordRun: recordFailure } = proxyActivities<Pick<Activities, 'recordRun'>>({
  ...brief,
  scheduleToCloseTimeout: '1m',
});

/** A public data set of 100 GB over 100 Mbit/s takes 2 h 15 min. */
export const { download, importModel } = proxyActivities<Pick<Activities, 'download' | 'importModel'>>({
  ...common,
  taskQueue: QUEUES.io,
  startToCloseTimeout: '6h',
});

/** One patient's volume: seconds; half an hour is a volume of many GB on a slow machine. */
export const {
  convert,
  slice,
  split,
  package: packageModel,
  report,
  pool,
} = proxyActivities<Pick<Activities, 'convert' | 'slice' | 'split' | 'package' | 'report' | 'pool'>>({
  ...common,
  taskQueue: QUEUES.cpu,
  startToCloseTimeout: '30m',
});

/** A shard is seconds on any device; the largest encoder on one slow core needs a minute a slice. */
export const { encodeShard } = proxyActivities<Pick<Activities, 'encodeShard'>>({
  ...common,
  taskQueue: QUEUES.gpu,
  startToCloseTimeout: '1h',
});

/**
 * Fine-tuning resumes from its last checkpoint, so neither a long run nor many lost workers is a reason to give up:
 * a machine that is taken away every hour still gets through. The first new attempt comes at once: the worker was missed for
 * ten seconds already.
 */
export const { fineTune } = proxyActivities<Pick<Activities, 'fineTune'>>({
  ...common,
  taskQueue: QUEUES.gpu,
  startToCloseTimeout: '14 days',
  retry: { ...common.retry, initialInterval: '100ms', maximumAttempts: 500 },
});

/** Whole volumes, slice by slice; a box proposer is trained from its start again, which takes minutes. */
export const { evaluate, infer, trainProposer } = proxyActivities<
  Pick<Activities, 'evaluate' | 'infer' | 'trainProposer'>
>({
  ...common,
  taskQueue: QUEUES.gpu,
  startToCloseTimeout: '12h',
});

/** Patients whose volumes are converted and sliced at a time: a volume in memory is up to 1 GB. */
export const PATIENTS_AT_ONCE = 4;
/** Folds at work at a time: one for each gpu worker, up to four; on a single one they take turns by stage. */
export const FOLDS_AT_ONCE = 4;
/** Above this number of patients, children prepare them, so many each: a patient makes about 12 events, and a history holds 51,200. */
export const PATIENTS_IN_A_CHILD = 250;
/**
 * Shards at work at a time: one for each gpu worker and one waiting for it, up to eight workers. No more, for a queue is
 * served in order: this is also how many shards of a big run a small one may find before its own.
 */
export const SHARDS_AT_ONCE = 16;
