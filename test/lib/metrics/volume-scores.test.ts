import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Grid } from '../../../lib/metrics/grid.ts';
import { scoreVolume } from '../../../lib/metrics/volume-scores.ts';
import { maskOf } from '../../helpers/masks.ts';

const grid: Grid = { shape: [10, 8, 6], spacingMm: [2, 2.5, 5] };
const setting = { surface: 'sub-voxel', tolerancesMm: [2, 5] } as const;
const block = (width: number) => maskOf(grid.shape, (x, y, z) => x < width && y < 4 && z < 2);
const empty = new Uint8Array(480);

test('volumes are in millilitres, and their error says which way it goes', () => {
  const { truthMl, predictedMl, volumeErrorMl, volumeErrorPercent } = scoreVolume(block(3), block(4), grid, setting);
  assert.deepEqual([truthMl, predictedMl], [0.8, 0.6]);
  assert.equal(volumeErrorMl, -0.2);
  assert.equal(volumeErrorPercent, -25);
});

test('a prediction that is the truth has no error', () => {
  const { truthMl, predictedMl, ...scores } = scoreVolume(block(4), block(4), grid, setting);
  assert.equal(truthMl, predictedMl);
  assert.deepEqual(scores, {
    ...{ dice: 1, iou: 1, precision: 1, recall: 1, volumeErrorMl: 0, volumeErrorPercent: 0 },
    ...{ hdMm: 0, hd95Mm: 0, assdMm: 0, nsd: [1, 1] },
  });
});

test('two empty masks agree perfectly', () => {
  assert.deepEqual(scoreVolume(empty, empty, grid, setting), {
    ...{
      dice: 1,
      iou: 1,
      precision: 1,
      recall: 1,
      truthMl: 0,
      predictedMl: 0,
      volumeErrorMl: 0,
      volumeErrorPercent: 0,
    },
    ...{ hdMm: 0, hd95Mm: 0, assdMm: 0, nsd: [1, 1] },
  });
});

test('a miss and an invention score zero, and their distances are the diagonal of the grid', () => {
  const diagonal = Math.hypot(9 * 2, 7 * 2.5, 5 * 5);
  for (const [prediction, truth, percent] of [
    [empty, block(4), -100],
    [block(4), empty, 100],
  ] as const) {
    const { dice, iou, volumeErrorPercent, hdMm, hd95Mm, assdMm, nsd } = scoreVolume(prediction, truth, grid, setting);
    assert.deepEqual([dice, iou, volumeErrorPercent, nsd], [0, 0, percent, [0, 0]]);
    assert.deepEqual([hdMm, hd95Mm, assdMm], [diagonal, diagonal, diagonal]);
  }
});

test('both surface definitions are to be had, or none', () => {
  const hd95 = (surface: 'sub-voxel' | 'voxel-edge' | null) =>
    scoreVolume(block(3), block(4), grid, { ...setting, surface }).hd95Mm;
  assert.deepEqual([hd95('sub-voxel'), hd95('voxel-edge'), hd95(null)], [2, 2, null]);
  const { assdMm: fine } = scoreVolume(block(3), block(4), grid, setting);
  const { assdMm: edges } = scoreVolume(block(3), block(4), grid, { ...setting, surface: 'voxel-edge' });
  assert.notEqual(fine, edges);
});
