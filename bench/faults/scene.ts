import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { WorkflowIdConflictPolicy } from '@temporalio/common';
import { prepareRun } from '../../cli/config/prepare.ts';
import type { ProofInstallation, ProofWorker } from '../../cli/resume-proof/installation.ts';
import { pipelineInput } from '../../cli/start-run.ts';
import { messageOf } from '../../cli/watch/decode.ts';
import { isOutage } from '../../cli/watch/snapshot.ts';
import { RunConfig } from '../../contracts/config.ts';
import { encodeWorkflowId, MESSAGES, WORKFLOWS } from '../../contracts/messages.ts';
import type { PipelineInput, Progress } from '../../contracts/pipeline.ts';
import { priorityOf } from '../../contracts/priority.ts';
import { QUEUES } from '../../contracts/queues.ts';
import { chainIn } from './chain.ts';
import { faultyConfig } from './config.ts';
import type { Scene } from './fault.ts';

const POLL_MS = 50;

export function startRun(
  workflowId: string,
  input: PipelineInput,
  { client }: ProofInstallation,
): Promise<WorkflowHandleWithFirstExecutionRunId> {
  return client.workflow.start(WORKFLOWS.pipeline, {
    ...{ workflowId, taskQueue: QUEUES.workflow, args: [input], priority: priorityOf(input.name) },
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
  });
}

/** A run's result, however long its server is away. */
export async function resultOf(run: WorkflowHandle): Promise<unknown> {
  for (;;) {
    try {
      return await run.result();
    } catch (error) {
      if (!isOutage(error)) throw error;
      await sleep(1_000);
    }
  }
}

/** A scene, as whoever opened it sees it. */
export interface OpenScene extends Scene {
  /** Every run that was started. */
  readonly runs: readonly WorkflowHandleWithFirstExecutionRunId[];
  /** The run whose result counts. */
  latest(): WorkflowHandle;
  /** What its activities say that do not get on. */
  why(): Promise<string>;
  /** Ends what does not end by itself. */
  end(): Promise<void>;
}

/** Starts the run of a scene. */
export async function openScene(
  place: Omit<Scene, keyof Methods | 'run' | 'gpu'>,
  first: ProofWorker,
  id: string,
  input: PipelineInput,
): Promise<OpenScene> {
  const { installation, bucket } = place;
  const runs = [await startRun(id, input, installation)];
  const workers = [first];
  let isOver = false;
  const untilSo = (ask: () => Promise<boolean>): Promise<void> => asked(ask, () => isOver);
  const latest = (): WorkflowHandle => runs.at(-1)!;
  const failures = () => failuresOf(id, installation);
  return {
    ...place,
    runs,
    latest,
    run: runs[0]!,
    get gpu() {
      return workers.at(-1)!;
    },
    async startGpu(options) {
      const gpu = await installation.startWorker('gpu', bucket, options);
      workers.push(gpu);
      return gpu;
    },
    checkpoints: (count) => untilSo(async () => (await chainIn(bucket)).count >= count),
    stage: (name) => untilSo(() => isAtWork(name, latest())),
    failure: (codes) =>
      untilSo(async () => {
        if ((await failures()).some((text) => codes.some((code) => text.includes(`[${code}]`)))) return true;
        const { status } = await latest().describe();
        if (status.name !== 'RUNNING')
          throw new Error(`${status.name}, and no attempt failed with ${codes.join(' or ')}`);
        return false;
      }),
    fence: async () => (await chainIn(bucket)).fence,
    async again() {
      const run = await startRun(id, input, installation);
      // Where it is open still, this is the same one.
      if (runs.every(({ firstExecutionRunId }) => firstExecutionRunId !== run.firstExecutionRunId)) runs.push(run);
      return run;
    },
    told: (text) => untilSo(async () => (await detailsOf(id, installation)).includes(text)),
    async twin() {
      const run = await startRun(`${id}-twin`, input, installation);
      runs.unshift(run);
      return run;
    },
    async crowd(patients) {
      const prepared = await prepareRun(RunConfig.parse(faultyConfig(1, patients, 'crowd')));
      const run = await startRun(`${id}-crowd`, await pipelineInput(prepared, bucket), installation);
      await untilSo(() => isAtWork('encode', run));
      return run;
    },
    why: async () => (await failures()).join('; ') || 'no attempt has failed',
    async end() {
      isOver = true;
      for (const run of runs) await run.terminate().catch(() => undefined);
    },
  };
}

type Methods = Pick<
  Scene,
  'startGpu' | 'checkpoints' | 'stage' | 'failure' | 'fence' | 'told' | 'again' | 'twin' | 'crowd'
>;

/** Bounded by the run's own bound. A server that is away says nothing. */
async function asked(ask: () => Promise<boolean>, isOver: () => boolean): Promise<void> {
  while (
    !(await ask().catch((error) => {
      if (!isOutage(error)) throw error;
      return false;
    }))
  ) {
    if (isOver()) throw new Error('the run was ended');
    await sleep(POLL_MS);
  }
}

async function isAtWork(name: string, run: WorkflowHandle): Promise<boolean> {
  const { stages } = await run.query<Progress>(MESSAGES.progress);
  return stages.some((stage) => stage.name === name && stage.state === 'running');
}

/** What the Web UI shows of a run and of its fan-out. */
async function detailsOf(id: string, { client }: ProofInstallation): Promise<string> {
  const told = [id, encodeWorkflowId(id)].map(async (workflowId) => {
    const run = client.workflow.getHandle(workflowId);
    const answer = run.query<{ readonly currentDetails?: string }>('__temporal_workflow_metadata');
    return (await answer.catch(() => null))?.currentDetails ?? '';
  });
  return (await Promise.all(told)).join();
}

/** What the last attempts of activities have failed with that are tried again now, of a run and of its fan-out. */
async function failuresOf(id: string, { client }: ProofInstallation): Promise<string[]> {
  const told = [id, encodeWorkflowId(id)].map(async (workflowId) => {
    const description = await client.workflow
      .getHandle(workflowId)
      .describe()
      .catch(() => null);
    const pending = description?.raw.pendingActivities ?? [];
    return Promise.all(pending.map(({ lastFailure }) => messageOf(client, lastFailure)));
  });
  return (await Promise.all(told)).flat().filter((text) => text !== null);
}
