import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeSlices,
  encodeSlices,
  type SliceAxis,
  type SlicesSetting,
  sliceDigests,
  sliceVolume,
  unsliceMask,
} from '../../../lib/dataset/slices.ts';
import { readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { encodeSafetensors } from '../../../lib/safetensors.ts';
import { writeNifti } from '../../../lib/volume/nifti.ts';
import { assertFault } from '../../helpers/faults.ts';
import { volumeOf } from '../../helpers/volumes.ts';

/** Grey value = HU: what a voxel holds can be read off the pixel. */
const PLAIN = { lowHu: 0, highHu: 255 };
const setting = (axis: SlicesSetting['axis'], minForegroundPixels = 1): SlicesSetting => ({
  axis,
  window: { widthHu: PLAIN.highHu, levelHu: PLAIN.highHu / 2 },
  minForegroundPixels,
});

/** 3 x 4 x 5 voxels, value = 100 z + 10 y + x. */
const volume = volumeOf([3, 4, 5], (x, y, z) => (100 * z + 10 * y + x) % 256);
const rowsOf = (stack: ReturnType<typeof sliceVolume>, row: number) =>
  Array.from({ length: stack.height }, (_, y) => [
    ...stack.pixels.subarray((row * stack.height + y) * stack.width, (row * stack.height + y + 1) * stack.width),
  ]);

test('an axial slice shows front above back and the patient’s right on the left', () => {
  const stack = sliceVolume(volume, setting('axial'));
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
  const stack = sliceVolume(volume, setting('coronal'));
  assert.deepEqual([stack.height, stack.width, stack.total], [5, 3, 4]);
  assert.deepEqual(rowsOf(stack, 2).slice(3), [
    [122, 121, 120],
    [22, 21, 20],
  ]);
  assert.deepEqual(stack.pixelMm, [3, 1]);
});

test('a sagittal slice shows the head above, the front on the left', () => {
  const stack = sliceVolume(volume, setting('sagittal'));
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
  const stack = sliceVolume(read, setting('auto'));
  // The slice that has the mask is kept, not one across another axis; it is the one that the axial test shows.
  assert.deepEqual([[...stack.index], stack.axis], [[3], 'axial']);
  const all = sliceVolume(read, setting('auto'), { all: true });
  assert.deepEqual(all.pixels, sliceVolume(volume, setting('axial')).pixels);
});

const masked = volumeOf(
  [6, 5, 4],
  () => 0,
  (x, y, z) => z >= 1 && z <= 2 && x < z + 1 && y < 2,
);

test('slices with too little foreground are left out, and all come with `all`', () => {
  const kept = (min: number) => [...sliceVolume(masked, setting('auto', min)).index];
  assert.deepEqual(kept(1), [1, 2]);
  assert.deepEqual(kept(4), [1, 2]);
  assert.deepEqual(kept(5), [2]);
  assert.deepEqual([...sliceVolume(masked, setting('auto', 5), { all: true }).index], [0, 1, 2, 3]);
});

test('a limit that leaves no slice is refused with the largest slice there is', () => {
  assertFault(() => sliceVolume(masked, setting('auto', 7)), 'SLICES_EMPTY', /at most 6 foreground pixels/);
});

test('masks of slices go back to the voxels they came from, along every axis', () => {
  for (const axis of ['axial', 'coronal', 'sagittal'] as SliceAxis[]) {
    const stack = sliceVolume(masked, setting(axis));
    assert.deepEqual(unsliceMask(stack.masks!, stack.index, masked, axis), masked.mask, axis);
  }
  assert.throws(() => unsliceMask(new Uint8Array(7), [0], masked, 'axial'), RangeError);
});

test('int16 and float32 volumes give the same grey', () => {
  const float = { ...volume, image: Float32Array.from(volume.image) };
  for (const window of ['lung', 'soft-tissue', { lowPercentile: 2, highPercentile: 97 }] as const) {
    const by = (from: typeof volume) => sliceVolume(from, { ...setting('auto'), window }).pixels;
    assert.deepEqual(by(float), by(volume));
  }
});

test('a stack survives its artifact, and the same stack gives the same bytes', () => {
  for (const stack of [sliceVolume(masked, setting('coronal')), sliceVolume(volume, setting('auto'))]) {
    const bytes = encodeSlices(stack);
    assert.deepEqual(decodeSlices(bytes), stack);
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
