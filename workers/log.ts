import { DefaultLogger, type LogLevel, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import pino, { type Logger } from 'pino';
import type { WorkerEnvironment } from '../contracts/environment.ts';
import { logRecord } from './log-record.ts';
import { textOfLine } from './log-text.ts';

const LEVELS: Readonly<Record<LogLevel, pino.Level>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

type LogSettings = Pick<WorkerEnvironment, 'logLevel' | 'logFile' | 'logForm'>;

/**
 * One JSON line for each message on standard error or in a file; as text where people look at a terminal, or on demand. What
 * is logged names runs, stages, shards and patient keys, never patients: see `logRecord`.
 */
export function openLog({ logLevel, logFile, logForm }: LogSettings, pools: readonly string[]): Logger {
  const destination = pino.destination({ dest: logFile ?? 2, sync: true, mkdir: true });
  const form = logForm ?? (logFile === null && process.stderr.isTTY ? 'text' : 'json');
  const asText = { write: (line: string): void => void destination.write(textOfLine(line)) };
  const options = {
    level: logLevel,
    base: { pools: pools.join(','), pid: process.pid },
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }), log: logRecord },
  };
  return pino(options, form === 'text' ? asText : destination);
}
/** Sends the SDK's own log, that of its native core too, to ours. Once per process. */
export function installRuntime(log: Logger): void {
  Runtime.install({
    logger: new DefaultLogger('DEBUG', ({ level, message, meta }) => {
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
