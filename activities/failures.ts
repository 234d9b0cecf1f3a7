import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { FAILURES, type FailureDetails } from '../contracts/failure.ts';
import { type Fault, isFault } from '../lib/fault.ts';

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
]);

/** Errors of the language: a bug. `fetch` reports a broken network as a TypeError too, but that one has a cause. */
const BUGS: ReadonlySet<string> = new Set(['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError', 'ZodError']);

/** Whose data an activity was about. */
export type FailureSubject = Pick<FailureDetails, 'patient' | 'files'>;

/** What an activity throws so that Temporal, the Web UI and the CLI see code, sentence and details. */
export function toFailure(error: unknown, subject: FailureSubject = {}): ApplicationFailure | CancelledFailure {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  if (isFault(error)) return fromFault(error, subject);
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const cause = error instanceof Error ? error : undefined;
  if (isBug(error)) {
    const sentence = `${name}: ${firstLine(message)}. This is a bug in samflow; please report it. [${FAILURES.internal}]`;
    return ApplicationFailure.create({
      message: sentence,
      type: FAILURES.internal,
      nonRetryable: true,
      ...withCause(cause),
    });
  }
  const type = error instanceof FencedOut ? FAILURES.fenced : FAILURES.infrastructure;
  return ApplicationFailure.create({ message: `${firstLine(message)} [${type}]`, type, ...withCause(cause) });
}

function fromFault(fault: Fault, subject: FailureSubject): ApplicationFailure {
  const { code, message, details, cause } = fault;
  return ApplicationFailure.create({
    message,
    type: code,
    nonRetryable: !RETRYABLE_FAULTS.has(code),
    details: [{ code, ...details, ...subject } satisfies FailureDetails],
    ...withCause(cause instanceof Error ? cause : undefined),
  });
}

/** Another attempt has taken over: this one must not commit. */
export class FencedOut extends Error {
  override readonly name = 'FencedOut';
}

function isBug(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return BUGS.has(error.name) && error.cause === undefined;
}

const withCause = (cause: Error | undefined): { cause?: Error } => (cause ? { cause } : {});

/** Long texts (a stack, a list of issues) belong into the log. */
const firstLine = (text: string): string => text.split('\n', 1)[0]!.slice(0, 500);
