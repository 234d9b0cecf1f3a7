import assert from 'node:assert/strict';
import { test } from 'node:test';
import { learningRateAt } from '../../../lib/training/schedule.ts';

const cosine = { learningRate: 1, warmupSteps: 10, schedule: 'cosine' } as const;

test('the rate rises in a line to its top, then falls by a cosine to a tenth', () => {
  assert.equal(learningRateAt(5, 110, cosine), 0.5);
  assert.equal(learningRateAt(10, 110, cosine), 1);
  assert.ok(Math.abs(learningRateAt(60, 110, cosine) - 0.55) < 1e-12);
  assert.ok(Math.abs(learningRateAt(110, 110, cosine) - 0.1) < 1e-12);
});

test('a constant rate stays', () => {
  assert.equal(learningRateAt(100, 110, { ...cosine, schedule: 'constant' }), 1);
});

test('a run shorter than its warm-up still reaches its rate', () => {
  assert.equal(learningRateAt(1, 8, cosine), 1);
});

test('each plateau of the validation loss halves the rate', () => {
  const plateau = { ...cosine, schedule: 'plateau' } as const;
  const rate = (...losses: number[]) => learningRateAt(100, 110, plateau, losses);
  assert.equal(rate(3, 2, 1), 1);
  assert.equal(rate(3, 2, 2, 2), 1);
  assert.equal(rate(3, 2, 2, 2, 2), 0.5);
  assert.equal(rate(3, 2, 2, 2, 2, 1, 1, 1), 0.5);
  assert.equal(rate(3, 2, 2, 2, 2, 2, 2, 2), 0.25);
});
