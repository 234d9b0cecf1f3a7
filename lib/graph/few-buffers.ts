import type { Node, Value } from './node.ts';
import { concat, isConcat, isSplit, split } from './ops/layout.ts';
import { rewrite } from './rewrite.ts';

/** A WebGPU shader is promised eight storage buffers; one of them is the side that is whole. */
const MOST_PARTS = 7;

/**
 * The same graph for devices whose operators touch few buffers at once: what is cut into many parts, or joined from many,
 * is cut and joined in stages.
 */
export function withFewBuffers(outputs: Readonly<Record<string, Value>>): Record<string, Value> {
  const rebuilt = rewrite(Object.values(outputs), replace);
  return Object.fromEntries(Object.keys(outputs).map((name, i) => [name, rebuilt[i]!]));
}

function replace(node: Node, inputs: readonly Value[]): readonly Value[] | undefined {
  const axis = node.attributes.axis as number;
  if (isSplit(node) && node.outputs.length > MOST_PARTS) {
    return splitInStages(inputs[0]!, axis, node.attributes.sizes as number[]);
  }
  if (isConcat(node) && inputs.length > MOST_PARTS) return [concatInStages(inputs, axis)];
  return undefined;
}

function splitInStages(x: Value, axis: number, sizes: readonly number[]): Value[] {
  if (sizes.length <= MOST_PARTS) return split(x, axis, sizes);
  const groups = inGroups(sizes);
  const wholes = split(
    x,
    axis,
    groups.map((group) => group.reduce((total, size) => total + size, 0)),
  );
  return groups.flatMap((group, i) => splitInStages(wholes[i]!, axis, group));
}

function concatInStages(parts: readonly Value[], axis: number): Value {
  if (parts.length <= MOST_PARTS) return concat(parts, axis);
  return concat(
    inGroups(parts).map((group) => concatInStages(group, axis)),
    axis,
  );
}

/** At most `MOST_PARTS` groups of nearly one length, in order. */
function inGroups<T>(items: readonly T[]): T[][] {
  const length = Math.ceil(items.length / MOST_PARTS);
  return Array.from({ length: Math.ceil(items.length / length) }, (_, i) => items.slice(i * length, (i + 1) * length));
}
