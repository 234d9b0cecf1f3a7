import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseMildest } from '../../../lib/metrics/choose.ts';

test('the best by its mean over the cases is chosen', () => {
  assert.equal(
    chooseMildest([
      [0.8, 0.9],
      [0.9, 0.9],
      [0.7, 0.99],
    ]),
    1,
  );
});

test('a stronger candidate that is not better by a thousandth is not taken', () => {
  assert.equal(chooseMildest([[0.9], [0.9005], [0.9]]), 0);
  assert.equal(chooseMildest([[0.9], [0.902], [0.9025], [0.904]]), 3);
});

test('where nothing helps, the first stays', () => {
  assert.equal(
    chooseMildest([
      [0.9, 0.8],
      [0.9, 0.8],
      [0.2, 0.1],
    ]),
    0,
  );
});
