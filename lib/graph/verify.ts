import { GraphError, type Node, topological, type Value } from './node.ts';
import { sameShape, sizeOf } from './shape.ts';

/**
 * Throws a GraphError where the graph behind values is not what an emitter and a runtime take it for: outputs of other types
 * than the operator infers, constants that do not fill their shape, two inputs of one name, or an ONNX form that takes
 * values that the node does not have. Nodes are checked when they are made; this finds what a rewrite broke afterwards.
 */
export function verify(outputs: readonly Value[]): void {
  const inputs = new Set<string>();
  for (const node of topological(outputs)) {
    checkTypes(node);
    if (node.constant) checkConstant(node);
    else if (node.inputs.length === 0) checkInput(node, inputs);
    else checkForm(node);
  }
}

function checkTypes(node: Node): void {
  for (const { node: from, index } of node.inputs) {
    if (!from.outputs[index]) refuse(node, `takes output ${index} of ${from.operator.name}, which has none`);
  }
  const inferred = node.operator.infer(node.inputs, node.attributes);
  const agrees =
    inferred.length === node.outputs.length &&
    inferred.every(({ dtype, shape }, i) => {
      const stated = node.outputs[i]!;
      return dtype === stated.dtype && sameShape(shape, stated.shape);
    });
  if (!agrees) refuse(node, `states ${describe(node.outputs)}, and its inputs give ${describe(inferred)}`);
}

function checkConstant(node: Node): void {
  const { shape } = node.outputs[0]!;
  if (node.constant!.length !== sizeOf(shape)) refuse(node, `holds ${node.constant!.length} elements for [${shape}]`);
}

function checkInput(node: Node, names: Set<string>): void {
  const name = String(node.attributes.name);
  if (names.has(name)) throw new GraphError(`two inputs are named ${name}`);
  names.add(name);
}

function checkForm(node: Node): void {
  for (const input of node.operator.onnx(node).inputs ?? []) {
    if ('node' in input && !node.inputs.includes(input))
      refuse(node, 'takes a value in its ONNX form that it does not have');
  }
}

const describe = (types: Node['outputs']): string => types.map(({ dtype, shape }) => `${dtype} [${shape}]`).join(', ');

function refuse(node: Node, problem: string): never {
  throw new GraphError(`${node.operator.name} ${problem}`);
}
