/**
 * The graph: plain data. A node applies an operator to values; a value is one output of a node.
 * Everything that is known about an operator (shape rule, gradient, ONNX form, reference evaluation) is declared in one
 * entry under `ops/`: evaluation, gradients and emission know no operator by name. Passes that lower a graph for a device
 * (precision.ts, few-buffers.ts) replace the operators that they are about.
 */

export type DType = 'float32' | 'float16' | 'int64' | 'uint8' | 'int8' | 'bool';

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Elements of a constant, in C order. Integers and booleans are held as numbers too; the dtype decides how they are written. */
export type TensorData = Float32Array | Float64Array;

export interface Constant extends TensorType {
  readonly data: TensorData;
}

export type Attribute = number | string | readonly number[];
export type Attributes = Readonly<Record<string, Attribute>>;

/** What an operator becomes in ONNX: one node whose inputs are graph values or constants made for it (axes, shapes). */
export interface OnnxForm {
  readonly opType: string;
  /** Absent for operators of the standard. */
  readonly domain?: 'com.microsoft';
  readonly attributes?: Readonly<Record<string, number | string | readonly number[] | { readonly float: number }>>;
  readonly inputs?: readonly (Value | Constant)[];
}

export interface Operator {
  readonly name: string;
  /** Types of the outputs from those of the inputs; throws a GraphError where the inputs do not fit. */
  readonly infer: (inputs: readonly TensorType[], attributes: Attributes) => readonly TensorType[];
  /**
   * The vector-Jacobian product, written in graph operators: the gradient of each input, given those of the outputs
   * (undefined where an output does not reach the loss). A gradient may come back in a broadcast shape: the walk sums
   * it down. Absent for operators that are not differentiable.
   */
  readonly gradient?: (node: Node, outputs: readonly (Value | undefined)[]) => readonly (Value | undefined)[];
  readonly onnx: (node: Node) => OnnxForm;
  /** Reference evaluation in float64, for checks and for tests without a runtime. */
  readonly evaluate: (inputs: readonly Float64Array[], node: Node) => readonly Float64Array[];
}

const defined = new Map<string, Operator>();

/** Declares an operator. A name stands once: prints, errors and emitted models tell operators apart by it. */
export function defineOperator(operator: Operator): Operator {
  if (defined.has(operator.name)) throw new GraphError(`two operators are named ${operator.name}`);
  defined.set(operator.name, operator);
  return operator;
}

/** Every operator that there is. */
export const allOperators = (): readonly Operator[] => [...defined.values()];

export class GraphError extends Error {
  override readonly name = 'GraphError';
}

export class Node {
  readonly operator: Operator;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly outputs: readonly TensorType[];
  /** Elements, for the constant operator only. */
  readonly constant: TensorData | undefined;

  constructor(operator: Operator, inputs: readonly Value[], attributes: Attributes, constant?: TensorData) {
    this.operator = operator;
    this.inputs = inputs;
    this.attributes = attributes;
    this.outputs = operator.infer(inputs, attributes);
    this.constant = constant;
  }

  output(index: number): Value {
    return new Value(this, index);
  }
}

export class Value implements TensorType {
  readonly node: Node;
  readonly index: number;

  constructor(node: Node, index: number) {
    this.node = node;
    this.index = index;
  }

  get dtype(): DType {
    return this.node.outputs[this.index]!.dtype;
  }

  get shape(): readonly number[] {
    return this.node.outputs[this.index]!.shape;
  }
}

/** Applies an operator with one output. */
export function apply(operator: Operator, inputs: readonly Value[], attributes: Attributes = {}): Value {
  return new Node(operator, inputs, attributes).output(0);
}

/** Applies an operator with several outputs. */
export function applyAll(operator: Operator, inputs: readonly Value[], attributes: Attributes = {}): Value[] {
  const node = new Node(operator, inputs, attributes);
  return node.outputs.map((_, index) => node.output(index));
}

/** Nodes that the values need, each after its inputs. Iterative: training graphs are deeper than the call stack likes. */
export function topological(values: readonly Value[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [];
  for (const { node } of values) {
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push({ node, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const input = top.node.inputs[top.next++];
      if (input === undefined) {
        order.push(top.node);
        stack.pop();
      } else if (!seen.has(input.node)) {
        seen.add(input.node);
        stack.push({ node: input.node, next: 0 });
      }
    }
  }
  return order;
}
