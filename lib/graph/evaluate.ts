import { GraphError, type Node, topological, type Value } from './node.ts';
import { sizeOf } from './shape.ts';

/** Values of the outputs in float64, by each operator's reference evaluation. Feeds are by input name, in C order. */
export function evaluate(
  outputs: readonly Value[],
  feeds: Readonly<Record<string, ArrayLike<number>>>,
): Float64Array[] {
  const results = new Map<Node, readonly Float64Array[]>();
  for (const node of topological(outputs)) {
    const feed = node.inputs.length === 0 ? feeds[String(node.attributes.name)] : undefined;
    const inputs = node.inputs.map(({ node: from, index }) => results.get(from)![index]!);
    const computed = feed ? [Float64Array.from(feed)] : node.operator.evaluate(inputs, node);
    for (const [i, data] of computed.entries()) {
      const { shape } = node.outputs[i]!;
      if (data.length !== sizeOf(shape)) {
        throw new GraphError(`${node.operator.name} gave ${data.length} elements for shape [${shape}]`);
      }
    }
    results.set(node, computed);
  }
  return outputs.map(({ node, index }) => results.get(node)![index]!);
}
