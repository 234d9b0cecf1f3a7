import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DividedFold, poolFolds } from '../../activities/pooling.ts';
import { EvaluationConfig } from '../../contracts/config.ts';
import type { Evaluation, VolumeScores } from '../../contracts/stages.ts';
import { assertFault } from '../helpers/faults.ts';

const artifact = (kind: string) => ({
  ...{ kind, key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 },
});
const ALL = ['p-000000000001', 'p-000000000002', 'p-000000000003', 'p-000000000004', 'p-000000000005'];
const foldRun = (test: string[], patients = ALL): DividedFold => {
  const [val, ...train] = patients.filter((patient) => !test.includes(patient));
  const automatic = test.map((patient) => ({ patient, overlap: null }));
  return {
    ...{ run: 'a', train, val: [val!], test, automatic },
    evaluation: artifact('evaluation'),
    report: artifact('report'),
  };
};

const NONE = { precision: 0, recall: 0, truthMl: 1, predictedMl: 1, volumeErrorMl: 0, volumeErrorPercent: 0 };
const scoresOf = (dice: number): VolumeScores => ({
  ...NONE,
  ...{ dice, iou: dice / 2, hdMm: null, hd95Mm: null, assdMm: null, nsd: null },
});
const RULE = { fillHoles: true, minComponentMm3: 0, largestComponent: false };

/** An evaluation in which the patients have these Dice scores after fine-tuning; `rule` is what post-processing does. */
function evaluationOf(dices: Record<string, number>, rule: typeof RULE | null): Evaluation {
  const patients = Object.entries(dices).map(([patient, dice]) => ({
    ...{ patient, zeroShot: { dice: 0, iou: 0 }, fineTuned: { dice, iou: dice / 2 }, slices: [] },
    structures: [
      { zeroShot: scoresOf(0), fineTuned: scoresOf(dice), postProcessed: rule ? scoresOf(dice + 0.1) : null },
    ],
    predictions: artifact('predictions'),
  }));
  const mean = patients.reduce((sum, { fineTuned }) => sum + fineTuned.dice, 0) / patients.length;
  const postProcess = { rule, by: 'validation' as const, patients: [], tried: [] };
  return {
    ...{ prompts: 'oracle', zeroShot: { dice: 0, iou: 0 }, fineTuned: { dice: mean, iou: mean / 2 }, patients },
    volumes: {
      ...{ setting: EvaluationConfig.parse({}), structures: [{ name: 'a', label: null }], summaries: [], postProcess },
      note: null,
    },
  };
}

const [one, two, three, four, five] = ALL as [string, string, string, string, string];
const RUNS = [foldRun([one, two, three]), foldRun([four, five])];
const EVALUATIONS = [
  evaluationOf({ [one]: 0.3, [two]: 0.6, [three]: 0.9 }, null),
  evaluationOf({ [four]: 0.1, [five]: 0.2 }, null),
];

describe('pooling folds', () => {
  it('counts every patient once, however many its fold has', () => {
    const { fineTuned, patients, folds } = poolFolds(RUNS, EVALUATIONS);
    assert.ok(Math.abs(fineTuned.dice - 0.42) < 1e-12, 'the mean of five patients, not of two folds');
    assert.deepEqual(
      patients.map(({ patient, fold }) => [patient, fold]),
      [
        [one, 1],
        [two, 1],
        [three, 1],
        [four, 2],
        [five, 2],
      ],
    );
    assert.deepEqual(
      folds.map((fold) => fold.fineTuned),
      EVALUATIONS.map((evaluation) => evaluation.fineTuned),
    );
  });

  it('takes the masks of a fold that chose no post-processing as they are, where another fold chose one', () => {
    const cleaned = [evaluationOf({ [one]: 0.3, [two]: 0.6, [three]: 0.9 }, RULE), EVALUATIONS[1]!];
    const { patients, folds } = poolFolds(RUNS, cleaned);
    const dices = patients.map(({ structures }) => structures[0]!.postProcessed?.dice);
    assert.deepEqual(dices, [0.4, 0.7, 1, 0.1, 0.2]);
    assert.deepEqual(
      folds.map(({ postProcess }) => postProcess),
      [RULE, null],
    );
    const none = poolFolds(RUNS, EVALUATIONS).patients.map(({ structures }) => structures[0]!.postProcessed);
    assert.deepEqual(new Set(none), new Set([null]));
  });

  it('keeps the scores of automatic boxes apart', () => {
    const overlap = { dice: 0.5, iou: 0.4 };
    const runs = [{ ...RUNS[0]!, automatic: [{ patient: two, overlap }] }, RUNS[1]!];
    const { patients } = poolFolds(runs, EVALUATIONS);
    assert.deepEqual(
      patients.map(({ automatic }) => automatic),
      [null, overlap, null, null, null],
    );
  });

  it('refuses folds of other patients: the data changed between them', () => {
    const less = [RUNS[0]!, foldRun([four], ALL.slice(0, 4))];
    assertFault(() => poolFolds(less, EVALUATIONS), 'FOLDS_DIFFER', /^fold 1: found other patients/);
    const twice = [RUNS[0]!, foldRun([three, four, five])];
    assertFault(() => poolFolds(twice, EVALUATIONS), 'FOLDS_DIFFER');
  });
});
