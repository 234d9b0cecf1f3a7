import { inspect } from 'node:util';
import pc from 'picocolors';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { toFault } from './to-fault.ts';

/** Says what ended a command: one sentence on stderr, and for `--json` its code on stdout. Returns the exit code. */
export function tellError(error: unknown, json: boolean): number {
  // Whoever read our output has seen enough (`| head`), and hears nothing more.
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') return EXIT.failed;
  const fault = toFault(error);
  tell(fault, json);
  if (process.env.SAMFLOW_DEBUG) process.stderr.write(`${inspect(fault.cause ?? fault)}\n`);
  return exitCodeOf(fault);
}

/** The same for a command line that the parser refuses, in its words; they may be two lines. */
export function tellUsage(said: string, command: string, json: boolean): number {
  const sentence = said.replace(/^error: /, '').replace(/\.?\n(\(.*\))$/, ' $1');
  const message = `${command}: ${sentence.replace(/\.$/, '')}. See \`${command} --help\`. [USAGE]`;
  tell({ code: 'USAGE', message }, json);
  return EXIT.usage;
}

function tell({ code, message }: { readonly code: string; readonly message: string }, json: boolean): void {
  process.stderr.write(`${pc.red('✗')} ${message}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ failure: { code, message } })}\n`);
}
