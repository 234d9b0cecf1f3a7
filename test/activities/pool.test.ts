import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityDeps, Compute } from '../../activities/deps.ts';
import { createPool } from '../../activities/pool.ts';
import { tasks } from '../../activities/tasks.ts';
import { EvaluationConfig, SplitSettings } from '../../contracts/config.ts';
import { CrossValidation, type PoolInput, type PoolResult } from '../../contracts/cross-validation.ts';
import type { Evaluation, Parts, SplitRecord, VolumeScores } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';

const compute: Compute = {
  run: async (name, input) => (tasks[name] as (input: unknown) => never)(input),
};
const KEYS = ['p-000000000001', 'p-000000000002', 'p-000000000003'];
const DICES = [0.5, 0.7, 0.9];

const scoresOf = (dice: number): VolumeScores => ({
  ...{ dice, iou: dice / 2, precision: dice, recall: dice, truthMl: 2, predictedMl: 1 },
  ...{ volumeErrorMl: -1, volumeErrorPercent: -50, hdMm: 3, hd95Mm: 2, assdMm: 1, nsd: [0.1, 0.2, 0.3] },
});

/** Leave-one-out of three patients, as three runs have left it in the store. */
async function finishedFolds(artifacts: ArtifactStore): Promise<PoolInput> {
  const report = await artifacts.put('report', Buffer.from('a report'));
  const folds: PoolInput['folds'] = [];
  for (const [fold, key] of KEYS.entries()) {
    const parts: Parts = { test: [key], val: [KEYS[(fold + 1) % 3]!], train: [KEYS[(fold + 2) % 3]!] };
    const setting = SplitSettings.parse({ folds: 'leave-one-out', fold });
    const record: SplitRecord = { setting, split: parts, audit: { patients: 3, slices: 9, blank: 0 } };
    const scores = { zeroShot: { dice: 0.4, iou: 0.2 }, fineTuned: { dice: DICES[fold]!, iou: DICES[fold]! / 2 } };
    const structures = [{ zeroShot: scoresOf(0.4), fineTuned: scoresOf(DICES[fold]!), postProcessed: null }];
    const evaluation: Evaluation = {
      ...{ prompts: 'oracle', ...scores },
      patients: [{ patient: key, ...scores, structures, slices: [], predictions: report }],
      volumes: {
        ...{ setting: EvaluationConfig.parse({}), structures: [{ name: 'lungs', label: null }], summaries: [] },
        ...{ postProcess: { rule: null, by: 'validation', patients: [], tried: [] }, note: null },
      },
    };
    folds.push({
      ...{ run: `lungs-1/fold-${fold + 1}`, report, automatic: [{ patient: key, overlap: null }] },
      split: await artifacts.putJson('split', record),
      evaluation: await artifacts.putJson('evaluation', evaluation),
    });
  }
  return { title: 'lungs', run: 'lungs-1', target: 'lungs', settings: { model: { checkpoint: 'sam-nano' } }, folds };
}

describe('the stage pool', () => {
  const artifacts = new ArtifactStore(new MemoryStore());
  const stage = createPool({ artifacts, compute } as ActivityDeps);
  const run = (input: PoolInput): Promise<PoolResult> =>
    new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(stage, input);

  it('makes one test of the folds: means over the patients, a comparison, and who was in which part', async () => {
    const { metrics, summaries, crossValidation, reused } = await run(await finishedFolds(artifacts));
    assert.ok(Math.abs(metrics.fineTuned.dice - 0.7) < 1e-12);
    const [dice] = summaries[0]!.fineTuning;
    assert.deepEqual([dice!.patients, dice!.after.median, dice!.improved, dice!.p], [3, 0.7, 3, 0.25]);
    assert.equal(reused, false);
    const { folds, patients, note } = await artifacts.getJson(crossValidation, CrossValidation);
    assert.deepEqual(
      folds.map(({ test, val }) => [test[0], val[0]]),
      KEYS.map((key, at) => [key, KEYS[(at + 1) % 3]]),
    );
    assert.deepEqual(
      patients.map(({ fold }) => fold),
      [1, 2, 3],
    );
    assert.match(note!, /^With 3 test patients/);
  });

  it('writes a report, and is reused the second time', async () => {
    const input = await finishedFolds(artifacts);
    const { report, reused } = await run(input);
    assert.equal(reused, true);
    const html = Buffer.from(await artifacts.get(report)).toString();
    assert.match(html, /^<!doctype html>/i);
    for (const key of KEYS) assert.ok(html.includes(key));
  });
});
