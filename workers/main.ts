import { Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities/index.ts';
import { openDataConverter } from '../codec/data-converter.ts';
import type { Pool } from '../contracts/queues.ts';
import { isFault } from '../lib/fault.ts';
import { readWorkerConfig, slotsOf, type WorkerConfig } from './config.ts';
import { openDeps } from './deps.ts';
import { reportHealth } from './health.ts';
import { openLog } from './log.ts';
import { measureProcess } from './measure.ts';
import { Metrics } from './metrics.ts';
import { createPool, queuesOf } from './pools.ts';
import { installRuntime, shutdownRuntime } from './runtime.ts';
import { connectTemporal, ensureSearchAttributes, persist } from './temporal.ts';

/** The one entry of every pool. Runs until it is told to stop. @throws Fault WORKER_CONFIG, and whatever ends a worker */
export async function runWorker(pools: readonly string[], env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<void> {
  // Workers know no time zone: nothing they write may depend on where they stand.
  process.env.TZ = 'UTC';
  // Downloads, logs and scratch files hold scans or speak of them: they are this account's alone.
  process.umask(0o077);
  await serve(readWorkerConfig(pools, env), stop);
}

async function serve(config: WorkerConfig, stop: AbortSignal): Promise<void> {
  const { pools, worker } = config;
  const dataConverter = openDataConverter(config.codec);
  const log = openLog(worker, pools);
  installRuntime(log, worker.metrics, pools);
  const metrics = worker.metrics === null ? null : new Metrics();
  // Loaded on demand: it is a megabyte of code that most installations never use.
  const tracing = config.traces ? (await import('./tracing.ts')).openWorkerTracing(pools) : null;
  const watchers = { metrics, tracing };
  const trouble = warnNowAndThen(log, 'the disk cache cannot be used; going on without it');
  const open = openDeps(config, watchers, trouble);
  try {
    await persist(log, stop, 'the object store', () => open.store.ensureBucket(), isOutage);
    const temporal = { ...(await connectTemporal(log, stop, config)), dataConverter };
    metrics?.attach(Runtime.instance().metricMeter);
    if (pools.includes('io')) await ensureSearchAttributes(temporal, log);
    const activities = createActivities(open.deps);
    const create = (pool: Pool) =>
      createPool(pool, { ...worker, slots: slotsOf(pool, worker) }, activities, temporal, watchers);
    const workers = (await Promise.all(pools.map(create))).flat();
    const endHealth = worker.healthFile === null ? () => {} : reportHealth(worker.healthFile, workers);
    const endMeasuring = metrics ? measureProcess(metrics, temporal, pools.flatMap(queuesOf)) : () => {};
    await runUntil(stop, workers, () => {
      log.info({ namespace: temporal.namespace, metrics: worker.metrics, traces: config.traces }, 'ready');
      if (pools.includes('gpu')) open.prepare();
    });
    endHealth();
    endMeasuring();
    metrics?.detach();
    await temporal.connection.close();
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    await open.close();
    await tracing?.close();
    await shutdownRuntime();
    log.info('stopped');
  }
}

/** Runs workers together. One that fails takes the others along: half a process helps nobody. */
async function runUntil(stop: AbortSignal, workers: readonly Worker[], ready: () => void): Promise<void> {
  const shutdown = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  stop.addEventListener('abort', shutdown);
  const running = workers.map((worker) => worker.run().finally(shutdown));
  if (stop.aborted) shutdown();
  else ready();
  await Promise.all(running);
}

/** A disk that is full fails at every artifact: one line a minute is enough. */
function warnNowAndThen(log: Logger, message: string): (error: unknown) => void {
  let quietUntil = 0;
  return (error) => {
    if (Date.now() < quietUntil) return;
    quietUntil = Date.now() + 60_000;
    log.warn({ reason: (error as NodeJS.ErrnoException).code ?? 'unknown' }, message);
  };
}

const isOutage = (error: unknown): boolean => isFault(error) && error.code === 'STORE_UNREACHABLE';
