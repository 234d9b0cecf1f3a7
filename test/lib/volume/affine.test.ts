import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  affineOfQuaternion,
  affineOfRows,
  affineRows,
  applyAffine,
  IDENTITY,
  largestDisplacementMm,
  largestSkew,
  multiplyAffines,
  quaternionOfAffine,
  voxelSizesMm,
} from '../../../lib/volume/affine.ts';

const SHEARED = [-1.5, 0.1, 0, 30, 0.1, 1.4, 0.2, -40, 0, -0.2, 2.5, 10, 0, 0, 0, 1];

test('a product of affines applies the right one first', () => {
  const shift = [1, 0, 0, 5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const double = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
  assert.deepEqual(applyAffine(multiplyAffines(double, shift), [1, 1, 1]), [12, 2, 2]);
  assert.deepEqual(multiplyAffines(IDENTITY, SHEARED), SHEARED);
});

test('skew is the cosine between the two axes that are furthest from a right angle', () => {
  assert.equal(largestSkew(IDENTITY), 0);
  assert.equal(largestSkew([0, -2, 0, 5, 3, 0, 0, 5, 0, 0, -1, 5, 0, 0, 0, 1]), 0);
  const leaning = [1, 0, 0.5, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
  assert.ok(Math.abs(largestSkew(leaning) - 0.5 / Math.hypot(0.5, 2)) < 1e-12);
});

test('voxel sizes are the lengths of the columns, as in nibabel', () => {
  assert.deepEqual(
    voxelSizesMm(SHEARED).map(Math.fround),
    [1.5033296346664429, 1.4177446365356445, 2.5079872608184814],
  );
});

test('rows and flat lists are the same affine', () => {
  assert.deepEqual(affineOfRows(affineRows(SHEARED)), SHEARED);
});

test('any rotation survives the way through a quaternion', () => {
  for (let index = 0; index < 300; index += 1) {
    const [p, q, r] = [index * 0.7, index * 1.3, index * 2.1];
    const raw = [Math.cos(p), Math.sin(p) * Math.cos(q), Math.sin(p) * Math.sin(q) * Math.cos(r), 0];
    raw[3] = Math.sin(p) * Math.sin(q) * Math.sin(r);
    const [a, b, c, d] = raw as [number, number, number, number];
    const sign = a < 0 ? -1 : 1;
    const qfac = index % 2 === 0 ? 1 : -1;
    const affine = affineOfQuaternion([b * sign, c * sign, d * sign], [1, 2, 3], qfac, [4, 5, 6])!;
    const back = quaternionOfAffine(affine)!;
    assert.equal(back.qfac, qfac);
    const again = affineOfQuaternion(back.bcd, [1, 2, 3], back.qfac, [4, 5, 6])!;
    again.forEach((value, at) => {
      assert.ok(Math.abs(value - affine[at]!) < 1e-6, `rotation ${index}`);
    });
  }
});

test('a sheared grid has no quaternion, and a quaternion longer than 1 no grid', () => {
  assert.equal(quaternionOfAffine(SHEARED), null);
  assert.equal(affineOfQuaternion([0.9, 0.9, 0], [1, 1, 1], 1, [0, 0, 0]), null);
  assert.equal(affineOfQuaternion([Number.NaN, 0, 0], [1, 1, 1], 1, [0, 0, 0]), null);
});

test('the displacement of two grids is that of their worst corner', () => {
  const stretched = [1.01, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  assert.ok(Math.abs(largestDisplacementMm(IDENTITY, stretched, [101, 50, 50]) - 1) < 1e-9);
  assert.equal(largestDisplacementMm(IDENTITY, IDENTITY, [101, 50, 50]), 0);
  const broken = IDENTITY.with(3, Number.NaN);
  assert.ok(Number.isNaN(largestDisplacementMm(IDENTITY, broken, [2, 2, 2])));
});
