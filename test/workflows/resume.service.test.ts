import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { encodeWorkflowId, MESSAGES } from '../../contracts/messages.ts';
import type { PipelineResult } from '../../contracts/pipeline.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type ActivityRecord, activitiesOf, signalsOf } from '../helpers/events.ts';
import { type Bucket, type ChainStep, chainIn, Installation, smallRun, textsIn } from '../helpers/installation.ts';
import { until } from '../helpers/until.ts';

const CONFIG = smallRun('resume', {
  ...{ epochs: 40, patience: 0, batchBoxes: 2, learningRate: 1e-3, checkpointEverySteps: 5 },
});
/** The first attempt is killed once this many checkpoints are in the store, of 160. */
const KILL_AFTER = 12;

/** What a run left behind. */
interface Account {
  readonly result: PipelineResult;
  readonly fineTune: ActivityRecord;
  readonly shards: ActivityRecord[];
  readonly chain: ChainStep[];
}

describe('a run whose gpu worker is killed while it fine-tunes', {
  skip: await withoutTools('temporal', 'versitygw'),
}, () => {
  let installation: Installation;
  let untouched: Account;
  let killed: Account;
  let bucket: Bucket;
  /** The last step that was in the store before the first attempt was killed. */
  let keptBefore: number;
  let restartedAtMs: number;
  let signalsAfter: { step: number }[];

  before(
    async () => {
      installation = await Installation.open();
      const plain = installation.bucket('plain');
      await Promise.all([installation.startWorker('io,cpu', plain), installation.startWorker('gpu', plain)]);
      const reference = await installation.startRun('untouched', CONFIG, plain);
      untouched = await accountOf('untouched', await installation.whileWorking(reference.result()), plain);
      await installation.stopWorkers();

      bucket = installation.bucket('killed');
      const [, gpu] = await Promise.all([
        installation.startWorker('io,cpu', bucket),
        installation.startWorker('gpu', bucket),
      ]);
      const handle = await installation.startRun('killed', CONFIG, bucket);
      const kept = await until(async () => {
        const chain = await installation.whileWorking(chainIn(bucket));
        return chain.length >= KILL_AFTER ? chain : null;
      }, 240);
      keptBefore = kept.at(-1)!.step;
      gpu.kill('SIGKILL');
      assert.equal((await gpu.exited).signal, 'SIGKILL');
      restartedAtMs = Date.now();
      await installation.startWorker('gpu', bucket);
      killed = await accountOf('killed', await installation.whileWorking(handle.result()), bucket);
      const signals = await signalsOf(handle, MESSAGES.fineTuneProgress);
      signalsAfter = signals.filter(({ atMs }) => atMs >= restartedAtMs).map(({ value }) => value);
    },
    { timeout: 600_000 },
  );
  after(() => installation?.close());

  async function accountOf(workflowId: string, result: PipelineResult, from: Bucket): Promise<Account> {
    const handle = (id: string): WorkflowHandle => installation.client.workflow.getHandle(id);
    const [fineTune] = await activitiesOf(handle(workflowId), 'fineTune');
    const shards = await activitiesOf(handle(encodeWorkflowId(workflowId)), 'encodeShard');
    return { result, fineTune: fineTune!, shards, chain: await chainIn(from) };
  }

  it('ends with the very weights of a run that nobody touched', () => {
    assert.equal(untouched.fineTune.attempt, 1);
    assert.ok(untouched.fineTune.result.bestEpoch > 0, 'the training has changed the weights');
    assert.equal(killed.result.weights.sha256, untouched.result.weights.sha256);
    assert.equal(killed.result.curves.sha256, untouched.result.curves.sha256);
    assert.deepEqual(killed.result.metrics, untouched.result.metrics);
  });

  it('needs a second attempt, because the first one fell silent', () => {
    assert.equal(killed.fineTune.attempt, 2);
    assert.match(killed.fineTune.lastFailure!, /heartbeat/i);
  });

  it('goes on where the chain of checkpoints ended, and repeats no step before it', () => {
    const first = killed.chain.filter(({ fence }) => fence === 1);
    const second = killed.chain.filter(({ fence }) => fence === 2);
    const end = first.at(-1)!.step;
    assert.equal(first.length + second.length, killed.chain.length);
    assert.ok(end >= keptBefore && end < killed.chain.at(-1)!.step, `killed after ${keptBefore}, ended at ${end}`);
    assert.ok(second.every(({ step }) => step > end));
    assert.equal(signalsAfter[0]!.step, end + 1, 'the first step of the second attempt');
  });

  it('writes every checkpoint once, each naming the one before it, and all as the untouched run has them', () => {
    let parent: number | null = null;
    for (const link of killed.chain) {
      assert.equal(link.parent, parent);
      parent = link.step;
    }
    const bits = ({ step, checkpoint }: ChainStep) => [step, checkpoint.sha256];
    assert.deepEqual(killed.chain.map(bits), untouched.chain.map(bits));
  });

  it('encodes every slice once: one attempt and one manifest for each shard', async () => {
    const slices = killed.shards.map(({ input }) => `${input.slices.sha256} ${input.from}-${input.to}`);
    assert.ok(slices.length >= 3);
    assert.equal(new Set(slices).size, slices.length);
    for (const { attempt, result } of killed.shards) assert.deepEqual([attempt, result.reused], [1, false]);
    const manifests = await textsIn(bucket, 'memo/encode/');
    assert.equal(manifests.size, slices.length);
    const runsOf = (text: string): [count: number][] => JSON.parse(text).parameters.runs;
    const counted = [...manifests.values()].flatMap(runsOf).reduce((sum, [count]) => sum + count, 0);
    const rows = killed.shards.reduce((sum, { input }) => sum + input.to - input.from, 0);
    assert.equal(counted, rows);
  });

  it('leaves everything to a second run, which does no work at all', async () => {
    const again = await installation.startRun('warm', CONFIG, bucket);
    const { result, fineTune, shards } = await accountOf(
      'warm',
      await installation.whileWorking(again.result()),
      bucket,
    );
    assert.equal(shards.length, killed.shards.length);
    assert.ok(shards.every(({ attempt, result: shard }) => attempt === 1 && shard.reused));
    assert.deepEqual([fineTune.attempt, fineTune.result.reused], [1, true]);
    assert.equal(result.weights.sha256, killed.result.weights.sha256);
    const done = result.stages.filter(({ reused }) => !reused).map(({ name }) => name);
    // Its report names another run, so it is another report.
    assert.deepEqual(done, ['report']);
  });
});
