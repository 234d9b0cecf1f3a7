import { CancellationScope, isCancellation, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { RunLineage } from '../contracts/lineage.ts';
import type { PipelineInput } from '../contracts/pipeline.ts';
import type { Lineage } from './lineage.ts';
import { recordFailure } from './options.ts';
import { activityAtFault, rootOf } from './surface-failure.ts';

/** Of a run that failed so many results are listed: less than a MiB, and more than a run of this size has of most stages. */
const MOST_USES = 4_000;

/**
 * Runs a workflow's body and, where it fails, writes down what it has used by then and where it failed. A run that was cancelled
 * leaves none: it is to end at once.
 *
 * @param runs those that the workflow has started itself
 */
export async function withAccount<T>(
  input: PipelineInput,
  lineage: Lineage,
  body: () => Promise<T>,
  runs?: readonly string[],
): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!isCancellation(error) && error instanceof TemporalFailure) {
      const failure = accountOf(input, lineage, error, runs);
      const run = workflowInfo().workflowId;
      // Best effort: what the run failed of is what has to be told.
      await CancellationScope.nonCancellable(() => recordFailure({ run, failure })).catch(() => undefined);
    }
    throw error;
  }
}

function accountOf(
  input: PipelineInput,
  { uses }: Lineage,
  error: TemporalFailure,
  runs: readonly string[] | undefined,
): RunLineage {
  const omitted = uses.length - MOST_USES;
  return {
    ...{ input, uses: uses.slice(0, MOST_USES), failed: { stage: stageAtFault(error), code: rootOf(error).type } },
    ...(runs && { runs }),
    ...(omitted > 0 && { omitted }),
  };
}

/** As results are called in the store. */
function stageAtFault(error: TemporalFailure): string | null {
  const activity = activityAtFault(error);
  if (activity === 'encodeShard' || activity === 'indexEmbeddings') return 'encode';
  return activity?.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) ?? null;
}
