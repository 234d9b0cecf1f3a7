/** Matrix products. Convolutions with stride equal to kernel, and 1x1 ones, are written with these (lib/sam/layers.ts). */
import { apply, defineOperator, GraphError, type Node, type Value } from '../node.ts';
import { broadcastShapes, broadcastStrides, gather, sizeOf, stridesOf } from '../shape.ts';
import { mergeAxes, reshape, swap } from './layout.ts';
import { constant, int64s } from './source.ts';

const MATMUL = defineOperator({
  name: 'matmul',
  infer: ([a, b]) => {
    const [m, k] = a!.shape.slice(-2);
    const [l, n] = b!.shape.slice(-2);
    if (a!.shape.length < 2 || b!.shape.length < 2 || k !== l || a!.dtype !== b!.dtype) {
      throw new GraphError(`matmul of ${a!.dtype} [${a!.shape}] and ${b!.dtype} [${b!.shape}]`);
    }
    return [{ dtype: a!.dtype, shape: [...broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), m!, n!] }];
  },
  gradient: (node, [dy]) => {
    const [a, b] = node.inputs as [Value, Value];
    // A matrix shared by a whole batch takes its gradient from one tall product, not from a sum over a batch of them.
    const shared = b.shape.length === 2 && a.shape.length > 2;
    const [rows, dyRows] = shared
      ? [mergeAxes(a, 0, a.shape.length - 1), mergeAxes(dy!, 0, a.shape.length - 1)]
      : [a, dy!];
    return [matmul(dy!, swap(b)), matmul(swap(rows), dyRows)];
  },
  onnx: () => ({ opType: 'MatMul' }),
  evaluate: ([a, b], node) => {
    const { shape } = node.outputs[0]!;
    const [m, n] = shape.slice(-2) as [number, number];
    const k = node.inputs[0]!.shape.at(-1)!;
    const batch = shape.slice(0, -2);
    const matrices = (data: Float64Array, of: readonly number[], rows: number, columns: number) => {
      const full = [...batch, rows, columns];
      return gather(data, full, broadcastStrides(of, full));
    };
    const left = matrices(a!, node.inputs[0]!.shape, m, k);
    const right = matrices(b!, node.inputs[1]!.shape, k, n);
    const result = new Float64Array(sizeOf(shape));
    for (let p = 0; p < sizeOf(batch); p++) {
      for (let i = 0; i < m; i++) {
        for (let l = 0; l < k; l++) {
          const x = left[(p * m + i) * k + l]!;
          for (let j = 0; j < n; j++) result[(p * m + i) * n + j]! += x * right[(p * k + l) * n + j]!;
        }
      }
    }
    return [result];
  },
});
/** a [..., M, K] times b [..., K, N]; leading axes broadcast. */
export const matmul = (a: Value, b: Value): Value => apply(MATMUL, [a, b]);
export const isMatmul = ({ operator }: Node): boolean => operator === MATMUL;

const GATHER = defineOperator({
  name: 'gather',
  infer: ([x], { indices }) => [{ dtype: x!.dtype, shape: [(indices as number[]).length, ...x!.shape.slice(1)] }],
  gradient: (node, [dy]) => {
    const x = node.inputs[0]!;
    const indices = node.attributes.indices as number[];
    const rows = x.shape[0]!;
    const oneHot = new Float32Array(rows * indices.length);
    for (const [i, row] of indices.entries()) oneHot[row * indices.length + i] = 1;
    const flat = reshape(dy!, [indices.length, sizeOf(x.shape.slice(1))]);
    return [reshape(matmul(constant(oneHot, [rows, indices.length]), flat), x.shape)];
  },
  onnx: (node) => ({
    opType: 'Gather',
    attributes: { axis: 0 },
    inputs: [node.inputs[0]!, int64s(node.attributes.indices as number[])],
  }),
  evaluate: ([x], node) => {
    const run = stridesOf(node.inputs[0]!.shape)[0]!;
    const result = new Float64Array(sizeOf(node.outputs[0]!.shape));
    for (const [i, row] of (node.attributes.indices as number[]).entries()) {
      result.set(x!.subarray(row * run, (row + 1) * run), i * run);
    }
    return [result];
  },
});
/** Rows of x by constant indices: [indices.length, ...]. */
export const gatherRows = (x: Value, indices: readonly number[]): Value => apply(GATHER, [x], { indices });
