import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../lib/dataset/random.ts';
import { meanInterval, RESAMPLES, resamplesOf } from '../../../lib/metrics/bootstrap.ts';

const draw = (resample: number, place: number) => random(7, resample, place);

test('a resample holds as many cases as there are, each as likely as the other', () => {
  const resamples = resamplesOf(4, draw);
  assert.equal(resamples.length, 4 * RESAMPLES);
  for (const one of [0, 1, 2, 3]) {
    const share = resamples.filter((other) => other === one).length / resamples.length;
    assert.ok(Math.abs(share - 0.25) < 0.01, `${share}`);
  }
});

test('the same seed gives the same interval, another one nearly so', () => {
  const values = [0.81, 0.9, 0.93, 0.87, 0.95, 0.89, 0.91, 0.84];
  const interval = (seed: number) =>
    meanInterval(
      values,
      resamplesOf(8, (...at) => random(seed, ...at)),
    )!;
  assert.deepEqual(interval(1), interval(1));
  assert.notDeepEqual(interval(1), interval(2));
  for (const side of [0, 1]) assert.ok(Math.abs(interval(1)[side]! - interval(2)[side]!) < 0.002);
});

test('the interval is as wide as theory says for many cases', () => {
  const count = 100;
  const values = Array.from({ length: count }, (_, at) => random(3, at));
  const [low, high] = meanInterval(values, resamplesOf(count, draw))!;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count);
  assert.ok(low < mean && mean < high);
  assert.ok(Math.abs(high - low - (2 * 1.96 * deviation) / Math.sqrt(count)) < 0.005, `${high - low}`);
});

test('equal values have an interval without width, a single value has none', () => {
  const [low, high] = meanInterval([0.5, 0.5, 0.5], resamplesOf(3, draw))!;
  assert.ok(Math.abs(low - 0.5) < 1e-12 && Math.abs(high - 0.5) < 1e-12);
  assert.equal(meanInterval([0.5], resamplesOf(1, draw)), null);
});
