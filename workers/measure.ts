import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { Compute } from '../activities/deps.ts';
import type { Metrics } from './metrics.ts';
import { stageOf } from './stage-names.ts';
import { backlogOf, type QueueOf, type Temporal } from './temporal.ts';

const PROCESS_EVERY_MS = 5_000;
const BACKLOG_EVERY_MS = 15_000;

/** Measures every attempt of an activity; `reused` in its result says whether the store had it already. */
export function measureStages(metrics: Metrics): ActivityInterceptorsFactory {
  return ({ info, cancellationSignal }) => ({
    inbound: {
      async execute(input, next) {
        const stage = stageOf(info.activityType);
        const start = performance.now();
        const seconds = () => (performance.now() - start) / 1000;
        try {
          const result = await next(input);
          const { reused } = (result ?? {}) as { reused?: unknown };
          if (typeof reused === 'boolean') metrics.record('cache', 1, { stage, result: reused ? 'hit' : 'miss' });
          metrics.stage(stage, reused === true ? 'reused' : 'computed', seconds());
          return result;
        } catch (error) {
          if (cancellationSignal.aborted) metrics.stage(stage, 'cancelled', seconds());
          else {
            metrics.stage(stage, 'failed', seconds());
            const code = error instanceof ApplicationFailure ? (error.type ?? 'unknown') : 'unknown';
            metrics.record('failures', 1, { stage, code });
          }
          throw error;
        }
      },
    },
  });
}

/** Compute whose tasks are measured. */
export function measureCompute(compute: Compute, metrics: Metrics): Compute {
  return {
    run(name, input, signal) {
      const start = performance.now();
      const end = (outcome: string) => (): void =>
        metrics.record('task', (performance.now() - start) / 1000, { task: name, outcome });
      const result = compute.run(name, input, signal);
      result.then(end('done'), () => end(signal.aborted ? 'cancelled' : 'failed')());
      return result;
    },
  };
}

/** Reads memory and lag of this process, and the backlog of the queues it serves, now and then. Gives back what ends it. */
export function measureProcess(metrics: Metrics, temporal: Temporal, queues: readonly QueueOf[]): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const readProcess = (): void => {
    const { rss, heapUsed } = process.memoryUsage();
    metrics.record('memory', rss);
    metrics.record('heap', heapUsed);
    metrics.record('lag', delay.percentile(99) / 1e9);
    delay.reset();
  };
  const readBacklog = (): void => {
    for (const queue of queues) {
      // A server that does not answer, or is too old to know, leaves the last figure standing.
      backlogOf(temporal, queue).then(
        ({ tasks, ageSeconds }) => {
          metrics.record('backlog', tasks, { queue: queue.name });
          metrics.record('backlogAge', ageSeconds, { queue: queue.name });
        },
        () => undefined,
      );
    }
  };
  // Not what keeps a process alive, should a worker end without telling us.
  const timers = [
    setInterval(readProcess, PROCESS_EVERY_MS).unref(),
    setInterval(readBacklog, BACKLOG_EVERY_MS).unref(),
  ];
  readProcess();
  readBacklog();
  return () => {
    for (const timer of timers) clearInterval(timer);
    delay.disable();
  };
}
