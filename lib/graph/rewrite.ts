import { Node, topological, type Value } from './node.ts';

/** Gives a node's outputs anew, from its inputs as they were rebuilt; undefined where its operator is to act on those. */
export type Replace = (node: Node, inputs: readonly Value[]) => readonly Value[] | undefined;

/** Rebuilds the graph behind values, node by node; what `replace` leaves alone and nothing before it changed is kept. */
export function rewrite(values: readonly Value[], replace: Replace): Value[] {
  const rebuilt = new Map<Node, readonly Value[]>();
  const of = ({ node, index }: Value): Value => rebuilt.get(node)![index]!;
  for (const node of topological(values)) {
    const inputs = node.inputs.map(of);
    rebuilt.set(node, replace(node, inputs) ?? outputsOf(sameInputs(node, inputs) ? node : again(node, inputs)));
  }
  return values.map(of);
}

const outputsOf = (node: Node): Value[] => node.outputs.map((_, index) => node.output(index));
const again = (node: Node, inputs: readonly Value[]): Node =>
  new Node(node.operator, inputs, node.attributes, node.constant);
const sameInputs = (node: Node, inputs: readonly Value[]): boolean =>
  inputs.every((input, i) => input.node === node.inputs[i]!.node);
