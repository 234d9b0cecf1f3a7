/** Operators that act element by element, broadcasting by NumPy's rule. */
import {
  type Attributes,
  apply,
  type DType,
  defineOperator,
  GraphError,
  type Node,
  type Operator,
  type TensorType,
  type Value,
} from '../node.ts';
import { broadcastShapes, broadcastStrides, gather } from '../shape.ts';
import { scalar } from './source.ts';

type Rule = NonNullable<Operator['gradient']>;

interface Unary {
  readonly name: string;
  readonly onnx: string;
  readonly f: (x: number) => number;
  /** d loss / d x, from x, y = f(x) and d loss / d y. */
  readonly gradient: (x: Value, y: Value, dy: Value) => Value;
  readonly attributes?: Record<string, number>;
}

function unary({ name, onnx, f, gradient }: Unary): (x: Value) => Value {
  const operator = defineOperator({
    name,
    infer: ([x]) => [x!],
    gradient: (node, [dy]) => [gradient(node.inputs[0]!, node.output(0), dy!)],
    onnx: () => ({ opType: onnx }),
    evaluate: ([x]) => [x!.map(f)],
  });
  return (x) => apply(operator, [x]);
}

interface Binary {
  readonly name: string;
  readonly onnx: string;
  readonly f: (a: number, b: number) => number;
  readonly gradient?: (a: Value, b: Value, dy: Value) => readonly [Value | undefined, Value | undefined];
  readonly dtype?: DType;
}

function binary({ name, onnx, f, gradient, dtype }: Binary): (a: Value, b: Value | number) => Value {
  const rule: Rule | undefined = gradient && ((node, [dy]) => gradient(node.inputs[0]!, node.inputs[1]!, dy!));
  const operator = defineOperator({
    name,
    infer: ([a, b]) => {
      if (a!.dtype !== b!.dtype) throw new GraphError(`${name} of ${a!.dtype} and ${b!.dtype}`);
      return [{ dtype: dtype ?? a!.dtype, shape: broadcastShapes(a!.shape, b!.shape) }];
    },
    ...(rule && { gradient: rule }),
    onnx: () => ({ opType: onnx }),
    evaluate: ([a, b], node) => {
      const { shape } = node.outputs[0]!;
      const left = gather(a!, shape, broadcastStrides(node.inputs[0]!.shape, shape));
      const right = gather(b!, shape, broadcastStrides(node.inputs[1]!.shape, shape));
      return [left.map((x, i) => f(x, right[i]!))];
    },
  });
  return (a, b) => apply(operator, [a, typeof b === 'number' ? scalar(b) : b]);
}

export const add = binary({ name: 'add', onnx: 'Add', f: (a, b) => a + b, gradient: (_a, _b, dy) => [dy, dy] });
export const sub = binary({ name: 'sub', onnx: 'Sub', f: (a, b) => a - b, gradient: (_a, _b, dy) => [dy, neg(dy)] });
export const mul = binary({
  name: 'mul',
  onnx: 'Mul',
  f: (a, b) => a * b,
  gradient: (a, b, dy) => [mul(dy, b), mul(dy, a)],
});
export const div = binary({
  name: 'div',
  onnx: 'Div',
  f: (a, b) => a / b,
  gradient: (a, b, dy) => [div(dy, b), neg(div(mul(dy, a), mul(b, b)))],
});
export const equal = binary({ name: 'equal', onnx: 'Equal', f: (a, b) => (a === b ? 1 : 0), dtype: 'bool' });
export const greater = binary({ name: 'greater', onnx: 'Greater', f: (a, b) => (a > b ? 1 : 0), dtype: 'bool' });

