/** Whole graphs in another precision than the float32 that they are written in. */
import { evaluate } from './evaluate.ts';
import { type Node, topological, type Value } from './node.ts';
import { cast } from './ops/elementwise.ts';
import { isMatmul } from './ops/matrix.ts';
import { quantisedMatmul } from './ops/quantised.ts';
import { constant } from './ops/source.ts';
import { rewrite } from './rewrite.ts';

export type Precision = 'float32' | 'float16' | 'int8';

/** The value, computed in a precision; its own type stays. `int8` holds weights in 8 bits and keeps the rest. */
export function atPrecision(value: Value, precision: Precision): Value {
  if (precision === 'float16') return cast(rewrite([value], halve)[0]!, value.dtype);
  if (precision === 'int8') return rewrite([value], quantise)[0]!;
  return value;
}

/** Inputs and constants in half precision: what is computed from them is then too. */
function halve(node: Node): readonly Value[] | undefined {
  if (node.inputs.length > 0 || node.outputs[0]!.dtype !== 'float32') return undefined;
  if (!node.constant) return [cast(node.output(0), 'float16')];
  return [constant(node.constant, node.outputs[0]!.shape, 'float16')];
}

/** Smaller weights would save nothing. */
const LEAST = 32;

function quantise(node: Node, inputs: readonly Value[]): readonly Value[] | undefined {
  const [x, weight] = inputs;
  if (!isMatmul(node) || weight!.shape.length !== 2 || !isConstant(weight!)) return undefined;
  const [k, n] = weight!.shape as [number, number];
  if (k < LEAST || n < LEAST) return undefined;
  return [quantisedMatmul(x!, evaluate([weight!], {})[0]!, k, n)];
}

const isConstant = (value: Value): boolean =>
  topological([value]).every((node) => node.inputs.length > 0 || node.constant !== undefined);
