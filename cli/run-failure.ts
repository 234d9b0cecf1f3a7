import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { FailureDetails } from '../contracts/failure.ts';
import { PatientFiles } from '../contracts/stages.ts';
import type { Platform } from './dev/platform.ts';

/** Why a run ended without a result. */
export interface RunFailure {
  readonly status: 'failed' | 'cancelled' | 'terminated' | 'timed-out';
  /** Stable; scripts may rely on it. */
  readonly code: string;
  /** One sentence with the way out. */
  readonly message: string;
  /** Path of the file at fault in the source. It may name a patient, so it is told here only and stands in no history. */
  readonly file: string | null;
}

/** Null where the error is not the run's. */
export async function readFailure(error: unknown, platform: Platform): Promise<RunFailure | null> {
  if (!(error instanceof WorkflowFailedError)) return null;
  const { cause } = error;
  if (cause instanceof CancelledFailure) return plain('cancelled', 'CANCELLED', 'The run was cancelled.');
  if (cause instanceof TerminatedFailure) return plain('terminated', 'TERMINATED', 'The run was terminated.');
  if (cause instanceof TimeoutFailure) return plain('timed-out', 'TIMED_OUT', 'The run ran out of time.');
  if (!(cause instanceof ApplicationFailure)) return plain('failed', 'FAILED', cause?.message ?? error.message);
  const failure = plain('failed', cause.type ?? 'FAILED', cause.message);
  return { ...failure, file: await pathOf(cause.details?.[0], platform) };
}

const plain = (status: RunFailure['status'], code: string, message: string): RunFailure => ({
  ...{ status, code, message },
  file: null,
});

/** The history knows a file by its base name; whose it is stands in the store. */
async function pathOf(details: unknown, { artifacts }: Platform): Promise<string | null> {
  const parsed = FailureDetails.safeParse(details);
  if (!parsed.success || !parsed.data.files) return null;
  const { at, files } = parsed.data;
  try {
    const { image, mask } = await artifacts.getJson(files, PatientFiles);
    return [...image, ...(mask ? [mask] : [])].find(({ name }) => name === at)?.path ?? image[0]!.path;
  } catch {
    return null;
  }
}
