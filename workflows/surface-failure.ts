import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  isCancellation,
  TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import { FAILURES, LOST_WORKER } from '../contracts/failure-codes.ts';
import type { Board } from './board.ts';

/**
 * Runs a workflow's body and, where it fails, lets the workflow fail with the code and the sentence of the activity that was
 * at fault: by itself a workflow says only "Activity task failed", and the reader of the Web UI has to dig.
 */
export async function withFailureSurfaced<T>(board: Board, body: () => Promise<T>): Promise<T> {
  try {
    const result = await body();
    board.close(null);
    return result;
  } catch (error) {
    if (isCancellation(error)) {
      board.close({ code: 'cancelled', sentence: 'Cancelled.' });
      throw error;
    }
    // Anything else is a bug in the workflow: the task fails, and goes on when a mended worker comes.
    if (!(error instanceof TemporalFailure)) throw error;
    const { type, message, details } = rootOf(error);
    board.close({ code: type, sentence: message });
    const failure = ApplicationFailure.create({ type, message, details, nonRetryable: true, cause: error });
    // It was not this line that failed.
    failure.stack = '';
    throw failure;
  }
}

/** The activity at the root of a failure, however many workflows above it; null where the workflow itself found something. */
export function activityAtFault(failure: TemporalFailure): string | null {
  let found: string | null = null;
  for (let at: unknown = failure; at instanceof TemporalFailure; at = at.cause) {
    if (at instanceof ActivityFailure) found = at.activityType;
  }
  return found;
}

/** The code, the sentence and the details of whatever was at fault. */
export function rootOf(failure: TemporalFailure): { type: string; message: string; details: unknown[] } {
  let at: unknown = failure;
  let where = '';
  while ((at instanceof ActivityFailure || at instanceof ChildWorkflowFailure) && at.cause) {
    where = at instanceof ActivityFailure ? at.activityType : where;
    at = at.cause;
  }
  if (at instanceof TimeoutFailure) {
    if (at.timeoutType === 'HEARTBEAT') {
      const fix = 'Look at the logs of the workers, give them more memory, and start the run again';
      const message = `${where}: no attempt came to its end; of the last one, ${LOST_WORKER}. ${fix}: it goes on where it stopped. [${FAILURES.lost}]`;
      return { type: FAILURES.lost, message, details: [] };
    }
    return {
      type: 'STAGE_TIMED_OUT',
      message: `${where}: no end within its time limit (${at.timeoutType}). Start the run again: it goes on where it stopped. [STAGE_TIMED_OUT]`,
      details: [],
    };
  }
  const application = at instanceof ApplicationFailure ? at : null;
  return {
    type: application?.type ?? 'FAILED',
    message: at instanceof Error ? at.message : String(at),
    details: application?.details ?? [],
  };
}
