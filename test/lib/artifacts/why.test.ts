import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differenceText } from '../../../cli/explain-text.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import { firstDifference } from '../../../lib/artifacts/why.ts';
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
});
