/** Softmax and layer normalisation over the last axis: fused forward kernels, gradients in plain operators. */
import { apply, defineOperator, GraphError, Node, type Value } from '../node.ts';
import { mul, sub } from './elementwise.ts';
import { reshape } from './layout.ts';
import { matmul } from './matrix.ts';
import { sum } from './reduce.ts';
import { ones, zeros } from './source.ts';

const SOFTMAX = defineOperator({
  name: 'softmax',
  infer: ([x]) => [x!],
  gradient: (node, [dy]) => {
    const y = node.output(0);
    return [mul(y, sub(dy!, sum(mul(dy!, y), [-1])))];
  },
  onnx: () => ({ opType: 'Softmax', attributes: { axis: -1 } }),
  evaluate: ([x], node) => [
    rows(x!, node.outputs[0]!.shape.at(-1)!, (row) => {
      const top = row.reduce((a, b) => Math.max(a, b));
      const e = row.map((value) => Math.exp(value - top));
      const total = e.reduce((a, b) => a + b);
      return e.map((value) => value / total);
    }),
  ],
});
export const softmax = (x: Value): Value => apply(SOFTMAX, [x]);

/** Outputs: y, mean and 1/sqrt(variance + epsilon), the last two with extent 1 in the last axis. */
const LAYER_NORM = defineOperator({
  name: 'layerNorm',
  infer: ([x, weight, bias]) => {
    const width = x!.shape.at(-1);
    if (weight!.shape.length !== 1 || weight!.shape[0] !== width || bias!.shape[0] !== width) {
      throw new GraphError(`layerNorm of [${x!.shape}] with weight [${weight!.shape}] and bias [${bias!.shape}]`);
    }
    const statistic = { dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), 1] };
    return [x!, statistic, statistic];
  },
  gradient: (node, [dy]) => {
    const [x, weight] = node.inputs as [Value, Value];
    const width = weight.shape[0]!;
    // Written for few passes over x's elements: one kernel gives the normal form again, and a row's means are products.
    const normal = layerNorm(x, ones([width]), zeros([width]), node.attributes.epsilon as number);
    const share = reshape(mul(weight, 1 / width), [width, 1]);
    const scaled = mul(dy!, normal);
    const centred = sub(sub(mul(dy!, weight), matmul(dy!, share)), mul(normal, matmul(scaled, share)));
    return [mul(centred, node.output(2)), scaled, dy];
  },
  onnx: (node) => ({
    opType: 'LayerNormalization',
    attributes: { axis: -1, epsilon: { float: node.attributes.epsilon as number } },
  }),
  evaluate: ([x, weight, bias], node) => {
    const width = weight!.length;
    const epsilon = node.attributes.epsilon as number;
    const means: number[] = [];
    const inverses: number[] = [];
    const y = rows(x!, width, (row) => {
      const mu = row.reduce((a, b) => a + b) / width;
      const variance = row.reduce((total, value) => total + (value - mu) ** 2, 0) / width;
      const inverse = 1 / Math.sqrt(variance + epsilon);
      means.push(mu);
      inverses.push(inverse);
      return row.map((value, i) => (value - mu) * inverse * weight![i]! + bias![i]!);
    });
    return [y, Float64Array.from(means), Float64Array.from(inverses)];
  },
});
/** Normalises the last axis to mean 0 and variance 1, then scales and shifts it. */
export const layerNorm = (x: Value, weight: Value, bias: Value, epsilon: number): Value =>
  new Node(LAYER_NORM, [x, weight, bias], { epsilon }).output(0);

function rows(x: Float64Array, width: number, f: (row: Float64Array) => Float64Array): Float64Array {
  const result = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += width) result.set(f(x.subarray(start, start + width)), start);
  return result;
}
