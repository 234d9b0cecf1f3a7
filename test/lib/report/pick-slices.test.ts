import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pickSlices, pictureOf } from '../../../lib/report/pick-slices.ts';
import type { ScoredPatient } from '../../../lib/report/report-data.ts';

function patient(name: string, dice: readonly number[]): ScoredPatient {
  const none = { dice: 0, iou: 0 };
  const slices = dice.map((value, row) => ({
    row,
    axis: 'axial' as const,
    index: 10 + row,
    boxes: [],
    zeroShot: none,
    fineTuned: { dice: value, iou: value },
  }));
  return { patient: name, zeroShot: none, fineTuned: none, slices };
}

const picked = (patients: readonly ScoredPatient[]): string[] =>
  pickSlices({ patients }).map((pick) => `${pick.rank} ${pick.patient} ${pick.index}`);

describe('fewer slices give fewer pictures, none of them twice', () => {
  const cases: [number[], string[]][] = [
    [[], []],
    [[0.5], ['best a 10']],
    [
      [0.5, 0.9],
      ['best a 11', 'worst a 10'],
    ],
    [
      [0.5, 0.9, 0.7],
      ['best a 11', 'median a 12', 'worst a 10'],
    ],
    [
      [0.5, 0.9, 0.7, 0.8],
      ['best a 11', 'median a 12', 'worst a 10'],
    ],
  ];
  for (const [dice, expected] of cases) {
    test(`${dice.length} slices`, () => assert.deepEqual(picked([patient('a', dice)]), expected));
  }
});

test('slices of all patients compete, and ties do not depend on the order of the input', () => {
  const [a, b] = [patient('a', [0.9, 0.4]), patient('b', [0.9, 0.6, 0.4])];
  assert.deepEqual(picked([a, b]), ['best a 10', 'median b 11', 'worst b 12']);
  assert.deepEqual(picked([b, a]), picked([a, b]));
});

test('a picture is the slice of the plane that its pick names', () => {
  const pick = pickSlices({ patients: [patient('a', [0.1, 0.9])] })[0]!;
  const stack = (from: number): Uint8Array => Uint8Array.from({ length: 12 }, (_, i) => from + i);
  const plane = { height: 2, width: 3, index: [10, 11], pixelMm: [2, 1] as const };
  const source = { ...plane, axis: 'axial' as const, pixels: stack(0), masks: stack(20) };
  const other = { ...source, axis: 'coronal' as const, pixels: stack(100) };
  const picture = pictureOf(pick, [other, source], { zeroShot: stack(40), fineTuned: stack(60) });
  assert.deepEqual([...picture.pixels], [6, 7, 8, 9, 10, 11]);
  assert.deepEqual([picture.truth[0], picture.zeroShot[0], picture.fineTuned[0]], [26, 46, 66]);
  assert.deepEqual(picture.spacingMm, [1, 2]);
});
