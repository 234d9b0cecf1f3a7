import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Triple } from '../../../lib/metrics/grid.ts';
import { overlap, overlapOfCounts } from '../../../lib/metrics/overlap.ts';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { roll } from '../../helpers/masks.ts';
import { readShared, withoutShared } from '../../helpers/shared-data.ts';

const mask = (bits: string) => Uint8Array.from(bits, Number);

test('scores follow from the counts', () => {
  const { dice, iou, precision, recall, volumeSimilarity, ...counts } = overlap(mask('11100'), mask('01111'));
  assert.deepEqual(counts, { predicted: 3, truth: 4, intersection: 2 });
  assert.deepEqual([dice, iou, precision, recall], [4 / 7, 2 / 5, 2 / 3, 2 / 4]);
  assert.equal(volumeSimilarity, 1 - 1 / 7);
});

test('two empty masks agree, one empty mask never does', () => {
  const scores = (a: string, b: string) => {
    const { dice, iou, precision, recall } = overlap(mask(a), mask(b));
    return [dice, iou, precision, recall];
  };
  assert.deepEqual(scores('000', '000'), [1, 1, 1, 1]);
  assert.deepEqual(scores('010', '000'), [0, 0, 0, 0]);
  assert.deepEqual(scores('000', '010'), [0, 0, 0, 0]);
});

test('any non-zero value is foreground', () => {
  assert.equal(overlap(mask('0205'), mask('0101')).dice, 1);
});

test('counts of slices add up to the score of the volume', () => {
  const [a, b] = [mask('110100'), mask('011100')];
  const halves = [0, 3].map((from) => overlap(a.subarray(from, from + 3), b.subarray(from, from + 3)));
  const sum = (key: 'predicted' | 'truth' | 'intersection') => halves.reduce((total, half) => total + half[key], 0);
  assert.deepEqual(overlapOfCounts(sum('predicted'), sum('truth'), sum('intersection')), overlap(a, b));
});

test('masks of different length are a bug of the caller', () => {
  assert.throws(() => overlap(mask('01'), mask('011')), RangeError);
});

interface GoldenOverlap {
  file: string;
  label: number;
  roll: [number, number, number];
  dice: number;
  iou: number;
  volume_similarity: number;
  precision: number;
  recall: number;
}

const METRICS = new URL('../../fixtures/imaging/metrics.json', import.meta.url);
test('scores of real label maps are those of the reference implementations', { skip: withoutShared('data') }, () => {
  const cases: GoldenOverlap[] = Object.values(JSON.parse(readFileSync(METRICS, 'utf8')));
  for (const golden of cases) {
    const labels = readNifti(readShared(`data/${golden.file}`), golden.file);
    const truth = Uint8Array.from(labels.voxels, (value) => (value === golden.label ? 1 : 0));
    const scores = overlap(roll(truth, labels.shape as unknown as Triple, golden.roll), truth);
    for (const [key, expected] of [
      ['dice', golden.dice],
      ['iou', golden.iou],
      ['precision', golden.precision],
      ['recall', golden.recall],
      ['volumeSimilarity', golden.volume_similarity],
    ] as const) {
      assert.ok(Math.abs(scores[key] - expected) < 1e-12, `${golden.file} ${golden.roll} ${key}: ${scores[key]}`);
    }
  }
});
