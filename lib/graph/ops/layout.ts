/** Operators that move elements without changing them. */
import { apply, applyAll, defineOperator, GraphError, type Node, type Value } from '../node.ts';
import {
  broadcastShapes,
  broadcastStrides,
  gather,
  normaliseAxis,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
} from '../shape.ts';
import { int64s, zeros } from './source.ts';

const RESHAPE = defineOperator({
  name: 'reshape',
  infer: ([x], { shape }) => {
    if (sizeOf(x!.shape) !== sizeOf(shape as Shape))
      throw new GraphError(`[${x!.shape}] does not reshape to [${shape}]`);
    return [{ dtype: x!.dtype, shape: shape as Shape }];
  },
  gradient: (node, [dy]) => [reshape(dy!, node.inputs[0]!.shape)],
  onnx: (node) => ({ opType: 'Reshape', inputs: [node.inputs[0]!, int64s(node.attributes.shape as number[])] }),
  evaluate: ([x]) => [x!],
});
export const reshape = (x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape) ? x : apply(RESHAPE, [x], { shape });

const TRANSPOSE = defineOperator({
  name: 'transpose',
  infer: ([x], { order }) => {
    const axes = order as number[];
    if ([...axes].sort((a, b) => a - b).some((axis, i) => axis !== i) || axes.length !== x!.shape.length) {
      throw new GraphError(`[${order}] is no order of the axes of [${x!.shape}]`);
    }
    return [{ dtype: x!.dtype, shape: axes.map((axis) => x!.shape[axis]!) }];
  },
  gradient: (node, [dy]) => {
    const order = node.attributes.order as number[];
    return [
      transpose(
        dy!,
        order.map((_, axis) => order.indexOf(axis)),
      ),
    ];
  },
  onnx: (node) => ({ opType: 'Transpose', attributes: { perm: node.attributes.order as number[] } }),
  evaluate: ([x], node) => {
    const strides = stridesOf(node.inputs[0]!.shape);
    const order = node.attributes.order as number[];
    return [
      gather(
        x!,
        node.outputs[0]!.shape,
        order.map((axis) => strides[axis]!),
      ),
    ];
  },
});
/** Axis i of the result is axis order[i] of x. */
export const transpose = (x: Value, order: readonly number[]): Value =>
  order.every((axis, i) => axis === i) ? x : apply(TRANSPOSE, [x], { order });

/** Swaps the last two axes. */
export function swap(x: Value): Value {
  const rank = x.shape.length;
  return transpose(
    x,
    Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i)),
  );
}

const EXPAND = defineOperator({
  name: 'expand',
  infer: ([x], { shape }) => {
    if (!sameShape(broadcastShapes(x!.shape, shape as Shape), shape as Shape)) {
      throw new GraphError(`[${x!.shape}] does not expand to [${shape}]`);
    }
    return [{ dtype: x!.dtype, shape: shape as Shape }];
  },
  // The walk sums a gradient down to its input's shape: that is all there is to do.
  gradient: (_, [dy]) => [dy],
  onnx: (node) => ({ opType: 'Expand', inputs: [node.inputs[0]!, int64s(node.attributes.shape as number[])] }),
  evaluate: ([x], node) => {
    const { shape } = node.outputs[0]!;
    return [gather(x!, shape, broadcastStrides(node.inputs[0]!.shape, shape))];
  },
});
export const expand = (x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape) ? x : apply(EXPAND, [x], { shape });

