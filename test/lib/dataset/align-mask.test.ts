import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AFFINE_TOLERANCE_VOXELS, alignMask, type MaskSource } from '../../../lib/dataset/align-mask.ts';
import type { Affine, Shape3 } from '../../../lib/volume/affine.ts';
import { assertFault } from '../../helpers/faults.ts';

/** A canonical grid of 4 x 3 x 2 voxels, 2 mm. */
const GRID = { shape: [4, 3, 2] as Shape3, voxelToWorld: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1] as Affine };
const labels = Uint8Array.from({ length: 24 }, (_, at) => at % 5);
const source = (change: Partial<MaskSource> = {}): MaskSource => ({
  name: 'mask.nii.gz',
  voxels: labels,
  shape: GRID.shape,
  voxelToWorld: GRID.voxelToWorld,
  ...change,
});
const shifted = (mm: number): Affine => GRID.voxelToWorld.map((value, at) => (at === 3 ? mm : value));

test('labels become the numbers of their structures, or all but zero become 1', () => {
  assert.deepEqual(
    alignMask(source(), GRID, null).mask,
    labels.map((label) => (label === 0 ? 0 : 1)),
  );
  assert.deepEqual(
    alignMask(source(), GRID, [[2, 4]]).mask,
    labels.map((label) => (label === 2 || label === 4 ? 1 : 0)),
  );
  assert.deepEqual(
    alignMask(source(), GRID, [[3], [1, 4]]).mask,
    labels.map((label) => [0, 2, 0, 1, 2][label]!),
  );
});

test('a plain mask of 255 or -1, or with -1 for background, is one structure, and the count is told', () => {
  const values = (background: number, foreground: number) => ({
    voxels: Int16Array.from(labels, (label) => (label === 2 ? foreground : background)),
  });
  const expected = labels.map((label) => (label === 2 ? 1 : 0));
  for (const [background, foreground] of [
    [0, 255],
    [0, -1],
    [-1, 255],
    [-1, 1],
  ] as const) {
    for (const asked of [null, [[1]]]) {
      const { mask, repairs } = alignMask(source(values(background, foreground)), GRID, asked);
      assert.deepEqual(mask, expected, `${background}/${foreground}`);
      assert.match(repairs.join(), new RegExp(`${foreground} for foreground and ${background} .*: 5 voxels became 1`));
    }
  }
  assert.deepEqual(alignMask(source(values(0, 1)), GRID, null).repairs, []);
  // Another number was asked for, and nothing says that 255 is meant.
  assertFault(() => alignMask(source(values(0, 255)), GRID, [[2]]), 'MASK_EMPTY', /values in the file: 0, 255/);
});

test('a mask stored in another axis order is laid where its voxels lie', () => {
  // The same voxels with x running to the left: read backwards, and begun at the other end.
  const flipped = Uint8Array.from(labels, (_, at) => labels[at - (at % 4) + 3 - (at % 4)]!);
  const voxelToWorld = [-2, 0, 0, 6, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
  const { mask, repairs } = alignMask(source({ voxels: flipped, voxelToWorld }), GRID, null);
  assert.deepEqual(mask, alignMask(source(), GRID, null).mask);
  assert.deepEqual(repairs, []);
});

test('float noise in the affine is mended and recorded', () => {
  const { repairs } = alignMask(source({ voxelToWorld: shifted(0.0003) }), GRID, null);
  assert.deepEqual(repairs, ["the mask's affine was moved by 0.00030 mm onto the scan's"]);
  assert.deepEqual(alignMask(source({ voxelToWorld: shifted(1e-9) }), GRID, null).repairs, []);
});

test('a mask that lies elsewhere is refused, by how far', () => {
  const allowedMm = AFFINE_TOLERANCE_VOXELS * 2;
  assert.equal(alignMask(source({ voxelToWorld: shifted(allowedMm * 0.99) }), GRID, null).repairs.length, 1);
  assertFault(
    () => alignMask(source({ voxelToWorld: shifted(2) }), GRID, null),
    'MASK_AFFINE',
    /mask\.nii\.gz: found voxels that lie up to 2\.00 mm from the scan's, expected at most 0\.10 mm/,
  );
});

test('a mask whose header lost its orientation is refused, not guessed', () => {
  const lps = { shape: GRID.shape, voxelToWorld: [2, 0, 0, -100, 0, 2, 0, -80, 0, 0, 2, 40, 0, 0, 0, 1] };
  assertFault(() => alignMask(source(), lps, null), 'MASK_AFFINE');
});

test('a mask of another shape is refused, also where only the order of the axes differs', () => {
  const swapped = { shape: [3, 4, 2] as Shape3 };
  assertFault(() => alignMask(source(swapped), GRID, null), 'MASK_SHAPE', /found 3 x 4 x 2 .*expected 4 x 3 x 2/);
});

test('a mask without foreground is refused with the values that are there', () => {
  assertFault(
    () => alignMask(source({ voxels: new Uint8Array(24) }), GRID, null),
    'MASK_EMPTY',
    /values in the file: 0\)/,
  );
  assertFault(
    () => alignMask(source(), GRID, [[7], [9]]),
    'MASK_EMPTY',
    /values in the file: 0, 1, 2, 3, 4\), expected voxels with label 7 or 9/,
  );
});

test('fractions and NaN are no labels', () => {
  const with5 = (value: number) => Float32Array.from(labels).with(5, value);
  for (const value of [0.5, Number.NaN]) {
    assertFault(() => alignMask(source({ voxels: with5(value) }), GRID, null), 'MASK_NOT_LABELS');
  }
});
