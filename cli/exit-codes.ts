import type { Fault } from '../lib/fault.ts';

/** What the process says to scripts. */
export const EXIT = {
  ok: 0,
  /** The run failed, or a server, a disk or samflow itself did. */
  failed: 1,
  /** A command line, configuration or file that cannot be used. */
  usage: 2,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;

/** Families of faults that are no mistake of the user's. */
const AT_RUN_TIME = /^(SERVER|WORKER|TEMPORAL|STORE|ARTIFACT|POINTER|TOOL|DISK|INTERNAL)_/;

export const exitCodeOf = ({ code }: Fault): number =>
  AT_RUN_TIME.test(code) && code !== 'WORKER_CONFIG' ? EXIT.failed : EXIT.usage;
