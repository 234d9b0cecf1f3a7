import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { atPrecision, evaluate, input, quantisedMatmul, topological } from '../../../lib/graph/index.ts';
import { emitModel } from '../../../lib/onnx/emit.ts';
import { Session } from '../../../lib/runtime/session.ts';
import { float32 } from '../../../lib/runtime/tensor.ts';
import { frozenParameters } from '../../../lib/sam/parameters.ts';
import { visionEncoder } from '../../../lib/sam/vision-encoder.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

const wave = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * step));

test('a product with 8-bit weights is what ONNX Runtime computes, and near the product itself', async () => {
  const [rows, k, n] = [5, 96, 80];
  const [x, weights] = [wave(rows * k, 0.37), wave(k * n, 0.11)];
  const value = quantisedMatmul(input('x', 'float32', [rows, k]), weights, k, n);
  const expected = evaluate([value], { x })[0]!;
  const session = await Session.open(emitModel({ y: value }), { threads: 1 });
  const { y } = await session.run({ x: float32(x, [rows, k]) });
  await session.close();
  for (const [i, truth] of expected.entries()) {
    assert.ok(Math.abs(Number(y!.data[i]) - truth) < 1e-4, `element ${i}: ${y!.data[i]} against ${truth}`);
    const [row, column] = [Math.floor(i / n), i % n];
    const exact = Array.from({ length: k }, (_, j) => x[row * k + j]! * weights[j * n + column]!).reduce(
      (a, b) => a + b,
    );
    assert.ok(Math.abs(truth - exact) < 0.15, `element ${i}: ${truth}, exactly ${exact}`);
  }
});

describe('the encoder in another precision gives nearly the same embeddings', () => {
  const model = tinyModel();
  const pixels = wave(3 * 128 * 128, 0.013);
  const encode = async (precision: 'float32' | 'float16' | 'int8') => {
    const image = input('pixels', 'float32', [1, 3, 128, 128]);
    const value = atPrecision(visionEncoder(frozenParameters(model.tensors), model.config, image), precision);
    const session = await Session.open(emitModel({ value }), { threads: 2 });
    const result = await session.run({ pixels: float32(pixels, [1, 3, 128, 128]) });
    await session.close();
    return {
      values: result.value!.data as Float32Array,
      kinds: new Set(topological([value]).flatMap(({ outputs }) => outputs.map(({ dtype }) => dtype))),
    };
  };
  for (const [precision, tolerance, kind] of [
    ['float16', 0.02, 'float16'],
    ['int8', 0.1, 'float32'],
  ] as const) {
    test(precision, async () => {
      const [exact, near] = [await encode('float32'), await encode(precision)];
      const error = Math.sqrt(near.values.reduce((sum, x, i) => sum + (x - exact.values[i]!) ** 2, 0));
      const size = Math.sqrt(exact.values.reduce((sum, x) => sum + x ** 2, 0));
      assert.ok(near.kinds.has(kind));
      assert.ok(error > 0, 'nothing was computed in it');
      assert.ok(error < tolerance * size, `relative error ${error / size}`);
    });
  }
});
