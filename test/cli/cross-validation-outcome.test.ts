import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { crossValidationJson, renderCrossValidation } from '../../cli/cross-validation-outcome.ts';
import type { Platform } from '../../cli/dev/platform.ts';
import { findResult, requireResult } from '../../cli/find-run.ts';
import type { CrossValidationResult } from '../../contracts/cross-validation.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

const ref = { kind: 'report', key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 };
const scores = (dice: number) => ({ dice, iou: dice / 2 });
const fold = (number: number, dice: number, test: string[]) => ({
  ...{ run: `lungs-1/fold-${number}`, test, report: ref },
  metrics: { zeroShot: scores(0.25), fineTuned: scores(dice) },
});
const RESULT: CrossValidationResult = {
  ...{ run: 'lungs-1', name: 'lungs', target: 'lungs', fingerprint: 'f', crossValidation: ref, report: ref },
  stages: [{ name: 'folds', seconds: 2, reused: false, workSeconds: 2 }],
  metrics: { zeroShot: scores(0.25), fineTuned: scores(0.5) },
  summaries: [{ structure: 'lungs', fineTuning: [], postProcessing: null }],
  folds: [fold(1, 0.75, ['p-000000000001']), fold(2, 0.375, ['p-000000000002', 'p-000000000003'])],
  repairs: [],
};
const REPORT = '/state/runs/lungs-1/report.html';
const PLATFORM = { uiUrl: null, temporalAddress: 'temporal:7233', storeAddress: 's3' } as Platform;

describe('the end of a good cross-validation', () => {
  const text = stripVTControlCharacters(renderCrossValidation(RESULT, REPORT, { platform: PLATFORM, stays: true }));
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

  it('is the scores over all patients, and those of each fold under the id of its run', () => {
    assert.deepEqual(rows[0], ['3 patients, each unseen', 'Dice', 'IoU']);
    assert.deepEqual(rows[2], ['fine-tuned', '0.500', '0.250']);
    assert.deepEqual(rows.slice(4), [
      ['fold', 'patients', 'zero-shot Dice', 'fine-tuned Dice'],
      ['lungs-1/fold-1', '1', '0.250', '0.750'],
      ['lungs-1/fold-2', '2', '0.250', '0.375'],
    ]);
    assert.match(text, /^Report {4}\S*lungs-1\/report\.html$/m);
  });

  it('is one JSON object with these keys', () => {
    const { folds, ...json } = JSON.parse(crossValidationJson(RESULT, REPORT));
    assert.deepEqual(json, {
      ...{ run: 'lungs-1', status: 'completed', report: REPORT },
      stages: [{ name: 'folds', seconds: 2, reused: false }],
      metrics: { ...RESULT.metrics, summaries: RESULT.summaries },
    });
    assert.deepEqual(folds[0], {
      run: 'lungs-1/fold-1',
      patients: ['p-000000000001'],
      metrics: RESULT.folds[0]!.metrics,
    });
  });
});

describe('the recorded result of a cross-validation', () => {
  it('is found, and is not taken for a run with one model', async () => {
    const artifacts = new ArtifactStore(new MemoryStore());
    await artifacts.writePointer('runs/lungs-1/result.json', RESULT, null);
    const platform = { artifacts } as Platform;
    assert.deepEqual(await findResult('lungs-1', platform), RESULT);
    await assertRejectsWithFault(
      requireResult({ run: 'lungs-1' }, platform),
      'RUN_HAS_FOLDS',
      /a cross-validation with 2 models, expected a run with one\. Name the run of a fold, e\.g\. lungs-1\/fold-1/,
    );
  });
});
