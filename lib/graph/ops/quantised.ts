/** Products with 8-bit weights, for processors: activations are quantised as they come, tensor by tensor. */
import { apply, defineOperator, GraphError, type Value } from '../node.ts';
import { roundHalfEven } from '../rounding.ts';
import { sizeOf } from '../shape.ts';
import { constant } from './source.ts';

const DYNAMIC_QUANTIZED_MATMUL = defineOperator({
  name: 'dynamicQuantizedMatmul',
  infer: ([x, weight, scale]) => {
    const [k, n] = weight!.shape as [number, number];
    if (x!.shape.at(-1) !== k || weight!.dtype !== 'int8' || scale!.shape[0] !== n) {
      throw new GraphError(`a quantised product of [${x!.shape}] and ${weight!.dtype} [${weight!.shape}]`);
    }
    return [{ dtype: 'float32', shape: [...x!.shape.slice(0, -1), n] }];
  },
  onnx: () => ({ opType: 'DynamicQuantizeMatMul', domain: 'com.microsoft' }),
  evaluate: ([x, weight, scale], node) => {
    const [k, n] = node.inputs[1]!.shape as [number, number];
    const { steps, zero, size } = quantiseActivations(x!);
    const result = new Float64Array(sizeOf(node.outputs[0]!.shape));
    for (let row = 0; row < result.length / n; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += (steps[row * k + i]! - zero) * weight![i * n + column]!;
        result[row * n + column] = sum * size * scale![column]!;
      }
    }
    return [result];
  },
});

/** DynamicQuantizeLinear of the ONNX standard: 0..255 over a range that holds zero. */
function quantiseActivations(x: Float64Array): { steps: Float64Array; zero: number; size: number } {
  const [low, high] = [x.reduce((a, b) => Math.min(a, b), 0), x.reduce((a, b) => Math.max(a, b), 0)];
  const size = (high - low) / 255 || 1;
  const clamp = (value: number): number => roundHalfEven(Math.max(0, Math.min(255, value)));
  const zero = clamp(-low / size);
  return { steps: x.map((value) => clamp(value / size + zero)), zero, size };
}

/** x [..., K] times weights [K, N] that are held in 8 bits, with a scale for each column. */
export function quantisedMatmul(x: Value, weights: ArrayLike<number>, k: number, n: number): Value {
  const scale = new Float32Array(n);
  for (let i = 0; i < k * n; i++) scale[i % n] = Math.max(scale[i % n]!, Math.abs(weights[i]!) / 127);
  const steps = Float32Array.from({ length: k * n }, (_, i) => Math.round(weights[i]! / (scale[i % n]! || 1)));
  return apply(DYNAMIC_QUANTIZED_MATMUL, [x, constant(steps, [k, n], 'int8'), constant(scale, [n])]);
}
