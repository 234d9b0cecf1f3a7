import pino, { type Logger } from 'pino';
import type { WorkerEnvironment } from '../contracts/environment.ts';
import { logRecord } from './log-record.ts';
import { textOfLine } from './log-text.ts';

/** Lines that wait for a disk with room; older ones stay, newer ones are lost. */
const WAITING_BYTES = 2 ** 20;

type LogSettings = Pick<WorkerEnvironment, 'logLevel' | 'logFile' | 'logForm'>;

/**
 * One JSON line for each message on standard error or in a file; as text where people look at a terminal, or on demand. What
 * is logged names runs, stages, shards and patient keys, never patients: see `logRecord`.
 */
export function openLog({ logLevel, logFile, logForm }: LogSettings, pools: readonly string[]): Logger {
  const destination = pino.destination({ dest: logFile ?? 2, sync: true, mkdir: true, maxLength: WAITING_BYTES });
  // A disk that is full takes lines, not the worker.
  destination.on('error', () => undefined);
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
