import { setTimeout as sleep } from 'node:timers/promises';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { requireEncryption } from '../codec/transport.ts';
import { SEARCH_ATTRIBUTES } from '../contracts/search-attributes.ts';
import type { WorkerConfig } from './config.ts';

export interface Temporal {
  readonly connection: NativeConnection;
  readonly namespace: string;
}

const RETRY_MS = 2_000;

/**
 * Connects to Temporal by its own environment variables and profile, and waits for a server that is not there yet.
 * @throws Fault TRANSPORT_IN_CLEAR
 */
export async function connectTemporal(log: Logger, signal: AbortSignal, config: WorkerConfig): Promise<Temporal> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const { address = 'localhost:7233', tls } = connectionOptions;
  const transport = { temporal: { address, tls }, endpoints: endpointsIn(config) };
  requireEncryption(transport, config.transport.allowsPlainText);
  const connection = await persist(log, signal, `Temporal at ${address}`, () =>
    NativeConnection.connect(connectionOptions),
  );
  return { connection, namespace };
}

/** Where scans and secrets go to. A mirror of the hub that needs no token gets neither. */
function endpointsIn({ store, worker: { sourceS3, hub, kaggle } }: WorkerConfig): Record<string, string | undefined> {
  const hasAccount = kaggle.key !== null || kaggle.token !== null;
  return {
    SAMFLOW_S3_ENDPOINT: store.endpoint,
    SAMFLOW_SOURCE_S3_ENDPOINT: sourceS3.endpoint,
    HF_ENDPOINT: hub.token === null ? undefined : hub.endpoint,
    KAGGLE_API_ENDPOINT: hasAccount ? kaggle.endpoint : undefined,
  };
}

/** Repeats `attempt` until it succeeds or the signal aborts. Says what is waited for, and why, each time. */
export async function persist<T>(
  log: Logger,
  signal: AbortSignal,
  what: string,
  attempt: () => Promise<T>,
  worthIt: (error: unknown) => boolean = () => true,
): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!worthIt(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ reason }, `waiting for ${what}; trying again in ${RETRY_MS / 1000} s`);
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

/** Kinds of search attributes as Temporal's API numbers them. */
const KINDS = { KEYWORD: 2, DOUBLE: 4 } as const;

/**
 * Makes sure that our search attributes exist: a workflow that sets one the server does not know cannot go on. Where we may
 * not define them (Temporal Cloud, a restricted role), they must be there already; the log says which are not.
 */
export async function ensureSearchAttributes({ connection, namespace }: Temporal, log: Logger): Promise<void> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => !(name in (customAttributes ?? {})));
    if (missing.length === 0) return;
    const searchAttributes = Object.fromEntries(missing.map(([name, kind]) => [name, KINDS[kind]]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn(
      { reason, needed: Object.keys(SEARCH_ATTRIBUTES) },
      'could not check the search attributes; they must exist',
    );
  }
}

export interface QueueOf {
  readonly name: string;
  /** What waits in it. */
  readonly tasks: 'workflows' | 'activities';
}

/** Kinds of tasks as Temporal's API numbers them. */
const TASKS = { workflows: 1, activities: 2 } as const;

/** How much waits in a queue, and for how long, as the server estimates. Asked with a deadline: whoever asks, asks again. */
export async function backlogOf(
  { connection, namespace }: Temporal,
  { name, tasks }: QueueOf,
): Promise<{ tasks: number; ageSeconds: number }> {
  const request = { namespace, taskQueue: { name }, taskQueueType: TASKS[tasks], reportStats: true };
  const { stats } = await connection.withDeadline(Date.now() + 5_000, () =>
    connection.workflowService.describeTaskQueue(request),
  );
  const { approximateBacklogCount: count, approximateBacklogAge: age } = stats ?? {};
  return { tasks: Number(count ?? 0), ageSeconds: Number(age?.seconds ?? 0) + (age?.nanos ?? 0) / 1e9 };
}
