import { inspect } from 'node:util';
import pc from 'picocolors';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { toFault } from './to-fault.ts';

/** Says what ended a command: one sentence on stderr, and for `--json` its code on stdout. Returns the exit code. */
export function tellError(error: unknown, json: boolean): number {
  // Whoever read our output has seen enough (`| head`), and hears nothing more.
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') return EXIT.failed;
  const fault = toFault(error);
  const { code, message } = fault;
  process.stderr.write(`${pc.red('✗')} ${message}\n`);
  if (process.env.SAMFLOW_DEBUG) process.stderr.write(`${inspect(fault.cause ?? fault)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ failure: { code, message } })}\n`);
  return exitCodeOf(fault);
}
