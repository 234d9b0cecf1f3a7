import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { add, cast, constant, evaluate, input, mul } from '../../../lib/graph/index.ts';
import { emitOnnx } from '../../../lib/onnx/emit.ts';
import { Session } from '../../../lib/runtime/session.ts';
import { float32, type Tensor } from '../../../lib/runtime/tensor.ts';
import { OPERATOR_CASES, operands } from '../../helpers/operator-cases.ts';

describe('ONNX Runtime computes what the reference evaluation computes', () => {
  for (const operatorCase of OPERATOR_CASES) {
    test(operatorCase.title, async () => {
      const { values, feeds } = operands(operatorCase);
      const value = operatorCase.build(values);
      const session = await Session.open(emitOnnx({ result: value }), { threads: 1 });
      const tensors = values.map((x, i): [string, Tensor] => [
        `x${i}`,
        float32(Float32Array.from(feeds[`x${i}`]!), x.shape),
      ]);
      const { result } = await session.run(Object.fromEntries(tensors));
      await session.close();
      const expected = evaluate([value], feeds)[0]!;
      assert.deepEqual(result!.shape, value.shape);
      for (const [i, truth] of expected.entries()) {
        const found = Number(result!.data[i]);
        assert.ok(Math.abs(found - truth) < 2e-6 * (1 + Math.abs(truth)), `element ${i}: ${found} against ${truth}`);
      }
    });
  }
});

test('constants in half precision are rounded to nearest, ties to even', async () => {
  const cases = [
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [65_519, 65_504],
    [65_520, Number.POSITIVE_INFINITY],
    [-70_000, Number.NEGATIVE_INFINITY],
    [2 ** -14, 2 ** -14],
    [2 ** -24, 2 ** -24],
    [1.5 * 2 ** -24, 2 ** -23],
    [2 ** -25, 0],
    [-(2 ** -25) * 1.01, -(2 ** -24)],
    [Number.NaN, Number.NaN],
  ] as const;
  const values = constant(
    Float32Array.from(cases, ([value]) => value),
    [cases.length],
    'float16',
  );
  const sum = add(cast(values, 'float32'), input('zero', 'float32', []));
  const session = await Session.open(emitOnnx({ sum }), { threads: 1 });
  const results = await session.run({ zero: float32(Float32Array.of(0), []) });
  await session.close();
  assert.deepEqual(
    [...(results.sum!.data as Float32Array)],
    cases.map(([, half]) => half),
  );
});

test('the same graph gives the same bytes', () => {
  const graph = () => emitOnnx({ y: mul(cast(input('x', 'float16', [4]), 'float32'), 2) });
  assert.deepEqual(graph(), graph());
});

test('an output that is an input of another name passes through', async () => {
  const session = await Session.open(emitOnnx({ y: input('x', 'float32', [2]) }), { threads: 1 });
  const { y } = await session.run({ x: float32(Float32Array.of(1, 2), [2]) });
  await session.close();
  assert.deepEqual([...(y!.data as Float32Array)], [1, 2]);
});

test('two inputs of one name, and an output named as an input, are refused', () => {
  const x = () => input('x', 'float32', [2]);
  assert.throws(() => emitOnnx({ y: mul(x(), x()) }), /two inputs are named x/);
  assert.throws(() => emitOnnx({ x: mul(x(), 2) }), /both an input and an output/);
});
