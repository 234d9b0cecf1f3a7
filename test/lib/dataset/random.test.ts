import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random, randomBetween, randomOrder } from '../../../lib/dataset/random.ts';

test('the same seed and counters give the same number, in any order of asking', () => {
  const later = random(7, 3, 2);
  const earlier = random(7, 3, 1);
  assert.equal(random(7, 3, 1), earlier);
  assert.equal(random(7, 3, 2), later);
});

test('these numbers never change: splits, prompts and phantoms of old runs depend on them', () => {
  assert.deepEqual(
    [random(0), random(7), random(7, 0), random(7, 1, 2, 3), random(-1, 2 ** 40)],
    [0.7367612508417325, 0.28313242915344305, 0.7979506308893025, 0.7559655112625508, 0.6943467416924681],
  );
});

test('seeds, counters, their order and their number all matter', () => {
  const draws = [random(1), random(2), random(1, 0), random(1, 0, 0), random(1, 1, 2), random(1, 2, 1), random(1, -1)];
  draws.push(random(1, 2 ** 32), random(1, 2 ** 32 + 1), random(1, 1));
  assert.equal(new Set(draws).size, draws.length);
});

test('numbers are uniform in [0, 1), and neighbours are independent', () => {
  const count = 20_000;
  const values = Float64Array.from({ length: count }, (_, index) => random(5, index));
  assert.ok(values.every((value) => value >= 0 && value < 1));
  const bins = new Array<number>(20).fill(0);
  for (const value of values) bins[Math.floor(value * 20)]! += 1;
  const chi2 = bins.reduce((sum, seen) => sum + (seen - count / 20) ** 2 / (count / 20), 0);
  // 19 degrees of freedom: 43.8 is exceeded once in a thousand samples, and this sample is fixed.
  assert.ok(chi2 < 43.8, `chi² ${chi2}`);
  const pairs = values.subarray(1).reduce((sum, value, index) => sum + (value - 0.5) * (values[index]! - 0.5), 0);
  assert.ok(Math.abs(pairs / count) < 0.002, `covariance ${pairs / count}`);
  const seeds = Float64Array.from({ length: count }, (_, seed) => random(seed, 1));
  assert.ok(Math.abs(seeds.reduce((sum, value) => sum + value, 0) / count - 0.5) < 0.01);
});

test('only whole numbers count', () => {
  assert.throws(() => random(0.5), RangeError);
  assert.throws(() => random(1, Number.NaN), RangeError);
});

test('an order holds each index once and depends on its counters', () => {
  const order = randomOrder(100, 3, 1);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    [...Array(100).keys()],
  );
  assert.deepEqual(randomOrder(100, 3, 1), order);
  assert.notDeepEqual(randomOrder(100, 3, 2), order);
  assert.equal(randomOrder(0, 3).length, 0);
});

test('a draw between two numbers stays between them', () => {
  const draws = Array.from({ length: 1000 }, (_, index) => randomBetween(-3, 5, 1, index));
  assert.ok(draws.every((value) => value >= -3 && value < 5));
});
