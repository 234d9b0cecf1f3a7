/** Sums and means over axes; the reduced axes stay with extent 1. */
import { apply, defineOperator, type Value } from '../node.ts';
import { broadcastStrides, normaliseAxis, sizeOf, stridesOf } from '../shape.ts';
import { mul } from './elementwise.ts';
import { expand, reshape } from './layout.ts';
import { matmul } from './matrix.ts';
import { int64s, ones } from './source.ts';

const SUM = defineOperator({
  name: 'sum',
  infer: ([x], { axes }) => [
    { dtype: x!.dtype, shape: x!.shape.map((extent, axis) => ((axes as number[]).includes(axis) ? 1 : extent)) },
  ],
  gradient: (node, [dy]) => [expand(dy!, node.inputs[0]!.shape)],
  onnx: (node) => ({
    opType: 'ReduceSum',
    attributes: { keepdims: 1 },
    inputs: [node.inputs[0]!, int64s(node.attributes.axes as number[])],
  }),
  evaluate: ([x], node) => {
    const from = node.inputs[0]!.shape;
    const { shape } = node.outputs[0]!;
    const into = broadcastStrides(shape, from);
    const strides = stridesOf(from);
    const result = new Float64Array(sizeOf(shape));
    for (let i = 0; i < x!.length; i++) {
      let target = 0;
      for (let axis = 0; axis < from.length; axis++)
        target += (Math.floor(i / strides[axis]!) % from[axis]!) * into[axis]!;
      result[target]! += x![i]!;
    }
    return [result];
  },
});

/** From this many rows on, runtimes add them up several times faster as a product with a row of ones. */
const MANY_ROWS = 256;

/** Sum over the axes, which stay with extent 1. */
export function sum(x: Value, axes: readonly number[]): Value {
  const normal = axes.map((axis) => normaliseAxis(axis, x.shape.length));
  if (normal.length === 0) return x;
  const width = x.shape.at(-1)!;
  const isAllButLast = normal.length === x.shape.length - 1 && !normal.includes(normal.length);
  if (isAllButLast && x.dtype === 'float32' && sizeOf(x.shape) >= MANY_ROWS * width) {
    const rows = sizeOf(x.shape) / width;
    const total = matmul(ones([1, rows]), reshape(x, [rows, width]));
    return reshape(total, [...normal.map(() => 1), width]);
  }
  return apply(SUM, [x], { axes: normal });
}

/** Mean over the axes, which stay with extent 1. */
export function mean(x: Value, axes: readonly number[]): Value {
  const count = axes.reduce((product, axis) => product * x.shape[normaliseAxis(axis, x.shape.length)]!, 1);
  return mul(sum(x, axes), 1 / count);
}

/** Mean of all elements, as a scalar. */
export const meanAll = (x: Value): Value =>
  reshape(
    mean(
      x,
      x.shape.map((_, axis) => axis),
    ),
    [],
  );
/** Sum of all elements, as a scalar. */
export const sumAll = (x: Value): Value =>
  reshape(
    sum(
      x,
      x.shape.map((_, axis) => axis),
    ),
    [],
  );