const CONCAT = defineOperator({
  name: 'concat',
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    const at = axis as number;
    for (const { shape, dtype } of inputs) {
      if (dtype !== first!.dtype || shape.some((extent, i) => i !== at && extent !== first!.shape[i])) {
        throw new GraphError(`[${shape}] does not join [${first!.shape}] along axis ${at}`);
      }
    }
    const total = inputs.reduce((sum, { shape }) => sum + shape[at]!, 0);
    return [{ dtype: first!.dtype, shape: first!.shape.map((extent, i) => (i === at ? total : extent)) }];
  },
  gradient: (node, [dy]) => {
    const axis = node.attributes.axis as number;
    return split(
      dy!,
      axis,
      node.inputs.map(({ shape }) => shape[axis]!),
    );
  },
  onnx: (node) => ({ opType: 'Concat', attributes: { axis: node.attributes.axis as number } }),
  evaluate: (inputs, node) => {
    const axis = node.attributes.axis as number;
    const { shape } = node.outputs[0]!;
    const inner = sizeOf(shape.slice(axis + 1));
    const result = new Float64Array(sizeOf(shape));
    let start = 0;
    for (const [i, data] of inputs.entries()) {
      const run = node.inputs[i]!.shape[axis]! * inner;
      for (let outer = 0; outer * run < data.length; outer++) {
        result.set(data.subarray(outer * run, (outer + 1) * run), outer * shape[axis]! * inner + start);
      }
      start += run;
    }
    return [result];
  },
});
export function concat(inputs: readonly Value[], axis: number): Value {
  return inputs.length === 1
    ? inputs[0]!
    : apply(CONCAT, inputs, { axis: normaliseAxis(axis, inputs[0]!.shape.length) });
}

const SPLIT = defineOperator({
  name: 'split',
  infer: ([x], { axis, sizes }) => {
    const extents = sizes as number[];
    if (sizeOf([extents.reduce((a, b) => a + b, 0)]) !== x!.shape[axis as number]) {
      throw new GraphError(`sizes [${sizes}] do not divide axis ${String(axis)} of [${x!.shape}]`);
    }
    return extents.map((size) => ({
      dtype: x!.dtype,
      shape: x!.shape.map((extent, i) => (i === axis ? size : extent)),
    }));
  },
  gradient: (node, outputs) => [
    concat(
      outputs.map((dy, i) => dy ?? zeros(node.outputs[i]!.shape)),
      node.attributes.axis as number,
    ),
  ],
  onnx: (node) => ({
    opType: 'Split',
    attributes: { axis: node.attributes.axis as number },
    inputs: [node.inputs[0]!, int64s(node.attributes.sizes as number[])],
  }),
  evaluate: ([x], node) => {
    const axis = node.attributes.axis as number;
    const strides = stridesOf(node.inputs[0]!.shape);
    let start = 0;
    return node.outputs.map(({ shape }) => {
      const part = gather(x!, shape, strides, start * strides[axis]!);
      start += shape[axis]!;
      return part;
    });
  },
});
/** Cuts x along an axis into parts of the given sizes. */
export function split(x: Value, axis: number, sizes: readonly number[]): Value[] {
  return sizes.length === 1 ? [x] : applyAll(SPLIT, [x], { axis: normaliseAxis(axis, x.shape.length), sizes });
}

export const isSplit = ({ operator }: Node): boolean => operator === SPLIT;
export const isConcat = ({ operator }: Node): boolean => operator === CONCAT;

/** The part [from, to) along an axis. */
export function slice(x: Value, axis: number, from: number, to: number): Value {
  const at = normaliseAxis(axis, x.shape.length);
  const extent = x.shape[at]!;
  const sizes = [from, to - from, extent - to];
  const parts = split(
    x,
    at,
    sizes.filter((size) => size > 0),
  );
  return parts[from > 0 ? 1 : 0]!;
}

/** Zeros before and after, along the given axis. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  const at = normaliseAxis(axis, x.shape.length);
  const border = (size: number) => zeros(x.shape.map((extent, i) => (i === at ? size : extent)));
  return concat([...(before ? [border(before)] : []), x, ...(after ? [border(after)] : [])], at);
}

/** x with `count` axes from `axis` on made one. */
export function mergeAxes(x: Value, axis: number, count: number): Value {
  const { shape } = x;
  return reshape(x, [...shape.slice(0, axis), sizeOf(shape.slice(axis, axis + count)), ...shape.slice(axis + count)]);
}