export const neg = unary({ name: 'neg', onnx: 'Neg', f: (x) => -x, gradient: (_x, _y, dy) => neg(dy) });
export const exp = unary({ name: 'exp', onnx: 'Exp', f: Math.exp, gradient: (_x, y, dy) => mul(dy, y) });
export const sqrt = unary({
  name: 'sqrt',
  onnx: 'Sqrt',
  f: Math.sqrt,
  gradient: (_x, y, dy) => div(mul(dy, 0.5), y),
});
export const relu = unary({
  name: 'relu',
  onnx: 'Relu',
  f: (x) => Math.max(x, 0),
  gradient: (x, _y, dy) => mul(dy, cast(greater(x, 0), 'float32')),
});
export const sigmoid = unary({
  name: 'sigmoid',
  onnx: 'Sigmoid',
  f: (x) => 1 / (1 + Math.exp(-x)),
  gradient: (_x, y, dy) => mul(dy, mul(y, sub(scalar(1), y))),
});
/** log(1 + exp(x)), without overflow. */
export const softplus = unary({
  name: 'softplus',
  onnx: 'Softplus',
  f: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  gradient: (x, _y, dy) => mul(dy, sigmoid(x)),
});
export const sin = unary({ name: 'sin', onnx: 'Sin', f: Math.sin, gradient: (x, _y, dy) => mul(dy, cos(x)) });
export const cos = unary({ name: 'cos', onnx: 'Cos', f: Math.cos, gradient: (x, _y, dy) => neg(mul(dy, sin(x))) });
export const erf = unary({
  name: 'erf',
  onnx: 'Erf',
  f: erfOf,
  gradient: (x, _y, dy) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
});
/** The exact Gaussian error linear unit, x Φ(x). */
export const gelu = unary({
  name: 'gelu',
  onnx: 'Gelu',
  f: (x) => 0.5 * x * (1 + erfOf(x / Math.SQRT2)),
  // Written for few passes over x's elements: Φ is one affine kernel of erf, and φ takes its factor into the exponent.
  gradient: (x, _y, dy) => {
    const scaled = mul(x, Math.SQRT1_2);
    const cdf = hardSigmoid(erf(scaled), 0.5, 0.5);
    const pdf = exp(sub(scalar(-0.5 * Math.log(2 * Math.PI)), mul(scaled, scaled)));
    return mul(dy, add(cdf, mul(x, pdf)));
  },
});

const HARD_SIGMOID = defineOperator({
  name: 'hardSigmoid',
  infer: ([x]) => [x!],
  gradient: (node, [dy]) => {
    const inside = mul(node.output(0), sub(scalar(1), node.output(0)));
    return [mul(dy!, mul(cast(greater(inside, 0), 'float32'), node.attributes.slope as number))];
  },
  onnx: (node) => ({
    opType: 'HardSigmoid',
    attributes: {
      alpha: { float: node.attributes.slope as number },
      beta: { float: node.attributes.offset as number },
    },
  }),
  evaluate: ([x], { attributes: { slope, offset } }) => [
    x!.map((value) => Math.min(1, Math.max(0, (slope as number) * value + (offset as number)))),
  ],
});
/** slope x + offset, cut off at 0 and 1. */
export const hardSigmoid = (x: Value, slope: number, offset: number): Value =>
  apply(HARD_SIGMOID, [x], { slope, offset });

/** erf to double precision: Taylor series near zero, a continued fraction for the tail (Abramowitz and Stegun 7.1.5, 7.1.14). */
function erfOf(x: number): number {
  const a = Math.abs(x);
  if (a < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const CAST = defineOperator({
  name: 'cast',
  infer: ([x], { to }) => [{ dtype: to as DType, shape: x!.shape }],
  // A half-precision input is a leaf (an embedding): its gradient goes back in its own type.
  gradient: (node, [dy]) => [isFloat(node.inputs[0]!.dtype) ? cast(dy!, node.inputs[0]!.dtype) : undefined],
  onnx: (node) => ({ opType: 'Cast', attributes: { to: ONNX_TYPE[node.attributes.to as DType] } }),
  evaluate: ([x]) => [x!],
});
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : apply(CAST, [x], { to }));

/** TensorProto.DataType of the ONNX specification. */
export const ONNX_TYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int64: 7,
  bool: 9,
  float16: 10,
};
const isFloat = (dtype: DType) => dtype === 'float32' || dtype === 'float16';

const WHERE = defineOperator({
  name: 'where',
  infer: ([condition, a, b]: readonly TensorType[], _attributes: Attributes) => {
    if (condition!.dtype !== 'bool' || a!.dtype !== b!.dtype)
      throw new GraphError('where takes bool and two like types');
    return [{ dtype: a!.dtype, shape: broadcastShapes(condition!.shape, broadcastShapes(a!.shape, b!.shape)) }];
  },
  gradient: (node: Node, [dy]) => {
    const condition = node.inputs[0]!;
    return [undefined, where(condition, dy!, scalar(0)), where(condition, scalar(0), dy!)];
  },
  onnx: () => ({ opType: 'Where' }),
  evaluate: (inputs, node) => {
    const { shape } = node.outputs[0]!;
    const [c, a, b] = inputs.map((x, i) => gather(x, shape, broadcastStrides(node.inputs[i]!.shape, shape)));
    return [c!.map((flag, i) => (flag ? a![i]! : b![i]!))];
  },
});
export const where = (condition: Value, a: Value, b: Value): Value => apply(WHERE, [condition, a, b]);
