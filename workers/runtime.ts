import {
  DefaultLogger,
  type LogLevel,
  makeTelemetryFilterString,
  Runtime,
  type RuntimeOptions,
} from '@temporalio/worker';
import type { Level, Logger } from 'pino';
import { Fault } from '../lib/fault.ts';
import { BUCKETS } from './metric-table.ts';

const LEVELS: Readonly<Record<LogLevel, Level>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/**
 * Sends the SDK's own log, that of its native core too, to ours, and opens the address of the metrics where there is one. Once
 * per process. @throws Fault WORKER_CONFIG where the address cannot be had
 */
export function installRuntime(log: Logger, metrics: string | null, pools: readonly string[]): void {
  const options: RuntimeOptions = {
    logger: new DefaultLogger('DEBUG', ({ level, message, meta }) => {
      log[LEVELS[level]](meta ?? {}, message);
    }),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
      ...(metrics !== null && { metrics: exporterAt(metrics, pools) }),
    },
    // Whoever starts a worker says when it ends: compute threads and connections end with it.
    shutdownSignals: [],
  };
  try {
    Runtime.install(options);
  } catch (error) {
    // Not every message of the SDK: this one names no more than the address's trouble.
    if (metrics === null || !(error instanceof Error) || !/prometheus/i.test(error.message)) throw error;
    const found = `${metrics}, which cannot be listened at`;
    const fix = 'Name another port: every worker on a machine needs its own';
    throw new Fault(
      'WORKER_CONFIG',
      { at: 'SAMFLOW_METRICS', found, expected: 'a free address', fix },
      { cause: error },
    );
  }
}

type MetricsOptions = NonNullable<NonNullable<RuntimeOptions['telemetryOptions']>['metrics']>;

/** Names as Prometheus likes them: base units, `_total` for counters. */
const exporterAt = (bindAddress: string, pools: readonly string[]): MetricsOptions => ({
  globalTags: { pool: pools.join(',') },
  prometheus: {
    bindAddress,
    countersTotalSuffix: true,
    unitSuffix: true,
    useSecondsForDurations: true,
    histogramBucketOverrides: BUCKETS,
  },
});

/**
 * Ends the SDK's native core, whose threads keep a process alive. It ends by itself with the last worker; where none was made
 * (no server yet) it does not. Not the one that was installed: a connection that fails takes it along, and the next makes another.
 */
export const shutdownRuntime = (): Promise<void> => Runtime.instance().shutdown();
