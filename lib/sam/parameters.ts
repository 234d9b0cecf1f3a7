import { constant, reshape, type Shape, sizeOf, split, type Value, zeros } from '../graph/index.ts';

/** Gives a model's builder the parameter of a name; the shape is what the builder needs, in Hugging Face's layout. */
export type Parameters = (name: string, shape: Shape) => Value;

/** Parameters by name prefix, so that a builder need not know where in the model it stands. */
export const under =
  (parameters: Parameters, prefix: string): Parameters =>
  (name, shape) =>
    parameters(`${prefix}.${name}`, shape);

/** A parameter's place in the flat vector of what is trained. */
export interface FlatEntry {
  readonly name: string;
  readonly shape: Shape;
  readonly offset: number;
  readonly size: number;
}

/** The layout of the trained parameters in one vector: in order of their names, end to end. */
export function flatLayout(parameters: Iterable<readonly [string, Shape]>): FlatEntry[] {
  let offset = 0;
  return [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, shape]) => {
      const entry = { name, shape, offset, size: sizeOf(shape) };
      offset += entry.size;
      return entry;
    });
}

export const flatSize = (layout: readonly FlatEntry[]): number => layout.reduce((total, { size }) => total + size, 0);

/** Parameters cut out of a flat vector; what is not in it comes from `otherwise`. */
export function flatParameters(vector: Value, layout: readonly FlatEntry[], otherwise: Parameters): Parameters {
  const parts = split(
    vector,
    0,
    layout.map(({ size }) => size),
  );
  const byName = new Map(layout.map(({ name, shape }, i) => [name, reshape(parts[i]!, shape)]));
  return (name, shape) => byName.get(name) ?? otherwise(name, shape);
}

/** Parameters that are fixed: their values become initialisers of the ONNX model. */
export function frozenParameters(tensors: ReadonlyMap<string, Float32Array>): Parameters {
  const made = new Map<string, Value>();
  return (name, shape) => {
    const known = made.get(name) ?? constant(tensors.get(name)!, shape);
    made.set(name, known);
    return known;
  };
}

/** Builds with zeros only to learn which parameters a builder asks for, and in which shapes. */
export function traceParameters(build: (parameters: Parameters) => void): Map<string, Shape> {
  const seen = new Map<string, Shape>();
  build((name, shape) => {
    seen.set(name, shape);
    return zeros(shape);
  });
  return seen;
}
