import {
  add,
  cast,
  concat,
  cos,
  div,
  equal,
  erf,
  exp,
  expand,
  gatherRows,
  gelu,
  greater,
  hardSigmoid,
  input,
  layerNorm,
  matmul,
  mean,
  mul,
  neg,
  pad,
  quantisedMatmul,
  relu,
  reshape,
  type Shape,
  sigmoid,
  sin,
  slice,
  softmax,
  softplus,
  split,
  sqrt,
  sub,
  sum,
  swap,
  transpose,
  type Value,
  where,
} from '../../lib/graph/index.ts';

/** One use of an operator: shapes of its inputs, and the value made of them. A new operator is one entry here. */
export interface OperatorCase {
  readonly title: string;
  readonly shapes: readonly Shape[];
  readonly build: (inputs: Value[]) => Value;
  /** Maps a number in (-1, 1) into the operator's domain, away from its kinks. */
  readonly domain?: (x: number) => number;
  /** False where the gradient is not defined (integer or boolean results, optimiser scalars). */
  readonly differentiable?: boolean;
}

const positive = (x: number) => Math.abs(x) + 0.5;
const awayFromZero = (x: number) => x + Math.sign(x) * 0.2;

export const OPERATOR_CASES: readonly OperatorCase[] = [
  {
    title: 'add broadcasts',
    shapes: [
      [2, 3, 4],
      [3, 1],
    ],
    build: ([a, b]) => add(a!, b!),
  },
  { title: 'sub broadcasts a scalar', shapes: [[2, 3], []], build: ([a, b]) => sub(a!, b!) },
  {
    title: 'mul broadcasts both ways',
    shapes: [
      [2, 1, 4],
      [3, 1],
    ],
    build: ([a, b]) => mul(a!, b!),
  },
  { title: 'mul of a value with itself', shapes: [[5]], build: ([a]) => mul(a!, a!) },
  { title: 'div', shapes: [[2, 3], [3]], build: ([a, b]) => div(a!, b!), domain: positive },
  { title: 'hardSigmoid, on its slope', shapes: [[8]], build: ([a]) => hardSigmoid(a!, 0.25, 0.5) },
  {
    title: 'hardSigmoid, beyond it too',
    shapes: [[8]],
    build: ([a]) => hardSigmoid(a!, 4, 0.5),
    domain: (x) => x + Math.sign(x) * 0.2,
  },
  { title: 'neg', shapes: [[4]], build: ([a]) => neg(a!) },
  { title: 'exp', shapes: [[4]], build: ([a]) => exp(a!) },
  { title: 'sqrt', shapes: [[4]], build: ([a]) => sqrt(a!), domain: positive },
  { title: 'relu', shapes: [[8]], build: ([a]) => relu(a!), domain: awayFromZero },
  { title: 'sigmoid', shapes: [[4]], build: ([a]) => sigmoid(mul(a!, 8)) },
  { title: 'softplus, far from zero too', shapes: [[8]], build: ([a]) => softplus(mul(a!, 40)) },
  { title: 'sin', shapes: [[4]], build: ([a]) => sin(a!) },
  { title: 'cos', shapes: [[4]], build: ([a]) => cos(a!) },
  { title: 'erf', shapes: [[8]], build: ([a]) => erf(mul(a!, 3)) },
  { title: 'gelu', shapes: [[8]], build: ([a]) => gelu(mul(a!, 3)) },
  {
    title: 'where',
    shapes: [
      [3, 1],
      [2, 3, 4],
    ],
    build: ([a, b]) => where(greater(b!, 0), a!, mul(b!, b!)),
    domain: awayFromZero,
  },
  {
    title: 'cast of a comparison',
    shapes: [[6]],
    build: ([a]) => cast(greater(a!, 0), 'float32'),
    domain: awayFromZero,
    differentiable: false,
  },
  { title: 'reshape', shapes: [[2, 6]], build: ([a]) => reshape(a!, [3, 4]) },
  { title: 'transpose', shapes: [[2, 3, 4]], build: ([a]) => transpose(a!, [2, 0, 1]) },
  { title: 'swap', shapes: [[2, 3, 4]], build: ([a]) => swap(a!) },
  { title: 'expand', shapes: [[3, 1]], build: ([a]) => expand(a!, [2, 3, 4]) },
  {
    title: 'concat along the middle axis',
    shapes: [
      [2, 1, 3],
      [2, 4, 3],
    ],
    build: ([a, b]) => concat([a!, b!], 1),
  },
  {
    title: 'split, of which two parts are used',
    shapes: [[2, 6]],
    build: ([a]) => {
      const parts = split(a!, 1, [1, 2, 3]);
      return concat([parts[2]!, parts[0]!], 1);
    },
  },
  { title: 'slice', shapes: [[5, 3]], build: ([a]) => slice(a!, 0, 1, 4) },
  { title: 'pad', shapes: [[2, 3]], build: ([a]) => pad(a!, 1, 1, 2) },
  { title: 'sum over two axes', shapes: [[2, 3, 4]], build: ([a]) => sum(a!, [0, -1]) },
  { title: 'mean', shapes: [[2, 3, 4]], build: ([a]) => mean(a!, [1]) },
  {
    title: 'matmul',
    shapes: [
      [3, 4],
      [4, 5],
    ],
    build: ([a, b]) => matmul(a!, b!),
  },
  {
    title: 'matmul of a batch with one matrix',
    shapes: [
      [2, 3, 4],
      [4, 5],
    ],
    build: ([a, b]) => matmul(a!, b!),
  },
  {
    title: 'matmul of batches that broadcast',
    shapes: [
      [2, 1, 3, 4],
      [5, 4, 2],
    ],
    build: ([a, b]) => matmul(a!, b!),
  },
  { title: 'gather of repeated rows', shapes: [[4, 3]], build: ([a]) => gatherRows(a!, [3, 0, 0, 2]) },
  { title: 'sum over many rows', shapes: [[300, 4]], build: ([a]) => sum(a!, [0]) },
  {
    title: 'cast to half precision and back',
    shapes: [[6]],
    build: ([a]) => cast(cast(a!, 'float16'), 'float32'),
    // Numbers that half precision has.
    domain: (x) => Math.round(x * 64) / 64,
  },
  {
    title: 'equal',
    shapes: [[6], [6]],
    build: ([a, b]) => cast(equal(a!, b!), 'float32'),
    domain: (x) => Math.sign(x),
    differentiable: false,
  },
  {
    title: 'product with 8-bit weights',
    shapes: [[3, 4]],
    build: ([a]) => quantisedMatmul(a!, [127, 0, -64, 32, 1, 0, 5, -9], 4, 2),
    differentiable: false,
  },
  { title: 'softmax', shapes: [[2, 3, 5]], build: ([a]) => softmax(mul(a!, 3)) },
  { title: 'layerNorm', shapes: [[2, 3, 8], [8], [8]], build: ([a, b, c]) => layerNorm(a!, b!, c!, 1e-5) },
];

/** Fixed numbers in (-1, 1) for an input: no two alike, none near a kink. */
export function operands({ shapes, domain = (x) => x }: OperatorCase): {
  values: Value[];
  feeds: Record<string, Float64Array>;
} {
  const feeds: Record<string, Float64Array> = {};
  const values = shapes.map((shape, i) => {
    const size = shape.reduce((a, b) => a * b, 1);
    feeds[`x${i}`] = Float64Array.from({ length: size }, (_, at) => domain(Math.sin(1.7 * at + 2.3 * i + 0.4)));
    return input(`x${i}`, 'float32', shape);
  });
  return { values, feeds };
}
