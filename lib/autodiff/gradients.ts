import {
  add,
  GraphError,
  type Node,
  reshape,
  type Shape,
  scalar,
  sum,
  topological,
  type Value,
  zeros,
} from '../graph/index.ts';

/**
 * Reverse-mode differentiation: graph in, graph out. The gradients of a scalar with respect to values of its graph, each
 * of the shape of its value. Nodes that no asked-for value reaches are never visited, so frozen parts cost nothing.
 * The walk knows no operator by name, and it is the one place where broadcasting is undone.
 */
export function gradients(loss: Value, wrt: readonly Value[]): Value[] {
  if (loss.shape.length > 0) throw new GraphError(`the loss must be a scalar, not [${loss.shape}]`);
  const order = topological([loss]);
  const active = reachedFrom(wrt, order);
  const found = new Map<Node, (Value | undefined)[]>();

  const accumulate = ({ node, index }: Value, gradient: Value) => {
    const slots = found.get(node) ?? new Array<Value | undefined>(node.outputs.length).fill(undefined);
    found.set(node, slots);
    const summed = unbroadcast(gradient, node.outputs[index]!.shape);
    slots[index] = slots[index] ? add(slots[index], summed) : summed;
  };

  accumulate(loss, scalar(1));
  for (const node of order.reverse()) {
    const outputs = found.get(node);
    if (!outputs || !active.has(node) || node.inputs.length === 0) continue;
    if (!node.operator.gradient) throw new GraphError(`operator ${node.operator.name} has no gradient`);
    const inputs = node.operator.gradient(node, outputs);
    for (const [i, gradient] of inputs.entries()) {
      const input = node.inputs[i]!;
      if (gradient && active.has(input.node)) accumulate(input, gradient);
    }
  }
  return wrt.map((value) => found.get(value.node)?.[value.index] ?? zeros(value.shape));
}

/** Nodes through which one of the values flows. */
function reachedFrom(values: readonly Value[], order: readonly Node[]): Set<Node> {
  const reached = new Set(values.map(({ node }) => node));
  for (const node of order) {
    if (node.inputs.some((input) => reached.has(input.node))) reached.add(node);
  }
  return reached;
}

/** Sums a gradient over the axes along which its value was broadcast. */
function unbroadcast(gradient: Value, shape: Shape): Value {
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape
    .map((extent, axis) => ({ axis, stretched: axis < lead || (shape[axis - lead] === 1 && extent !== 1) }))
    .filter(({ stretched }) => stretched)
    .map(({ axis }) => axis);
  return reshape(sum(gradient, axes), shape);
}
