import { type Node, topological, type Value } from './node.ts';

/** One line a node, in the order of evaluation: what a person reads, and what a golden print compares. */
export function print(outputs: Readonly<Record<string, Value>>): string {
  const names = new Map<Node, string>();
  const nameOf = ({ node, index }: Value) => `%${names.get(node)}${node.outputs.length > 1 ? `.${index}` : ''}`;
  const lines = topological(Object.values(outputs)).map((node, i) => {
    names.set(node, String(i));
    const types = node.outputs.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(', ');
    const attributes = Object.entries(node.attributes)
      .filter(([key]) => key !== 'shape' && key !== 'dtype')
      .map(([key, value]) => ` ${key}=${Array.isArray(value) ? `[${abbreviate(value)}]` : value}`);
    return `%${i} = ${node.operator.name}(${node.inputs.map(nameOf).join(', ')})${attributes.join('')} : ${types}`;
  });
  const results = Object.entries(outputs).map(([name, value]) => `${name} = ${nameOf(value)}`);
  return [...lines, ...results].join('\n');
}

const abbreviate = (list: readonly number[]) =>
  list.length > 8 ? `${list.slice(0, 8).join(',')},... ${list.length} in all` : list.join(',');
