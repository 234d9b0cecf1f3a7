import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CrossValidationData } from '../../../lib/report/cross-validation-data.ts';
import { renderCrossValidation } from '../../../lib/report/render-cross-validation.ts';
import { digest, reportData } from './report-fixture.ts';

const run = reportData();
const { volumes, patients } = run.evaluation;
const [scored] = patients;

/** Three patients with the scores of one, each in its own fold; the second lost by fine-tuning. */
function crossValidation(change: Partial<CrossValidationData> = {}): CrossValidationData {
  const keys = ['p-000000000001', 'p-000000000002', 'p-000000000003'];
  const { zeroShot, fineTuned } = scored!;
  const scoresAt = (at: number) => (at === 1 ? { zeroShot: fineTuned, fineTuned: zeroShot } : { zeroShot, fineTuned });
  return {
    ...{ title: 'Lungs', run: 'lungs-1', target: 'lungs', zeroShot, fineTuned },
    patients: keys.map((patient, at) => ({
      ...{ patient, fold: at + 1, ...scoresAt(at), structures: scored!.structures! },
      automatic: at === 0 ? { dice: 0.512, iou: 0.4 } : null,
    })),
    folds: keys.map((patient, at) => ({
      ...{ run: `lungs-1/fold-${at + 1}`, test: [patient], ...scoresAt(at) },
      ...{ val: [keys[(at + 1) % 3]!], train: [keys[(at + 2) % 3]!] },
      postProcess: at === 0 ? { fillHoles: true, minComponentMm3: 0, largestComponent: false } : null,
    })),
    ...{ setting: volumes!.setting, structures: volumes!.structures, summaries: volumes!.summaries },
    ...{ note: 'With 3 test patients p cannot be small.', settings: { model: { checkpoint: 'sam-nano' } } },
    createdFrom: { name: 'cross-validation', sha256: digest('cross-validation') },
    ...change,
  };
}

const page = renderCrossValidation(crossValidation());

describe('the report of a cross-validation', () => {
  it('is the same bytes of the same data, asks for nothing and runs nothing', () => {
    assert.equal(renderCrossValidation(crossValidation()), page);
    assert.doesNotMatch(page, /<script|<iframe|\son\w+=|https?:\/\//i);
  });

  it('says that every patient was tested once, and warns that folds are not independent', () => {
    assert.match(page, /On 3 unseen patients, fine-tuning sam-nano raised Dice for lungs/);
    assert.match(page, /3 patients, each tested once/);
    assert.match(page, /not quite independent/);
    assert.match(page, /class="caution">With 3 test patients/);
  });

  it('leads from each fold to its own report, beside it', () => {
    for (const fold of [1, 2, 3]) {
      assert.ok(page.includes(`<a href="fold-${fold}/report.html">lungs-1/fold-${fold}</a>`), `${fold}`);
    }
    assert.match(page, /holes filled/);
  });

  it('says of folds that were not trained alike what people had asked, and nothing where nobody had', () => {
    const folds = crossValidation().folds.map((fold, at) => (at === 1 ? { ...fold, asked: { extendedTo: 60 } } : fold));
    assert.match(
      renderCrossValidation(crossValidation({ folds })),
      /as people asked: fold 2 was extended to 60 epochs\./,
    );
    assert.doesNotMatch(page, /trained alike/);
  });

  it('lists each patient with its fold and, apart, its score with automatic boxes', () => {
    assert.match(page, /p-000000000001<\/th><td>1<\/td>(?:<td>[^<]*<\/td>){4}<td>0\.512<\/td>/);
    assert.match(page, /p-000000000003<\/th><td>3<\/td>(?:<td>[^<]*<\/td>){4}<td>–<\/td>/);
    assert.match(page, /truth not used/);
    assert.match(page, /Mean Dice of 1 patient: <strong>0\.512/);
  });

  it('has its ids once, and a target for every reference', () => {
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]!);
    assert.equal(new Set(ids).size, ids.length);
    for (const [, reference] of page.matchAll(/href="#([^"]*)"/g)) assert.ok(ids.includes(reference!), reference);
  });

  it('shows text, and never runs it', () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const changed = renderCrossValidation(crossValidation({ title: hostile, run: hostile, target: hostile }));
    assert.ok(!changed.includes('<img src=x'));
  });
});
