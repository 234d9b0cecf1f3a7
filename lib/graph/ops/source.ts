/** Operators without inputs: what a graph is fed with, and constants. */
import {
  apply,
  type Constant,
  type DType,
  defineOperator,
  GraphError,
  Node,
  type TensorData,
  type Value,
} from '../node.ts';
import { type Shape, sizeOf } from '../shape.ts';

export const INPUT = defineOperator({
  name: 'input',
  infer: (_, { dtype, shape }) => [{ dtype: dtype as DType, shape: shape as number[] }],
  onnx: () => {
    throw new GraphError('an input has no ONNX node');
  },
  evaluate: (_, node) => {
    throw new GraphError(`input ${String(node.attributes.name)} was not given`);
  },
});

export const CONSTANT = defineOperator({
  name: 'constant',
  infer: (_, { dtype, shape }) => [{ dtype: dtype as DType, shape: shape as number[] }],
  onnx: () => {
    throw new GraphError('a constant is an initialiser, not an ONNX node');
  },
  evaluate: (_, node) => [Float64Array.from(node.constant!)],
});

/** A tensor given at each run. */
export const input = (name: string, dtype: DType, shape: Shape): Value => apply(INPUT, [], { name, dtype, shape });

export function constant(data: TensorData | readonly number[], shape: Shape, dtype: DType = 'float32'): Value {
  if (data.length !== sizeOf(shape)) throw new GraphError(`${data.length} elements do not fill shape [${shape}]`);
  const elements = data instanceof Float32Array || data instanceof Float64Array ? data : Float64Array.from(data);
  return new Node(CONSTANT, [], { dtype, shape }, elements).output(0);
}

export const scalar = (value: number): Value => constant([value], []);
export const zeros = (shape: Shape): Value => constant(new Float32Array(sizeOf(shape)), shape);
export const ones = (shape: Shape): Value => constant(new Float32Array(sizeOf(shape)).fill(1), shape);

/** A constant that only the ONNX form of a node needs, such as axes. */
export const int64s = (values: readonly number[]): Constant => ({
  dtype: 'int64',
  shape: [values.length],
  data: Float64Array.from(values),
});
