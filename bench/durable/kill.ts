import { setTimeout as sleep } from 'node:timers/promises';
import type { ProofBucket, ProofInstallation } from '../../cli/resume-proof/installation.ts';
import { payloadValue } from '../../cli/watch/decode.ts';
import { HEARTBEAT } from '../../contracts/messages.ts';
import { FineTuneProgress } from '../../contracts/stages.ts';
import { type BenchRow, load } from '../row.ts';
import { CHECKPOINT_EVERY_STEPS, secondsOf, startRun } from './run.ts';

/** Whoever is not back by then has ended meanwhile. */
const GIVEN_UP_MS = 60_000;

/** One run as it is, and one whose gpu worker is killed in mid training and started again at once. */
export async function killRows(installation: ProofInstallation, say: (line: string) => void): Promise<BenchRow[]> {
  const detectionSeconds = Number.parseFloat(HEARTBEAT.timeout);
  say('durable/kill: a run that nobody touches');
  const untouched = await timed('untouched', installation, async () => undefined);
  say('durable/kill: the same with one SIGKILL');
  let lostSteps = 0;
  let backSeconds = Number.NaN;
  const killed = await timed('killed', installation, async (bucket, handle, gpu) => {
    let step = 0;
    while (step < 600) step = (await heardOf(handle, installation)) ?? step;
    await gpu.end('SIGKILL');
    const died = performance.now();
    const last = (await heardOf(handle, installation)) ?? step;
    lostSteps = Math.max(0, last - (await lastKept(bucket)));
    await installation.startWorker('gpu', bucket);
    const givenUp = died + GIVEN_UP_MS;
    while (((await heardOf(handle, installation)) ?? 0) <= last && performance.now() < givenUp) await sleep(20);
    backSeconds = (performance.now() - died) / 1000 - detectionSeconds;
  });
  const lost = killed - untouched - detectionSeconds;
  return [
    {
      what: 'time lost by one SIGKILL in training, beyond its detection',
      value: (100 * lost) / untouched,
      target: 2,
      sense: 'at most',
      unit: '%',
      note: [
        `${killed.toFixed(1)} s against ${untouched.toFixed(1)} s, detected after ${detectionSeconds} s; ${load()}`,
        `heard to be past the step it was killed at ${backSeconds.toFixed(1)} s after its detection`,
      ].join('\n'),
    },
    {
      what: 'steps that were lost with it',
      value: lostSteps,
      target: CHECKPOINT_EVERY_STEPS,
      sense: 'at most',
      unit: 'steps',
      note: 'between the last one that the server heard of and the last one in the store',
    },
  ];
}

type Handle = Awaited<ReturnType<typeof startRun>>;
type Gpu = Awaited<ReturnType<ProofInstallation['startWorker']>>;

async function timed(
  name: string,
  installation: ProofInstallation,
  disturb: (bucket: ProofBucket, handle: Handle, gpu: Gpu) => Promise<void>,
): Promise<number> {
  const bucket = installation.bucket(name);
  const [, gpu] = await Promise.all([
    installation.startWorker('io,cpu', bucket),
    installation.startWorker('gpu', bucket),
  ]);
  const handle = await startRun(name, bucket, installation);
  await disturb(bucket, handle, gpu);
  const seconds = await secondsOf(handle);
  await installation.stopWorkers();
  return seconds;
}

/** The last step that the server has heard of; null outside the training. */
async function heardOf(handle: Handle, { client }: ProofInstallation): Promise<number | null> {
  const { raw } = await handle.describe();
  const pending = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'fineTune');
  const value = await payloadValue(client, pending?.heartbeatDetails?.payloads?.[0]);
  const told = FineTuneProgress.safeParse(value);
  return told.success ? told.data.step : null;
}

async function lastKept({ store }: ProofBucket): Promise<number> {
  let last = 0;
  for await (const { key } of store.list('runs/')) {
    const step = /\/steps\/0*(\d+)/.exec(key)?.[1];
    if (step) last = Math.max(last, Number(step));
  }
  return last;
}
