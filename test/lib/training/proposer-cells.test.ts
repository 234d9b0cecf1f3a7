import assert from 'node:assert/strict';
import { test } from 'node:test';
import { insideShares, structureShares, writePlaces } from '../../../lib/training/proposer-cells.ts';

const near = (found: ArrayLike<number>, expected: readonly number[]) => {
  assert.equal(found.length, expected.length);
  for (const [at, value] of expected.entries()) assert.ok(Math.abs(found[at]! - value) < 1e-6, `${at}: ${found[at]}`);
};

test('cells lie on the padded square: those beside a wide slice hold none of it', () => {
  near(insideShares({ height: 3, width: 4, grid: 2 }), [1, 1, 0.5, 0.5]);
  near(insideShares({ height: 2, width: 8, grid: 2 }), [0.5, 0.5, 0, 0]);
});

test('a cell takes of each structure the share of its area, whether pixels are smaller or larger than cells', () => {
  const labels = Uint8Array.of(1, 0, 2, 2, 0, 0, 2, 2, 0, 0, 0, 2);
  near(structureShares(labels, 2, { height: 3, width: 4, grid: 2 }), [0.25, 0, 0, 0, 0, 1, 0, 0.25]);
  near(structureShares(Uint8Array.of(1, 0, 0, 1), 1, { height: 2, width: 2, grid: 3 }), [
    ...[1, 0.5, 0],
    ...[0.5, 0.5, 0.5],
    ...[0, 0.5, 1],
  ]);
});

test('labels beyond the structures asked for are none', () => {
  near(structureShares(Uint8Array.of(1, 3, 3, 3), 2, { height: 2, width: 2, grid: 1 }), [0.25, 0]);
});

test('a place is told by the slice, not by the square, and the padding has the border’s', () => {
  const places = new Float32Array(20);
  writePlaces({ height: 2, width: 4, grid: 2 }, { axis: 'sagittal', position: 0.75 }, places, 0);
  near(places, [...[-0.5, 0, 0.5, 0, 1], ...[0.5, 0, 0.5, 0, 1], ...[-0.5, 1, 0.5, 0, 1], ...[0.5, 1, 0.5, 0, 1]]);
});
