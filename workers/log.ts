import { DefaultLogger, type LogLevel, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import pino, { type Logger } from 'pino';
import type { WorkerEnvironment } from '../contracts/environment.ts';

const LEVELS: Readonly<Record<LogLevel, pino.Level>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** JSON lines on standard error or in a file. What is logged names workflows, stages and patient keys, never patients. */
export function openLog({ logLevel, logFile }: WorkerEnvironment, pools: readonly string[]): Logger {
  const destination = pino.destination({ dest: logFile ?? 2, sync: true, mkdir: true });
  return pino({ level: logLevel, base: { pid: process.pid, pools: pools.join(',') } }, destination);
}

/** Sends the SDK's own log, that of its native core too, to ours. Once per process. */
export function installRuntime(log: Logger): void {
  Runtime.install({
    logger: new DefaultLogger('DEBUG', ({ level, message, meta }) => {
      // The SDK hands errors on as objects; their stack is what helps, their cause may be long.
      log[LEVELS[level]](meta ?? {}, message);
    }),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
    // Whoever starts a worker says when it ends: compute threads and connections end with it.
    shutdownSignals: [],
  });
}

/**
 * Ends the SDK's native core, whose threads keep a process alive. It ends by itself with the last worker; where none was made
 * (no server yet) it does not. Not the one that was installed: a connection that fails takes it along, and the next makes another.
 */
export const shutdownRuntime = (): Promise<void> => Runtime.instance().shutdown();
