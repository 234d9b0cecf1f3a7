import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { MESSAGES } from '../../contracts/messages.ts';
import type { Progress } from '../../contracts/pipeline.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { activitiesOf, pendingOf, signalsOf } from '../helpers/events.ts';
import { type Bucket, chainIn, Installation, smallRun, type WorkerProcess } from '../helpers/installation.ts';
import { until } from '../helpers/until.ts';

const EPOCHS = 40;
const EVERY = 5;
const CONFIG = smallRun('cancel', {
  epochs: EPOCHS,
  patience: 0,
  batchBoxes: 2,
  learningRate: 1e-3,
  checkpointEverySteps: EVERY,
});
/** Checkpoints that an attempt may keep before it is disturbed. */
const ENOUGH = 8;

describe('a run that is disturbed while it fine-tunes', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let installation: Installation;
  let bucket: Bucket;
  let gpu: WorkerProcess;
  before(
    async () => {
      installation = await Installation.open();
      bucket = installation.bucket('disturbed');
      [, gpu] = await Promise.all([
        installation.startWorker('io,cpu', bucket),
        installation.startWorker('gpu', bucket),
      ]);
    },
    { timeout: 180_000 },
  );
  after(() => installation?.close());

  /** Waits until the attempt with this fence has kept some checkpoints. */
  const underWay = (fence: number) =>
    until(async () => {
      const chain = await installation.whileWorking(chainIn(bucket));
      return chain.filter((step) => step.fence === fence).length >= ENOUGH;
    }, 240);

  /** The last step that the server has heard of. */
  const reachedBy = async (handle: WorkflowHandle): Promise<number> =>
    (await pendingOf(handle, 'fineTune'))?.details?.step ?? 0;

  it('is cancelled on the gpu worker with one of its next heartbeats, and then ends as cancelled', async () => {
    const handle = await installation.startRun('cancelled', CONFIG, bucket);
    await underWay(1);
    const reached = await reachedBy(handle);
    await handle.cancel();
    await assert.rejects(
      installation.whileWorking(handle.result()),
      (error) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure,
    );
    assert.equal((await handle.describe()).status.name, 'CANCELLED');
    const { stages }: Progress = await handle.query(MESSAGES.progress);
    assert.equal(stages.find(({ name }) => name === 'fine-tune')!.state, 'failed');
    assert.equal(stages.find(({ name }) => name === 'encode')!.state, 'done');
    const [fineTune] = await activitiesOf(handle, 'fineTune');
    const { cancelRequestedAtMs, cancelledAtMs } = fineTune!;
    const took = cancelledAtMs! - cancelRequestedAtMs!;
    // Heartbeats go out twice a second; the rest is the end of a step, and a checkpoint of it.
    assert.ok(took < 1_000, `the activity has ended ${Math.round(took)} ms after the request`);
    assert.ok((await chainIn(bucket)).at(-1)!.step >= reached, 'it has left the step behind that it was at');
  });

  it('goes on where it was when it is started again, and where it was when its worker is told to stop', async () => {
    const kept = (await chainIn(bucket)).at(-1)!.step;
    const handle = await installation.startRun('started-again', CONFIG, bucket);
    await underWay(2);
    const toldAt = Date.now();
    gpu.kill('SIGTERM');
    assert.deepEqual(await gpu.exited, { code: 0, signal: null });
    const keptAtStop = (await chainIn(bucket)).at(-1)!.step;
    assert.ok(keptAtStop >= (await reachedBy(handle)), 'no step is lost');
    assert.ok(Date.now() - toldAt < 10_000, `gone after ${Date.now() - toldAt} ms`);
    await installation.startWorker('gpu', bucket);
    await installation.whileWorking(handle.result());

    const [fineTune] = await activitiesOf(handle, 'fineTune');
    assert.equal(fineTune!.attempt, 2);
    // The worker said goodbye: nobody had to wait for the silence of a dead one.
    assert.doesNotMatch(fineTune!.lastFailure!, /heartbeat/i);
    const firstSteps = (await signalsOf(handle, MESSAGES.fineTuneProgress)).map(({ value }) => value.step);
    // An attempt that ended while an epoch was scored has left its last step without the score: that comes first.
    assert.ok([kept, kept + 1].includes(firstSteps[0]!), `${firstSteps[0]} after ${kept}`);
    const afterStop = (await signalsOf(handle, MESSAGES.fineTuneProgress)).filter(({ atMs }) => atMs > toldAt);
    assert.ok(
      afterStop.some(({ value }) => [keptAtStop, keptAtStop + 1].includes(value.step)),
      `goes on after ${keptAtStop}`,
    );

    const chain = await chainIn(bucket);
    assert.deepEqual([...new Set(chain.map(({ fence }) => fence))], [1, 2, 3]);
    const steps = [...new Set(chain.map(({ step }) => step))];
    const twice = chain.filter(({ step }, at) => chain[at - 1]?.step === step).map(({ step }) => step);
    assert.ok(
      twice.every((step) => step === kept || step === keptAtStop),
      `${twice}`,
    );
    const last = steps.at(-1)!;
    assert.ok(kept < last && keptAtStop < last, 'it was disturbed before its end');
    // One every five steps, one at the end of each epoch and one where an attempt was told to end.
    const perEpoch = last / EPOCHS;
    const expected = Array.from({ length: last }, (_, at) => at + 1).filter(
      (step) => step % EVERY === 0 || step % perEpoch === 0 || step === kept || step === keptAtStop,
    );
    assert.deepEqual(steps, expected);
    assert.deepEqual(
      chain.map(({ parent }) => parent),
      [null, ...chain.map(({ step }) => step).slice(0, -1)],
    );
  });
});
