import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Affine, applyAffine, type Shape3 } from '../../../lib/volume/affine.ts';
import {
  axisCodes,
  canonicalAffine,
  canonicalShape,
  isUsableAffine,
  orientationOf,
  toCanonical,
  toNative,
} from '../../../lib/volume/orientation.ts';

const SHAPE: Shape3 = [4, 3, 5];
const PERMUTATIONS = ['012', '021', '102', '120', '201', '210'];

/** All 48 ways to lay three axes: voxel axis a runs along world axis p[a], forwards or backwards, 2, 3 and 4 mm apart. */
const GRIDS: { codes: string; voxelToWorld: Affine }[] = PERMUTATIONS.flatMap((permutation) =>
  Array.from({ length: 8 }, (_, flips) => {
    const voxelToWorld = new Array<number>(16).fill(0);
    voxelToWorld[15] = 1;
    const codes = [...permutation].map((world, axis) => {
      const sign = flips & (1 << axis) ? -1 : 1;
      voxelToWorld[Number(world) * 4 + axis] = sign * (axis + 2);
      voxelToWorld[Number(world) * 4 + 3] = 10 * Number(world);
      return ['LR', 'PA', 'IS'][Number(world)]![sign === 1 ? 1 : 0];
    });
    return { codes: codes.join(''), voxelToWorld };
  }),
);

const voxels = Int16Array.from({ length: 60 }, (_, index) => index * index - 900);
const at = (from: ArrayLike<number>, [nx, ny]: readonly number[], [i, j, k]: readonly number[]) =>
  from[i! + nx! * (j! + ny! * k!)]!;

test('there are 48 orientations, each with its own codes', () => {
  assert.equal(new Set(GRIDS.map(({ codes }) => codes)).size, 48);
  for (const { codes, voxelToWorld } of GRIDS) assert.equal(axisCodes(orientationOf(voxelToWorld)), codes);
});

test('in every orientation a voxel keeps its place in the world, and the way back is exact', () => {
  for (const { codes, voxelToWorld } of GRIDS) {
    const orientation = orientationOf(voxelToWorld);
    const shape = canonicalShape(SHAPE, orientation);
    const affine = canonicalAffine(voxelToWorld, SHAPE, orientation);
    assert.equal(axisCodes(orientationOf(affine)), 'RAS', codes);
    const canonical = toCanonical(voxels, SHAPE, orientation, new Int16Array(60));
    for (const voxel of [
      [0, 0, 0],
      [3, 0, 0],
      [1, 2, 3],
      [3, 2, 4],
    ] as [number, number, number][]) {
      const world = applyAffine(voxelToWorld, voxel);
      // The canonical grid has no rotation here: its index follows from the world place, axis by axis.
      const index = world.map((mm, axis) => (mm - affine[axis * 4 + 3]!) / affine[axis * 5]!);
      assert.equal(at(canonical, shape, index), at(voxels, SHAPE, voxel), `${codes} ${voxel}`);
    }
    assert.deepEqual(toNative(canonical, SHAPE, orientation, new Int16Array(60)), voxels, codes);
  }
});

test('an oblique grid takes the nearest axes', () => {
  const turned = (degrees: number): Affine => {
    const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    return [c, -s, 0, 0, s, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  };
  assert.equal(axisCodes(orientationOf(turned(44))), 'RAS');
  assert.equal(axisCodes(orientationOf(turned(46))), 'ALS');
  assert.equal(axisCodes(orientationOf(turned(180))), 'LPS');
});

test('two axes never take the same world axis, however sheared the grid', () => {
  const { worldAxis } = orientationOf([1, 0.9, 0.8, 0, 0.1, 0.4, 0, 0, 0, 0.1, 0.6, 0, 0, 0, 0, 1]);
  assert.deepEqual([...worldAxis].sort(), [0, 1, 2]);
});

test('usable affines are finite and span space, at any scale', () => {
  const scaled = (mm: number) => [mm, 0, 0, 0, 0, mm, 0, 0, 0, 0, mm, 0, 0, 0, 0, 1];
  assert.ok(isUsableAffine(scaled(1e-4)));
  assert.ok(!isUsableAffine(scaled(0)));
  assert.ok(!isUsableAffine(scaled(Number.POSITIVE_INFINITY)));
});
