import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import type { ChainStep } from '../../contracts/chain.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { PipelineInput } from '../../contracts/pipeline.ts';
import { QUEUES } from '../../contracts/queues.ts';
import { unlessAborted } from '../../infra/dev/abort.ts';
import type { PreparedRun } from '../config/prepare.ts';
import { pipelineInput } from '../start-run.ts';
import { type Account, accountOf } from './account.ts';
import type { Ending, ProofBucket, ProofInstallation } from './installation.ts';
import { momentOf, type Seen } from './killing.ts';
import { type Kill, planKills } from './kills.ts';

/** A kill that was made, and what it cost. */
export interface Made {
  readonly signal: Ending;
  readonly stage: string;
  /** The last step that the server had heard of, and the last one in the store when the worker was gone; null outside a training. */
  readonly heard: number | null;
  readonly kept: number | null;
  /** How long the worker took to end. */
  readonly ms: number;
  readonly code: number | string | null;
}

export interface Proof {
  readonly seed: number;
  readonly untouched: Account;
  readonly killed: Account;
  readonly made: readonly Made[];
  /** Kills that were due when the run had ended. */
  readonly missed: number;
  /** What is not as it must be, one sentence each. Empty: proved. */
  readonly violations: readonly string[];
}

export interface ProofOptions {
  readonly kills: number;
  readonly ends: number;
  readonly seed: number;
  readonly report: (line: string) => void;
  readonly signal: AbortSignal;
  /** What else must hold of the run whose worker was ended so many times: looked at once all workers are gone. */
  readonly inspect?: Inspect | undefined;
}

export type Inspect = (
  run: WorkflowHandle,
  endings: number,
  bucket: ProofBucket,
  installation: ProofInstallation,
) => Promise<readonly string[]>;

/**
 * Runs a configuration twice, in buckets that know nothing of each other: once as it is, and once with its gpu worker killed at
 * moments that the seed decides. Everything that both made must be the same, bit by bit.
 */
export async function proveResume(
  prepared: PreparedRun,
  installation: ProofInstallation,
  { kills, ends, seed, report, signal, inspect }: ProofOptions,
): Promise<Proof> {
  const run = `verify-resume-${randomUUID().slice(0, 8)}`;
  report('a run that nobody touches');
  const untouched = await runIn('untouched', [], run, prepared, installation, report, signal);
  report(`the same with ${kills} kills and ${ends} orders to end, by seed ${seed}`);
  const killed = await runIn('killed', planKills(kills, ends, seed), run, prepared, installation, report, signal);
  const { made, handle, bucket } = killed;
  const violations = [
    ...differences(untouched.account, killed.account),
    ...made.flatMap((one) => lossesOf(one, prepared.settings.training.checkpointEverySteps)),
    ...((await inspect?.(handle, made.length, bucket, installation)) ?? []),
    ...installation.survivors().map((pid) => `worker ${pid} is still alive`),
    ...(await installation.leftFiles()).map((name) => `${name} was left among the temporary files`),
  ];
  const missed = kills + ends - made.length;
  return { seed, untouched: untouched.account, killed: killed.account, made, missed, violations };
}

async function runIn(
  name: string,
  plan: readonly Kill[],
  run: string,
  prepared: PreparedRun,
  installation: ProofInstallation,
  report: (line: string) => void,
  signal: AbortSignal,
): Promise<{ account: Account; made: Made[]; handle: WorkflowHandle; bucket: ProofBucket }> {
  const bucket = installation.bucket(name);
  let [, gpu] = await Promise.all([
    installation.startWorker('io,cpu', bucket),
    installation.startWorker('gpu', bucket),
  ]);
  const handle = await start(run, await pipelineInput(prepared, bucket), installation);
  const made: Made[] = [];
  let before: Seen = null;
  for (const kill of plan) {
    signal.throwIfAborted();
    const seen = await momentOf(kill, handle, installation, before);
    if (!seen) break;
    const { ms, code } = await gpu.end(kill.signal);
    const inTraining = seen.stage === 'fine-tune';
    const kept = inTraining ? await lastStep(bucket) : null;
    made.push({ signal: kill.signal, stage: seen.stage, heard: inTraining ? seen.step : null, kept, ms, code });
    report(`${made.length} of ${plan.length}: ${textOf(made.at(-1)!)}`);
    before = seen;
    gpu = await installation.startWorker('gpu', bucket);
  }
  const result = await unlessAborted(signal, handle.result());
  await installation.stopWorkers();
  return { account: await accountOf(result, bucket), made, handle, bucket };
}

function start(workflowId: string, input: PipelineInput, { client }: ProofInstallation): Promise<WorkflowHandle> {
  return client.workflow.start(WORKFLOWS.pipeline, { workflowId, taskQueue: QUEUES.workflow, args: [input] });
}

/** Of the head, which is small, where the chain may be long. */
async function lastStep({ store }: ProofBucket): Promise<number> {
  for await (const { key } of store.list('runs/')) {
    if (!key.endsWith('/head.json')) continue;
    const head = JSON.parse(Buffer.from((await store.get(key))!.bytes).toString('utf8'));
    return head.last?.step ?? 0;
  }
  return 0;
}

function textOf({ signal, stage, heard, kept, ms, code }: Made): string {
  const where = heard === null ? stage : `${stage}, step ${heard} or later; ${kept} in the store`;
  return signal === 'SIGKILL'
    ? `killed in ${where}`
    : `told to end in ${where}; gone after ${Math.round(ms)} ms, code ${code}`;
}

/**
 * Who is told to end loses no step, and ends well. Who is killed loses the steps since the last checkpoint, and those of one more
 * interval where that one was on its way still.
 */
export function lossesOf({ signal, heard, kept, code }: Made, checkpointEverySteps: number): string[] {
  if (signal === 'SIGKILL') {
    const lost = heard === null || kept === null ? 0 : heard - kept;
    const most = 2 * checkpointEverySteps;
    return lost > most ? [`a worker that was killed at step ${heard} left ${kept}: more than ${most} steps lost`] : [];
  }
  return [
    ...(code === 0 ? [] : [`a worker that was told to end ended with code ${code}`]),
    ...(heard !== null && kept !== null && kept < heard
      ? [`a worker that was told to end at step ${heard} left ${kept}`]
      : []),
  ];
}

/** What both runs made and is not the same, and what is wrong with either. */
export function differences(untouched: Account, killed: Account): string[] {
  const different = Object.entries(untouched.digests).flatMap(([what, digest]) =>
    killed.digests[what] === digest ? [] : [`${what}: another digest than the untouched run’s`],
  );
  // An attempt that was told to end while an epoch was scored has kept its last step without the score.
  const place = ({ step, epochs }: ChainStep): string => `${step} ${epochs}`;
  const checkpoints = new Map(untouched.chain.map((link) => [place(link), link.checkpoint.sha256]));
  const other = killed.chain.filter(
    (link) => (checkpoints.get(place(link)) ?? link.checkpoint.sha256) !== link.checkpoint.sha256,
  );
  const made = new Set(killed.chain.map(({ step }) => step));
  return [
    ...different,
    ...other.map(({ step }) => `the checkpoint of step ${step} differs from the untouched run’s`),
    ...untouched.chain.flatMap(({ step }) => (made.has(step) ? [] : [`no checkpoint of step ${step}`])),
    ...untouched.violations.map((sentence) => `untouched run: ${sentence}`),
    ...killed.violations,
  ];
}
