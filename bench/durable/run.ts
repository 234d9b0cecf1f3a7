import { prepareRun } from '../../cli/config/prepare.ts';
import type { ProofBucket, ProofInstallation } from '../../cli/resume-proof/installation.ts';
import { pipelineInput } from '../../cli/start-run.ts';
import { RunConfig } from '../../contracts/config.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import { QUEUES } from '../../contracts/queues.ts';
import { chaosConfig } from '../chaos.ts';

/** Of a checkpoint with random weights on three small patients: about a minute of training on two cores. */
const EPOCHS = 400;
export const CHECKPOINT_EVERY_STEPS = 20;

/** Starts the run of these rows in a bucket. */
export async function startRun(workflowId: string, bucket: ProofBucket, { client }: ProofInstallation) {
  const written = chaosConfig(0);
  const training = { ...written.training, epochs: EPOCHS, checkpointEverySteps: CHECKPOINT_EVERY_STEPS };
  const prepared = await prepareRun(RunConfig.parse({ ...written, training }));
  const args = [await pipelineInput(prepared, bucket)];
  return client.workflow.start(WORKFLOWS.pipeline, { workflowId, taskQueue: QUEUES.workflow, args });
}

/** From the workflow's start to its end, by the server's clock. */
export async function secondsOf(handle: Awaited<ReturnType<typeof startRun>>): Promise<number> {
  await handle.result();
  const { startTime, closeTime } = await handle.describe();
  return (closeTime!.getTime() - startTime.getTime()) / 1000;
}
