import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differenceText } from '../../../cli/explain-text.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import { firstDifference, firstDifferenceWithin } from '../../../lib/artifacts/why.ts';
import { SCANS, type TinyRun, tinyRun } from '../../helpers/tiny-pipeline.ts';

const [FIRST] = Object.keys(SCANS) as [string];
const { [FIRST]: _, ...WITHOUT_FIRST } = SCANS;

async function answer(a: TinyRun, b: TinyRun): Promise<string> {
  const store = new MemoryStore();
  const [before, after] = [await tinyRun('a', a, store), await tinyRun('b', b, store)];
  return differenceText(await firstDifference(before, after, store), 'a', 'b');
}

describe('what differs first between two runs', () => {
  const same = { scans: SCANS };
  const CASES: [claim: string, b: TinyRun, expected: RegExp][] = [
    [
      'a setting, with both values',
      { ...same, learningRate: 1e-3 },
      /^fine-tune: training\.learningRate 0\.0001 → 0\.001$/,
    ],
    ['the earliest of several', { ...same, learningRate: 1e-3, window: 'bone' }, /^slice: window "lung" → "bone"$/],
    [
      'the data of a patient',
      { scans: { ...SCANS, [FIRST]: 'edited' } },
      new RegExp(`^The data of patient ${FIRST} differ`),
    ],
    ['a patient that only one has', { scans: WITHOUT_FIRST }, new RegExp(`^Patient ${FIRST} is only in a\\.$`)],
    ['the version of a stage', { ...same, version: 2 }, /^slice: samflow's stage version 1 → 2$/],
    ['nothing, where both used the same', same, /^Nothing differs/],
  ];
  for (const [claim, b, expected] of CASES) {
    it(`is ${claim}`, async () => assert.match(await answer(same, b), expected));
  }

  it('is, where one has failed, how it ended, with the settings that differ, after what both have done', async () => {
    const failed = { ...same, learningRate: 1, fails: true } as const;
    assert.equal(
      await answer(same, failed),
      'b failed in fine-tune [TRAINING_DIVERGED]. In what both have done nothing differs. Settings that differ: training.learningRate 0.0001 → 1.',
    );
    assert.match(await answer({ ...failed, window: 'bone' }, same), /^slice: window "bone" → "lung"$/);
    assert.match(await answer({ ...failed, scans: WITHOUT_FIRST }, same), /^Patient p-\w+ is only in b\.$/);
    const store = new MemoryStore();
    const whole = await tinyRun('a', same, store);
    const uses = whole.uses.filter(({ patient, key }) => patient !== FIRST && !key.includes('/fine-tune/'));
    const cut = { ...whole, uses, failed: { stage: 'convert', code: 'NIFTI_TRUNCATED' } };
    assert.equal((await firstDifference(whole, cut, store)).what, 'end', 'it has not come to all patients');
  });

  it('is found in the first fold that has it, by name, and around the folds after that', async () => {
    const store = new MemoryStore();
    const run = (id: string, how: Partial<TinyRun> = {}) => tinyRun(id, { ...same, ...how }, store);
    const [one, two, other] = [await run('one'), await run('two'), await run('other', { learningRate: 1e-3 })];
    const around = { ...one, uses: one.uses.slice(0, 1) };
    const nested = (...inside: [string, typeof one][]) => ({ lineage: around, inside });
    const a = nested(['fold-1', one], ['fold-2', two]);
    const found = await firstDifferenceWithin(a, nested(['fold-2', other]), store);
    assert.deepEqual([found.inside, found.what], ['fold-2', 'parameter']);
    assert.deepEqual(await firstDifferenceWithin(a, nested(['fold-1', one], ['fold-2', one]), store), {
      what: 'nothing',
    });
    // A run alone is one of the folds.
    assert.equal((await firstDifferenceWithin(a, { lineage: other, inside: [] }, store)).what, 'parameter');
  });
});
