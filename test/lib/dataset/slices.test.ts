import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuseLabels, fuseProbabilities } from '../../../lib/dataset/fuse-planes.ts';
import {
  type SliceAxis,
  type SlicesSetting,
  sliceDigests,
  slicesOf,
  sliceVolume,
  unsliceMask,
} from '../../../lib/dataset/slices.ts';
import { decodeSlices, encodeSlices } from '../../../lib/dataset/slices-record.ts';
import { readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { encodeSafetensors } from '../../../lib/safetensors.ts';
import { writeNifti } from '../../../lib/volume/nifti.ts';
import { assertFault } from '../../helpers/faults.ts';
import { oneStack, slicing, volumeOf } from '../../helpers/volumes.ts';

/** Grey value = HU: what a voxel holds can be read off the pixel. */
const PLAIN = { lowHu: 0, highHu: 255 };
const setting = (axis: SlicesSetting['axis'], change: Partial<SlicesSetting> = {}): SlicesSetting =>
  slicing({ axis, window: { widthHu: PLAIN.highHu, levelHu: PLAIN.highHu / 2 }, ...change });

/** 3 x 4 x 5 voxels, value = 100 z + 10 y + x. */
const volume = volumeOf([3, 4, 5], (x, y, z) => (100 * z + 10 * y + x) % 256);
const rowsOf = (stack: ReturnType<typeof oneStack>, row: number) =>
  Array.from({ length: stack.height }, (_, y) => [
    ...stack.pixels.subarray((row * stack.height + y) * stack.width, (row * stack.height + y + 1) * stack.width),
  ]);

test('an axial slice shows front above back and the patient’s right on the left', () => {
  const stack = oneStack(volume, setting('axial'));
  assert.deepEqual([stack.height, stack.width, stack.total, [...stack.index]], [4, 3, 5, [0, 1, 2, 3, 4]]);
  // RAS+: x grows to the patient's right, so column 0 is the largest x; y grows to the front, so row 0 is the largest y.
  assert.deepEqual(rowsOf(stack, 1), [
    [132, 131, 130],
    [122, 121, 120],
    [112, 111, 110],
    [102, 101, 100],
  ]);
  assert.deepEqual(stack.pixelMm, [2, 1]);
});

test('a coronal slice shows the head above, the patient’s right on the left', () => {
  const stack = oneStack(volume, setting('coronal'));
  assert.deepEqual([stack.height, stack.width, stack.total], [5, 3, 4]);
  assert.deepEqual(rowsOf(stack, 2).slice(3), [
    [122, 121, 120],
    [22, 21, 20],
  ]);
  assert.deepEqual(stack.pixelMm, [3, 1]);
});

test('a sagittal slice shows the head above, the front on the left', () => {
  const stack = oneStack(volume, setting('sagittal'));
  assert.deepEqual([stack.height, stack.width, stack.total], [5, 4, 3]);
  assert.deepEqual(rowsOf(stack, 2).slice(3), [
    [132, 122, 112, 102],
    [32, 22, 12, 2],
  ]);
  assert.deepEqual(stack.pixelMm, [3, 2]);
});

test('auto slices across head-feet, on whichever array axis the file has it (D2, D3)', async () => {
  // The file's first axis runs to the head, as in the Kaggle set: [z, x, y] with 5 slices of 3 x 4.
  const voxels = Int16Array.from({ length: 60 }, (_, at) => {
    const [z, x, y] = [at % 5, Math.floor(at / 5) % 3, Math.floor(at / 15)];
    return (100 * z + 10 * y + x) % 256;
  });
  const mask = Uint8Array.from(voxels, (_, at) => (at % 5 === 3 ? 1 : 0));
  const voxelToWorld = [0, 1, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 1];
  const file = (name: string, data: Int16Array | Uint8Array) => ({
    name,
    bytes: writeNifti({ shape: [5, 3, 4], voxels: data, voxelToWorld }),
  });
  const read = await readPatientVolume({ image: [file('i', voxels)], mask: file('m', mask), labels: null });
  assert.equal(read.native.axisCodes, 'SRA');
  const stack = oneStack(read, setting('auto'));
  // The slice that has the mask is kept, not one across another axis; it is the one that the axial test shows.
  assert.deepEqual([[...stack.index], stack.axis], [[3], 'axial']);
  const all = oneStack(read, setting('auto'), { all: true });
  assert.deepEqual(all.pixels, oneStack(volume, setting('axial')).pixels);
});

const masked = volumeOf(
  [6, 5, 4],
  () => 0,
  (x, y, z) => z >= 1 && z <= 2 && x < z + 1 && y < 2,
);

test('slices with too little foreground are left out, and all come with `all`', () => {
  const kept = (min: number) => [...oneStack(masked, setting('auto', { minForegroundPixels: min })).index];
  assert.deepEqual(kept(1), [1, 2]);
  assert.deepEqual(kept(4), [1, 2]);
  assert.deepEqual(kept(5), [2]);
  assert.deepEqual(
    [...oneStack(masked, setting('auto', { minForegroundPixels: 5 }), { all: true }).index],
    [0, 1, 2, 3],
  );
});

test('a limit that leaves no slice is refused with the largest slice there is', () => {
  assertFault(
    () => sliceVolume(masked, setting('auto', { minForegroundPixels: 7 })),
    'SLICES_EMPTY',
    /at most 6 foreground pixels/,
  );
});

test('masks of slices go back to the voxels they came from, along every axis', () => {
  for (const axis of ['axial', 'coronal', 'sagittal'] as SliceAxis[]) {
    const stack = oneStack(masked, setting(axis));
    assert.deepEqual(unsliceMask(stack.masks!, stack, masked), masked.mask, axis);
  }
  assert.throws(
    () => unsliceMask(new Uint8Array(7), { axis: 'axial', index: [0], height: 5, width: 6 }, masked),
    RangeError,
  );
});

test('int16 and float32 volumes give the same grey', () => {
  const float = { ...volume, image: Float32Array.from(volume.image) };
  for (const window of ['lung', 'soft-tissue', { lowPercentile: 2, highPercentile: 97 }] as const) {
    const by = (from: typeof volume) => oneStack(from, setting('auto', { window })).pixels;
    assert.deepEqual(by(float), by(volume));
  }
});

test('stacks survive their artifact, and the same stacks give the same bytes', () => {
  for (const stacks of [sliceVolume(masked, setting('all')), sliceVolume(volume, setting('auto'))]) {
    const bytes = encodeSlices(stacks);
    assert.deepEqual(decodeSlices(bytes), stacks);
    assert.deepEqual(encodeSlices(decodeSlices(bytes)), bytes);
  }
  assertFault(() => decodeSlices(encodeSafetensors([])), 'SLICES_FORMAT', /Run the stage `slice` again/);
});

test('slices have a hash each, and blank ones none', () => {
  const half = volumeOf([3, 4, 4], (x, y, z) => (z === 1 ? 7 : (x + y) * Math.min(z, 2)));
  const [zero, blank, two, three] = sliceDigests(sliceVolume(half, setting('auto')));
  assert.deepEqual([zero, blank], [null, null]);
  assert.match(two!, /^[0-9a-f]{64}$/);
  assert.equal(two, three);
});

test('`all` cuts in three planes, and rows count through them', () => {
  const stacks = sliceVolume(masked, setting('all'));
  assert.deepEqual(
    stacks.map(({ axis, index, height, width }) => [axis, [...index], height, width]),
    [
      ['axial', [1, 2], 5, 6],
      ['coronal', [0, 1], 4, 6],
      ['sagittal', [0, 1, 2], 4, 5],
    ],
  );
  const slices = slicesOf(stacks);
  assert.deepEqual(
    slices.map(({ row, index, stack }) => `${row} ${stack.axis} ${index}`),
    ['0 axial 1', '1 axial 2', '2 coronal 0', '3 coronal 1', '4 sagittal 0', '5 sagittal 1', '6 sagittal 2'],
  );
  assert.deepEqual(
    slices.map(({ pixels, mask }) => [pixels.length, mask.reduce((sum, value) => sum + value, 0)]),
    [30, 30, 24, 24, 20, 20, 20].map((area, row) => [area, [4, 6, 5, 5, 4, 4, 2][row]]),
  );
});

test('what two of three planes agree on is kept; a single plane stands for itself', () => {
  const truth = sliceVolume(masked, setting('all'));
  const found = truth.map((stack) => ({ stack, values: stack.masks! }));
  assert.deepEqual(fuseLabels(found, masked), masked.mask);
  assert.deepEqual(fuseLabels(found.slice(0, 1), masked), masked.mask);
  // One plane that finds everything, or another structure, is outvoted; two are not.
  const filled = (plane: number, label: number) =>
    found.map(({ stack, values }, at) => ({ stack, values: at === plane ? values.map(() => label) : values }));
  for (const plane of [0, 1, 2]) assert.deepEqual(fuseLabels(filled(plane, 3), masked), masked.mask);
  const two = filled(0, 3).map((plane, at) => (at === 1 ? filled(1, 3)[1]! : plane));
  const where = fuseLabels(two, masked);
  assert.equal(where[30], 3);
  assert.deepEqual(fuseLabels([], masked), new Uint8Array(120));
  const likely = fuseProbabilities(
    found.map(({ stack, values }, at) => ({ stack, values: Float32Array.from(values, (value) => (value * at) / 2) })),
    masked,
  );
  assert.ok(Math.abs(likely[masked.mask!.indexOf(1)]! - 0.5) < 1e-6 && likely[0] === 0);
});

test('training takes every n-th slice with the target, and a share of those without, evenly spread', () => {
  const tall = volumeOf(
    [2, 2, 40],
    () => 0,
    (x, _, z) => x === 0 && z >= 10 && z < 20,
  );
  const chosen = (change: Partial<SlicesSetting>) => [...oneStack(tall, setting('axial', change)).index];
  assert.deepEqual(chosen({ everyNth: 3 }), [10, 13, 16, 19]);
  assert.deepEqual(chosen({ everyNth: 10, negatives: 0.1 }), [5, 10, 25, 35]);
  assert.equal(chosen({ negatives: 1 }).length, 40);
  assert.equal(chosen({ negatives: 0.5 }).length, 10 + 15);
});

test('square pixels and pixels of a given size keep every structure where it was, and masks come back', () => {
  // 1 x 2 x 3 mm: coronal slices have rows 3 mm and columns 1 mm apart.
  const block = volumeOf(
    [12, 10, 8],
    (x, y, z) => 10 * x + y + 5 * z,
    (x, y, z) => x >= 3 && x < 9 && y >= 2 && y < 8 && z >= 2 && z < 6,
  );
  const square = oneStack(block, setting('coronal', { pixels: 'square' }));
  assert.deepEqual([square.height, square.width, square.pixelMm], [24, 12, [1, 1]]);
  assert.deepEqual(unsliceMask(square.masks!, square, block), block.mask);
  // A ramp along the columns stays what it is, and one along the rows is drawn out smoothly.
  const row = (y: number) => [...square.pixels.subarray(y * 12, (y + 1) * 12)];
  const scanned = oneStack(block, setting('coronal'));
  assert.deepEqual(row(1), [...scanned.pixels.subarray(0, 12)]);
  assert.deepEqual([4, 5, 6, 7].map((y) => row(y)[0]! - row(y + 1)[0]!).sort(), [1, 2, 2, 2]);

  const coarse = oneStack(block, setting('axial', { pixels: 2 }));
  assert.deepEqual([coarse.height, coarse.width, coarse.pixelMm], [10, 6, [2, 2]]);
  const back = unsliceMask(coarse.masks!, coarse, block);
  const different = back.reduce((sum, value, at) => sum + Math.abs(value - block.mask![at]!), 0);
  // The block ends in the middle of two columns of pixels: at most one voxel on each side is wrong.
  assert.ok(different <= 2 * 6 * 4, `${different} voxels differ`);
  assert.equal(unsliceMask(new Float32Array(coarse.pixels.length).fill(0.5), coarse, block)[500], 0.5);
});
