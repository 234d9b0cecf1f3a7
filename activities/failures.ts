import { ApplicationFailure, type ApplicationFailureOptions, CancelledFailure } from '@temporalio/common';
import type { FailureDetails } from '../contracts/failure.ts';
import { FAILURES } from '../contracts/failure-codes.ts';
import { type Fault, isFault } from '../lib/fault.ts';
import { reasonOf, sentenceOf, withBaseNames } from './error-text.ts';
import { machineFault } from './machine-faults.ts';

/**
 * The one place that says which failures are worth another attempt.
 *
 * A fault is bad data or bad configuration: the same input fails again, so it ends the run at once, under the fault's own
 * code. The exceptions are named here: they speak of a machine or a network, not of the input.
 */
const RETRYABLE_FAULTS: ReadonlySet<string> = new Set([
  'STORE_UNREACHABLE',
  'STORE_FAILED',
  'SOURCE_UNREACHABLE',
  'SOURCE_CHANGED',
  'SOURCE_UNREADABLE',
  'HUB_UNREACHABLE',
  'MODEL_FILE_CHANGED',
  'ARTIFACT_CHANGED',
  'DISK_FULL',
  'DISK_DENIED',
  'WORKER_FILE_HANDLES',
  'WORKER_OUT_OF_MEMORY',
]);

/** Errors of the language: a bug. `fetch` reports a broken network as a TypeError too, but that one has a cause. */
const BUGS: ReadonlySet<string> = new Set(['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError', 'ZodError']);

/** Whose data an activity was about. */
export type FailureSubject = Pick<FailureDetails, 'patient' | 'files'>;

/**
 * What an activity throws so that Temporal, the Web UI and the CLI see code, sentence and details. It carries neither the
 * error behind it nor a stack: both stand in histories in clear, and the one names paths, the other helps no reader there.
 */
export function toFailure(
  error: unknown,
  subject: FailureSubject = {},
  /** The number of the attempt that failed. */
  attempt = 1,
): ApplicationFailure | CancelledFailure {
  const failure = classify(error, subject, attempt);
  failure.stack = '';
  return failure;
}

function classify(error: unknown, subject: FailureSubject, attempt: number): ApplicationFailure | CancelledFailure {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  const fault = machineFault(error) ?? (isFault(error) ? error : null);
  if (fault) return fromFault(fault, subject);
  if (error instanceof FencedOut) {
    return failureOf(error.message, FAILURES.fenced, { nextRetryDelay: patienceAfter(attempt) });
  }
  if (!isBug(error)) return failureOf(sentenceOf(error), FAILURES.infrastructure);
  const sentence = `${error.name}: ${sentenceOf(error)}. This is a bug in samflow; please report it.`;
  return failureOf(sentence, FAILURES.internal, { nonRetryable: true });
}

const failureOf = (
  sentence: string,
  type: string,
  options: Pick<ApplicationFailureOptions, 'nonRetryable' | 'nextRetryDelay'> = {},
): ApplicationFailure => ApplicationFailure.create({ message: `${sentence} [${type}]`, type, ...options });

function fromFault(fault: Fault, subject: FailureSubject): ApplicationFailure {
  const { code } = fault;
  const tell = (text: string): string => withBaseNames(text, fault);
  const { at, found, expected, fix } = fault.details;
  const reason = reasonOf(fault.cause);
  const told = { at: tell(at), found: tell(found), expected: tell(expected), fix: tell(fix) };
  return ApplicationFailure.create({
    message: tell(fault.message),
    type: code,
    nonRetryable: !RETRYABLE_FAULTS.has(code),
    details: [{ code, ...told, ...(reason && { reason }), ...subject } satisfies FailureDetails],
  });
}

const MINUTE_MS = 60_000;

/**
 * Who was fenced out by another run that does the very same waits for that one's result, in milliseconds. Coming back before it has
 * committed anything would fence it out in turn, and so on for ever; so the wait doubles until there is time enough.
 */
const patienceAfter = (attempt: number): number => Math.min(60, 2 ** (attempt - 1)) * MINUTE_MS;

/** Another attempt has taken over: this one must not commit. */
export class FencedOut extends Error {
  override readonly name = 'FencedOut';
}

function isBug(error: unknown): error is Error {
  return error instanceof Error && BUGS.has(error.name) && error.cause === undefined;
}
