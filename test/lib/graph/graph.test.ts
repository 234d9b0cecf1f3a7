import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  add,
  broadcastShapes,
  concat,
  constant,
  evaluate,
  GraphError,
  input,
  layerNorm,
  matmul,
  Node,
  print,
  relu,
  reshape,
  split,
  sum,
  topological,
  transpose,
  type Value,
  verify,
  withFewBuffers,
} from '../../../lib/graph/index.ts';

const x = (...shape: number[]): Value => input('x', 'float32', shape);
const y = (...shape: number[]): Value => input('y', 'float32', shape);

describe('shapes that do not fit are refused when the graph is built', () => {
  const cases: [string, () => Value, RegExp][] = [
    ['add', () => add(x(2, 3), y(4)), /\[2,3\] and \[4\] do not broadcast/],
    ['add of two types', () => add(x(2), input('y', 'float16', [2])), /add of float32 and float16/],
    ['matmul', () => matmul(x(2, 3), y(2, 3)), /matmul of float32 \[2,3\] and float32 \[2,3\]/],
    ['matmul of vectors', () => matmul(x(3), y(3)), /matmul/],
    ['reshape', () => reshape(x(2, 3), [5]), /\[2,3\] does not reshape to \[5\]/],
    ['transpose', () => transpose(x(2, 3), [0, 0]), /no order of the axes/],
    ['concat', () => concat([x(2, 3), y(2, 4)], 0), /does not join/],
    ['split', () => split(x(5), 0, [2, 2])[0]!, /do not divide axis 0/],
    ['sum', () => sum(x(2), [1]), /axis 1 is outside/],
    ['layerNorm', () => layerNorm(x(2, 3), y(4), y(4), 1e-6), /layerNorm of \[2,3\]/],
    ['constant', () => constant([1, 2], [3]), /2 elements do not fill shape \[3\]/],
  ];
  for (const [title, build, message] of cases) {
    test(title, () => assert.throws(build, (error) => error instanceof GraphError && message.test(error.message)));
  }
});

test('broadcasting stretches axes of extent 1 and missing ones', () => {
  assert.deepEqual(broadcastShapes([2, 1, 4], [3, 1]), [2, 3, 4]);
  assert.deepEqual(broadcastShapes([], [5]), [5]);
});

test('an operation that changes nothing makes no node', () => {
  const value = x(2, 3);
  assert.equal(reshape(value, [2, 3]), value);
  assert.equal(transpose(value, [0, 1]), value);
  assert.equal(concat([value], 1), value);
});

test('nodes come after their inputs, each once, in a graph deeper than the call stack', () => {
  let value: Value = x(1);
  for (let i = 0; i < 50_000; i++) value = relu(value);
  const order = topological([value, value]);
  assert.equal(order.length, 50_001);
  assert.equal(order[0]!.operator.name, 'input');
});

test('an input that is not given is named', () => {
  assert.throws(() => evaluate([add(x(1), y(1))], { x: [1] }), /input y was not given/);
});

test('a graph prints one line a node, and its outputs last', () => {
  const [left, right] = split(matmul(x(2, 3), constant(new Float32Array(12), [3, 4])), 1, [1, 3]);
  assert.equal(
    print({ left: relu(left!), right: right! }),
    [
      '%0 = input() name=x : float32[2,3]',
      '%1 = constant() : float32[3,4]',
      '%2 = matmul(%0, %1) : float32[2,4]',
      '%3 = split(%2) axis=1 sizes=[1,3] : float32[2,1], float32[2,3]',
      '%4 = relu(%3.0) : float32[2,1]',
      'left = %4',
      'right = %3.1',
    ].join('\n'),
  );
});

test('splits and concatenations of many parts come in stages where a device touches few buffers', () => {
  const parts = split(
    x(60),
    0,
    Array.from({ length: 30 }, () => 2),
  );
  const outputs = { y: concat([...parts].reverse(), 0) };
  const staged = withFewBuffers(outputs);
  const widest = Math.max(...topological([staged.y!]).map((node) => Math.max(node.inputs.length, node.outputs.length)));
  assert.ok(widest <= 7, `${widest} parts at once`);
  const feeds = { x: Float64Array.from({ length: 60 }, (_, i) => i) };
  assert.deepEqual(evaluate([staged.y!], feeds), evaluate([outputs.y], feeds));
});

describe('a graph that a rewrite broke is found', () => {
  const source = input('x', 'float32', [2, 3]);
  const broken = (change: Partial<Pick<Node, 'inputs' | 'outputs' | 'operator' | 'constant'>>): Value => {
    const { node } = relu(source);
    return Object.assign(new Node(node.operator, node.inputs, node.attributes), change).output(0);
  };
  const relued = relu(source).node.operator;
  for (const [claim, value, message] of [
    [
      'another type than its operator infers',
      broken({ outputs: [{ dtype: 'float32', shape: [6] }] }),
      /relu states float32 \[6\]/,
    ],
    ['an output that is not there', broken({ inputs: [source.node.output(1)] }), /relu takes output 1 of input/],
    ['a constant that is too short', broken({ constant: new Float32Array(5) }), /relu holds 5 elements for \[2,3\]/],
    [
      'a form with values of its own',
      broken({ operator: { ...relued, onnx: () => ({ opType: 'Relu', inputs: [input('y', 'float32', [2, 3])] }) } }),
      /relu takes a value in its ONNX form/,
    ],
  ] as const) {
    test(claim, () => {
      verify([relu(source)]);
      assert.throws(() => verify([value]), message);
    });
  }
});
