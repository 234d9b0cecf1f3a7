import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, test } from 'node:test';
import wabt from 'wabt';
import { type OptimiserSettings, update, updateNumbers } from '../../../lib/training/optimiser.ts';

const LEARNING_RATE = 0.01;
/** More than the kernel takes at once, and no multiple of what it takes in a step. */
const SIZE = 2 ** 15 + 5;
const STEPS = 7;
const plain: OptimiserSettings = { kind: 'adam', weightDecay: 0, clipNorm: 0 };
const gradientAt = (step: number) =>
  Float32Array.from({ length: SIZE }, (_, i) => Math.sin(3 * step + i) * ((i % 5) + 1));
const lengthOf = (vector: ArrayLike<number>) => Math.sqrt(Array.from(vector).reduce((sum, x) => sum + x * x, 0));
const begin = () => ({
  weights: Float32Array.from({ length: SIZE }, (_, i) => (i % 5) - 2),
  first: new Float32Array(SIZE),
  second: new Float32Array(SIZE),
});

/** torch.optim.Adam and AdamW as their documentation states them, in float64. */
function reference({ kind, weightDecay, clipNorm }: OptimiserSettings) {
  const [weights, m, v] = [Float64Array.from(begin().weights), new Float64Array(SIZE), new Float64Array(SIZE)];
  for (let t = 1; t <= STEPS; t++) {
    const raw = Float64Array.from(gradientAt(t));
    const norm = lengthOf(raw);
    const clip = clipNorm > 0 ? Math.min(1, clipNorm / (norm + 1e-6)) : 1;
    for (let i = 0; i < SIZE; i++) {
      let g = raw[i]! * clip;
      if (kind === 'adam') g += weightDecay * weights[i]!;
      else weights[i]! -= LEARNING_RATE * weightDecay * weights[i]!;
      m[i] = 0.9 * m[i]! + 0.1 * g;
      v[i] = 0.999 * v[i]! + 0.001 * g * g;
      const [mHat, vHat] = [m[i]! / (1 - 0.9 ** t), v[i]! / (1 - 0.999 ** t)];
      weights[i]! -= (LEARNING_RATE * mHat) / (Math.sqrt(vHat) + 1e-8);
    }
  }
  return weights;
}

test('the kernel is what its source says', async () => {
  const source = (name: string) => readFileSync(new URL(`../../../lib/training/${name}`, import.meta.url));
  const { parseWat } = await wabt();
  const { buffer } = parseWat('adam.wat', source('adam.wat').toString(), { simd: true }).toBinary({});
  assert.deepEqual(
    Buffer.from(buffer),
    source('adam.wasm'),
    'npx wat2wasm lib/training/adam.wat -o lib/training/adam.wasm',
  );
});

describe('an update', () => {
  for (const settings of [
    plain,
    { kind: 'adam', weightDecay: 0.3, clipNorm: 0 },
    { kind: 'adamw', weightDecay: 0.3, clipNorm: 0 },
    { kind: 'adamw', weightDecay: 0.01, clipNorm: 2 },
  ] as const) {
    const { kind, weightDecay, clipNorm } = settings;
    it(`is that of ${kind}, weight decay ${weightDecay}, clipped at ${clipNorm}`, () => {
      const state = begin();
      for (let t = 1; t <= STEPS; t++) {
        const { norm, isSound } = update(state, gradientAt(t), updateNumbers(t, LEARNING_RATE, settings));
        assert.ok(isSound);
        if (clipNorm === 0) assert.equal(norm, null);
        else assert.ok(Math.abs(norm! - lengthOf(gradientAt(t))) < 1e-9);
      }
      const worst = reference(settings).reduce(
        (top, weight, i) => Math.max(top, Math.abs(state.weights[i]! - weight)),
        0,
      );
      assert.ok(worst < 2e-6, String(worst));
    });
  }

  it('of several passes is that of their mean, and starts the sum again', () => {
    const settings = { kind: 'adam', weightDecay: 0.1, clipNorm: 1 } as const;
    const mean = gradientAt(1).map((value, i) => (value + gradientAt(2)[i]! + gradientAt(3)[i]!) / 3);
    const [apart, together] = [{ ...begin(), sum: new Float32Array(SIZE) }, begin()];
    for (const [pass, passes] of [
      [1, 0],
      [2, 0],
      [3, 3],
    ] as const) {
      const before = apart.weights.slice();
      update(apart, gradientAt(pass), updateNumbers(1, LEARNING_RATE, settings, passes));
      assert.equal(
        passes === 0,
        before.every((value, i) => value === apart.weights[i]),
      );
    }
    update(together, mean, updateNumbers(1, LEARNING_RATE, settings));
    for (const name of ['weights', 'first', 'second'] as const) {
      for (let i = 0; i < SIZE; i++) assert.ok(Math.abs(apart[name][i]! - together[name][i]!) < 1e-6, name);
    }
    assert.deepEqual(apart.sum, new Float32Array(SIZE));
  });

  for (const [claim, gradient] of [
    ['a gradient that is not a number', Number.NaN],
    // Its square is infinite in single precision, and the weight that it moves is not.
    ['a second moment that overflows', 1e30],
  ] as const) {
    it(`tells of ${claim}`, () => {
      const state = begin();
      assert.equal(update(state, new Float32Array(SIZE).fill(gradient), updateNumbers(1, 1e-3, plain)).isSound, false);
    });
  }
});
