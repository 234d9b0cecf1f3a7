import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { RunConfig } from '../../contracts/config.ts';
import type {
  CrossValidationInput,
  CrossValidationResult,
  PoolInput,
  PoolResult,
} from '../../contracts/cross-validation.ts';
import type { RunLineage } from '../../contracts/lineage.ts';
import { foldWorkflowId, WORKFLOWS } from '../../contracts/messages.ts';
import type { PipelineInput, PipelineResult } from '../../contracts/pipeline.ts';
import type { RecordRunInput } from '../../contracts/stages.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type DoubledActivities, openDoubled } from '../helpers/doubled-activities.ts';
import { smallRun } from '../helpers/installation.ts';
import { until } from '../helpers/until.ts';

const { name, split, model, device, slices, prompts, training, evaluation } = RunConfig.parse(smallRun('small'));
const ref = { kind: 'other', key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 };
const scores = { dice: 0.5, iou: 0.5 };
const metrics = { zeroShot: scores, fineTuned: scores };
const structures = [{ name: 'lungs', label: null }];
const outcome = { reused: false, seconds: 1 };
const keyOf = (number: number): string => `p-${String(number).padStart(12, '0')}`;

/** What a fold gives: here nothing but whom it tested. */
function resultOf({ settings, name: run }: PipelineInput): PipelineResult {
  const fold = settings.split.fold!;
  const encoder = { ...{ name, origin: null, config: ref, preprocessor: ref, weights: ref } };
  return {
    ...{
      run: `${run}-${fold}`,
      name,
      target: 'lungs',
      structures,
      metrics,
      fingerprint: 'f',
      package: ref,
      weights: ref,
    },
    patients: [],
    stages: [{ name: 'report', seconds: 1, reused: false, workSeconds: 1 }],
    split: { train: [], val: [], test: [keyOf(fold)], record: ref, ...outcome },
    model: { ...encoder, embeddingShape: [1, 1, 1] },
    ...{ test: [], evaluation: ref, curves: ref, masks: [], report: ref, repairs: [] },
  };
}

describe('the folds of a cross-validation', { skip: await withoutTools('temporal') }, () => {
  let temporal: DoubledActivities;
  let pooled: PoolInput[];
  let recorded: RecordRunInput[];
  let [atWork, most, ended]: number[] = [];
  /** How many folds had ended when each began. */
  let began: Map<number, number>;
  let work: (fold: number) => Promise<'done' | 'blocks'>;

  const activities = {
    download: async () => ({
      patients: Array.from({ length: 9 }, (_, at) => ({ patient: keyOf(at), files: ref, split: null })),
      ...{ fingerprint: 'f', files: 9, bytes: 9, licence: null, ...outcome },
    }),
    foldDouble: async (input: PipelineInput) => {
      const fold = input.settings.split.fold!;
      began.set(fold, ended!);
      atWork! += 1;
      most = Math.max(most!, atWork!);
      try {
        return (await work(fold)) === 'done' ? resultOf(input) : null;
      } finally {
        atWork! -= 1;
        ended! += 1;
      }
    },
    pool: async (input: PoolInput): Promise<PoolResult> => {
      pooled.push(input);
      return { crossValidation: ref, report: ref, metrics, summaries: [], ...outcome };
    },
    recordRun: async (input: RecordRunInput) => void recorded.push(input),
  };

  before(async () => {
    temporal = await openDoubled('fold-workflows.ts', activities);
  });
  after(() => temporal?.close());
  beforeEach(() => {
    [pooled, recorded, began, atWork, most, ended] = [[], [], new Map(), 0, 0, 0];
  });

  const start = (folds: number | 'leave-one-out') => {
    const settings = { split: { ...split, folds }, model, device, slices, prompts, training, evaluation };
    const input: CrossValidationInput = { name, target: 'lungs', structures, spec: ref, settings };
    return temporal.start<CrossValidationResult>(WORKFLOWS.crossValidate, input);
  };

  it('are as many as patients for leave-one-out: the first alone, then at most four at once, pooled in their order', async () => {
    work = async () => {
      await sleep(50);
      return 'done';
    };
    const { folds }: CrossValidationResult = await (await start('leave-one-out')).result();
    assert.deepEqual(
      folds.map(({ test }) => test[0]),
      Array.from({ length: 9 }, (_, at) => keyOf(at)),
    );
    const [, ...others] = Array.from({ length: 9 }, (_, fold) => began.get(fold)!);
    assert.ok(Math.min(...others) >= 1, 'the first had ended');
    assert.ok(most! > 1 && most! <= 4, `${most} at once`);
    assert.deepEqual(
      pooled[0]!.folds.map(({ run }) => run),
      folds.map(({ run }) => run),
    );
  });

  it('fail together: the one that failed is named, those at work are cancelled, and no other begins', async () => {
    work = async (fold) => {
      if (fold === 0) return 'done';
      if (fold !== 2) return 'blocks';
      await until(() => began.size === 5);
      throw ApplicationFailure.create({ type: 'TRAINING_DIVERGED', message: 'the loss is NaN', nonRetryable: true });
    };
    const handle = await start(9);
    const failed = await handle.result().catch((error: WorkflowFailedError) => error.cause);
    assert.ok(failed instanceof ApplicationFailure);
    assert.deepEqual([failed.type, failed.message], ['TRAINING_DIVERGED', 'Fold 3 of 9: the loss is NaN']);
    assert.deepEqual([...began.keys()].sort(), [0, 1, 2, 3, 4]);
    for (const fold of [1, 3, 4]) {
      const { status } = await handle.client.getHandle(foldWorkflowId(handle.workflowId, fold)).describe();
      assert.equal(status.name, 'CANCELLED', `fold ${fold}`);
    }
    assert.equal(pooled.length, 0);
    const account = recorded[0]!.failure as RunLineage;
    const begun = [0, 1, 2, 3, 4].map((fold) => foldWorkflowId(handle.workflowId, fold));
    assert.deepEqual([account.runs, account.failed?.code], [begun, 'TRAINING_DIVERGED']);
  });
});
