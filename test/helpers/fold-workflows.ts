import { proxyActivities, sleep } from '@temporalio/workflow';
import type { PipelineInput, PipelineResult } from '../../contracts/pipeline.ts';
import { QUEUES } from '../../contracts/queues.ts';

/** The cross-validation, with its folds doubled by an activity; a fold without a result is at work until it is cancelled. */
export { crossValidateWorkflow } from '../../workflows/cross-validate.ts';

const { foldDouble } = proxyActivities<{ foldDouble(input: PipelineInput): Promise<PipelineResult | null> }>({
  ...{ taskQueue: QUEUES.io, startToCloseTimeout: '1m', retry: { maximumAttempts: 1 } },
});

export async function pipelineWorkflow(input: PipelineInput): Promise<PipelineResult> {
  const result = await foldDouble(input);
  if (!result) await sleep('1h');
  return result!;
}
