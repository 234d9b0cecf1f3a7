import { Context } from '@temporalio/activity';
import type { z } from 'zod';
import { ArtifactRef, PatientKey } from '../contracts/artifact.ts';
import { HEARTBEAT, MESSAGES, runOf } from '../contracts/messages.ts';
import type { Trouble } from '../contracts/pipeline.ts';
import type { Maker } from '../lib/artifacts/manifest.ts';
import { isFault } from '../lib/fault.ts';
import { framesOf } from './error-text.ts';
import { type FailureSubject, toFailure } from './failures.ts';

/** What a stage may know of the attempt that runs it. */
export interface Attempt {
  /** Aborts on cancellation, time-out and when the worker shuts down. */
  readonly signal: AbortSignal;
  /** 1, 2, ... */
  readonly number: number;
  /** For whom a memo's work is done, and whether it is to be done again. */
  readonly by: Maker;
  /** What the attempt before this one has reported last; whoever reads it checks it. */
  readonly before: unknown;
  /** Id of the workflow that wants the work; empty where none does. */
  readonly run: string;
  /** What the next heartbeats carry: a pointer and figures, never data. */
  report(details: unknown): void;
  /** Sends a signal to the workflow. Best effort: what it tells is for people, so a failure changes nothing. */
  tell(signal: string, value: unknown): void;
}

/** What any activity's input may carry beside what its schema says: the token of a run that works again. */
export interface Again {
  readonly fresh?: string | undefined;
}

/**
 * Makes an activity of a stage: checks the input by its schema, tells the server twice a second that the attempt lives,
 * hands on cancellation, and classifies whatever goes wrong.
 *
 * The heartbeat's timer runs on the main thread, where nothing else may take long: a stage hands its work to a thread.
 */
export function activity<I extends z.ZodType, R>(
  schema: I,
  stage: (input: z.infer<I>, attempt: Attempt) => Promise<R>,
): (input: z.input<I> & Again) => Promise<R> {
  return async ({ fresh: token, ...raw }: z.input<I> & Again) => {
    // Held here, because in timers and abort listeners the activity's context is gone.
    const context = Context.current();
    let details: unknown;
    const beat = setInterval(() => context.heartbeat(details), HEARTBEAT.everyMs);
    const { attempt: number, activityType } = context.info;
    const warn = (ofAttempt: number, sentence: string | null): void => {
      const trouble: Trouble = { activity: activityType, attempt: ofAttempt, sentence };
      if (isWorthTelling(ofAttempt)) tell(context, MESSAGES.trouble, trouble);
    };
    warn(number, null);
    const attempt: Attempt = {
      signal: context.cancellationSignal,
      number,
      by: { run: runOf(context.info.workflowExecution?.workflowId ?? ''), ...(token !== undefined && { token }) },
      before: context.info.heartbeatDetails,
      run: context.info.workflowExecution?.workflowId ?? '',
      report: (value) => {
        details = value;
      },
      tell: (signal, value) => tell(context, signal, value),
    };
    try {
      return await stage(schema.parse(raw), attempt);
    } catch (error) {
      // A cancelled stage ends in many ways (aborted requests, ended threads); all of them are the cancellation.
      if (attempt.signal.aborted) throw toFailure(attempt.signal.reason);
      const failure = toFailure(error, subjectOf(raw), number);
      if (!('nonRetryable' in failure && failure.nonRetryable)) warn(number + 1, failure.message);
      // The next attempt is to know what this one has reported between two heartbeats.
      if (details !== undefined) context.heartbeat(details);
      // Whoever mends it needs to know where it was: the failure has no stack.
      if (!isFault(error)) context.log.warn('not a fault of the input', { frames: framesOf(error) });
      throw failure;
    } finally {
      clearInterval(beat);
    }
  };
}

/** The 3rd, 6th, 12th, … attempt: what mends itself is not worth a signal, and signals make history. */
const isWorthTelling = (attempt: number): boolean => attempt >= 3 && Number.isInteger(Math.log2(attempt / 3));

function tell(context: Context, signal: string, value: unknown): void {
  const workflow = context.info.workflowExecution;
  if (!workflow) return;
  Promise.resolve()
    .then(() => context.client.workflow.getHandle(workflow.workflowId, workflow.runId).signal(signal, value))
    .catch((error: unknown) => context.log.debug('the workflow was not told', { signal, error }));
}

function subjectOf(input: unknown): FailureSubject {
  const { patient, files } = (input ?? {}) as Record<string, unknown>;
  const key = PatientKey.safeParse(patient);
  const ref = ArtifactRef.safeParse(files);
  return { ...(key.success && { patient: key.data }), ...(ref.success && { files: ref.data }) };
}
