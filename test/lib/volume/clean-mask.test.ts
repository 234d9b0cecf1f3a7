import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Shape3 } from '../../../lib/volume/affine.ts';
import { cleanMask, POST_PROCESSES } from '../../../lib/volume/clean-mask.ts';
import { maskOf, noise } from '../../helpers/masks.ts';

const SHAPE: Shape3 = [20, 12, 10];
const SPACING: Shape3 = [1, 2, 2.5];
const NOTHING = { fillHoles: false, minComponentMm3: 0, largestComponent: false };
const clean = (labels: Uint8Array, rule: Partial<typeof NOTHING>) =>
  cleanMask(labels, SHAPE, SPACING, { ...NOTHING, ...rule });
const within = (value: number, from: number, to: number) => value >= from && value < to;
const block = (x: number, y: number, z: number, from: number, to: number) =>
  [x, y, z].every((place) => within(place, from, to));

/** A block with a hole of one voxel, a smaller one, and a speck. */
const large = maskOf(SHAPE, (x, y, z) => block(x, y, z, 2, 8) && !(x === 4 && y === 4 && z === 4));
const small = maskOf(SHAPE, (x, y, z) => within(x, 12, 15) && block(x - 10, y, z, 2, 5));
const speck = maskOf(SHAPE, (x, y, z) => x === 18 && y === 10 && z === 8);
const union = (...masks: Uint8Array[]) => masks[0]!.map((_, at) => (masks.some((mask) => mask[at] !== 0) ? 1 : 0));
const all = union(large, small, speck);

test('without a rule a mask stays as it is', () => {
  assert.deepEqual(clean(all, {}), all);
  assert.deepEqual(cleanMask(all, SHAPE, SPACING, POST_PROCESSES[0]!), all);
});

test('the largest component stays, and of equal ones the first', () => {
  assert.deepEqual(clean(all, { largestComponent: true }), large);
  const twin = maskOf(SHAPE, (x, y, z) => x === 0 && y === 0 && z === 0);
  assert.deepEqual(clean(union(twin, speck), { largestComponent: true }), twin);
});

test('components below a volume go: a voxel has 5 mm³ here, the smaller block 135', () => {
  assert.deepEqual(clean(all, { minComponentMm3: 5 }), all);
  assert.deepEqual(clean(all, { minComponentMm3: 5.1 }), union(large, small));
  assert.deepEqual(clean(all, { minComponentMm3: 136 }), large);
  assert.deepEqual(clean(all, { minComponentMm3: 1e6 }), new Uint8Array(all.length));
});

test('voxels that touch at a corner are one component', () => {
  const chain = maskOf(SHAPE, (x, y, z) => x === y && y === z);
  assert.deepEqual(clean(chain, { largestComponent: true }), chain);
});

test('holes are filled, bays and what is open at the end of the grid are not', () => {
  assert.deepEqual(
    clean(large, { fillHoles: true }),
    maskOf(SHAPE, (x, y, z) => block(x, y, z, 2, 8)),
  );
  const bay = maskOf(SHAPE, (x, y, z) => block(x, y, z, 2, 8) && !(x >= 4 && y === 4 && z === 4));
  assert.deepEqual(clean(bay, { fillHoles: true }), bay);
  const tube = maskOf(SHAPE, (x, y, z) => x < 8 && block(4, y, z, 2, 8) && !(y === 4 && z === 4));
  assert.deepEqual(clean(tube, { fillHoles: true }), tube);
});

test('labels are cleaned one by one, and none takes what belongs to another', () => {
  const labels = Uint8Array.from(large, (value, at) => value * 2 || small[at]! * 3 || speck[at]! * 3);
  const core = 4 + 20 * (4 + 12 * 4);
  labels[core] = 3;
  const cleaned = clean(labels, { fillHoles: true, largestComponent: true });
  assert.deepEqual(
    cleaned,
    Uint8Array.from(large, (value, at) => value * 2 || small[at]! * 3),
  );
  assert.equal(cleaned[core], 0);
});

test('cleaning twice is cleaning once', () => {
  for (const rule of POST_PROCESSES) {
    const once = clean(noise(SHAPE, 0.3, 5), rule);
    assert.deepEqual(clean(once, rule), once);
  }
});
