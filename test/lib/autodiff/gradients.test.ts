import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gradients } from '../../../lib/autodiff/gradients.ts';
import {
  add,
  allOperators,
  constant,
  evaluate,
  GraphError,
  greater,
  input,
  mul,
  relu,
  scalar,
  sumAll,
  topological,
  type Value,
} from '../../../lib/graph/index.ts';
import { OPERATOR_CASES, type OperatorCase, operands } from '../../helpers/operator-cases.ts';

/** A loss that weighs every element differently, so that no error can cancel. */
function weighted(value: Value): Value {
  const size = value.shape.reduce((a, b) => a * b, 1);
  const weights = constant(
    Float64Array.from({ length: size }, (_, i) => Math.cos(0.9 * i + 0.3)),
    value.shape,
  );
  return sumAll(mul(value, weights));
}

function centralDifferences(loss: Value, feeds: Record<string, Float64Array>, name: string): number[] {
  const step = 1e-5;
  const at = (i: number, by: number) => {
    const moved = Float64Array.from(feeds[name]!);
    moved[i]! += by;
    return evaluate([loss], { ...feeds, [name]: moved })[0]![0]!;
  };
  return Array.from(feeds[name]!, (_, i) => (at(i, step) - at(i, -step)) / (2 * step));
}

function checkGradients(operatorCase: OperatorCase): void {
  const { values, feeds } = operands(operatorCase);
  const loss = weighted(operatorCase.build(values));
  const found = evaluate(gradients(loss, values), feeds);
  for (const [i, gradient] of found.entries()) {
    const expected = centralDifferences(loss, feeds, `x${i}`);
    for (const [at, value] of expected.entries()) {
      assert.ok(
        Math.abs(gradient[at]! - value) < 1e-7 * (1 + Math.abs(value)),
        `input ${i}, element ${at}: ${gradient[at]} against ${value}`,
      );
    }
  }
}

describe('gradients agree with central differences in float64', () => {
  for (const operatorCase of OPERATOR_CASES) {
    if (operatorCase.differentiable === false) continue;
    test(operatorCase.title, () => checkGradients(operatorCase));
  }
});

test('every operator has a case, and every one that has a gradient a case of it', () => {
  const names = (entries: readonly OperatorCase[]) =>
    entries.flatMap((entry) => topological([entry.build(operands(entry).values)]).map(({ operator }) => operator.name));
  const all = new Set(names(OPERATOR_CASES));
  const differentiated = new Set(names(OPERATOR_CASES.filter(({ differentiable }) => differentiable !== false)));
  const missing = allOperators().filter(({ name, gradient }) => !(gradient ? differentiated : all).has(name));
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  );
});

test('a check of gradients can fail: a wrong weight is noticed', () => {
  const x = input('x0', 'float32', [3]);
  const feeds = { x0: Float64Array.of(0.3, -0.7, 0.9) };
  const wrong = evaluate([gradients(weighted(mul(x, x)), [x])[0]!], feeds)[0]!;
  const other = centralDifferences(weighted(mul(x, mul(x, x))), feeds, 'x0');
  assert.ok(wrong.some((value, i) => Math.abs(value - other[i]!) > 0.1));
});

test('a value used twice gathers both gradients', () => {
  const x = input('x', 'float32', [2]);
  const [dx] = gradients(sumAll(add(mul(x, x), x)), [x]);
  assert.deepEqual([...evaluate([dx!], { x: [3, -1] })[0]!], [7, -1]);
});

test('a value that does not reach the loss has the gradient zero', () => {
  const [x, y] = [input('x', 'float32', [2]), input('y', 'float32', [3])];
  assert.deepEqual([...evaluate([gradients(sumAll(x), [y])[0]!], { x: [1, 2] })[0]!], [0, 0, 0]);
});

test('nodes that no trained value reaches are not differentiated', () => {
  const [frozen, trained] = [input('frozen', 'float32', [4]), input('trained', 'float32', [4])];
  const [gradient] = gradients(sumAll(mul(relu(relu(frozen)), trained)), [trained]);
  const names = topological([gradient!]).map(({ operator }) => operator.name);
  assert.ok(!names.includes('greater'), 'the gradient of relu appears for a frozen input');
});

test('a loss that is no scalar is refused', () => {
  const x = input('x', 'float32', [2]);
  assert.throws(() => gradients(x, [x]), GraphError);
});

test('an operator without a gradient is named', () => {
  const x = input('x', 'float32', [1]);
  assert.throws(() => gradients(sumAll(greater(x, scalar(0))), [x]), /greater has no gradient/);
});
