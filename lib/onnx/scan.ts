import { GraphError, ONNX_TYPE, topological, type Value } from '../graph/index.ts';
import { writeAttribute, writeGraph, writeModel, writeType } from './emit.ts';
import type { ProtoWriter } from './protobuf.ts';

/** What one step gives and takes; the model has it for all steps, [1, N, ...] under a name of its own. */
export interface ScanModel {
  /** The graph's outputs by name, and what they are called when they are put together. */
  readonly outputs: Readonly<Record<string, { readonly value: Value; readonly all: string }>>;
  /** The graph's inputs that differ from step to step, and what they are called before they are taken apart. */
  readonly slices: Readonly<Record<string, string>>;
  /** Name of N, which is known only when the model runs. */
  readonly extent: string;
}

/** Fields of GraphProto, NodeProto and AttributeProto that are written here. */
const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12 } as const;
const NODE = { input: 1, output: 2, operator: 4, attribute: 5 } as const;
const ATTRIBUTE = { name: 1, graph: 6, type: 20 } as const;
const TYPE_GRAPH = 5;
const BATCH_AXIS = 'batch_axis';

/**
 * An ONNX model that does N times what a graph of static shapes does once: the graph is the body of a Scan operator. The
 * other inputs of the graph are inputs of the model and the same in each step.
 *
 * Scan runs along the first axis, which every runtime can; the batch axis before it is taken off and put on again around it.
 */
export function emitScan({ outputs, slices, extent }: ScanModel): Uint8Array {
  const results = Object.entries(outputs).map(([step, { value, all }]) => ({ step, all, value }));
  const inputs = inputsOf(results.map(({ value }) => value));
  const sliced = Object.entries(slices).map(([step, all]) => ({ step, all, value: present(inputs, step) }));
  const shared = [...inputs].filter(([name]) => !(name in slices));
  const whole = ({ dtype, shape }: Value) => ({ dtype, shape: [1, extent, ...shape] });
  const steps = (name: string): string => `${name}_steps`;

  return writeModel((graph) => {
    for (const { all } of sliced) writeNode(graph, 'Squeeze', [all, BATCH_AXIS], [steps(all)]);
    const [taken, given] = [sliced.map(({ all }) => steps(all)), results.map(({ all }) => steps(all))];
    writeNode(graph, 'Scan', taken, given, (node) => {
      node.message(NODE.attribute, (attribute) => {
        const body = Object.fromEntries(results.map(({ step, value }) => [step, value]));
        const outside = shared.map(([name]) => name);
        attribute
          .string(ATTRIBUTE.name, 'body')
          .message(ATTRIBUTE.graph, (inner) => writeGraph(inner, body, { fromOutside: outside }));
        attribute.int(ATTRIBUTE.type, TYPE_GRAPH);
      });
      writeAttribute(node, 'num_scan_inputs', sliced.length);
    });
    for (const { all } of results) writeNode(graph, 'Unsqueeze', [steps(all), BATCH_AXIS], [all]);
    graph.string(GRAPH.name, 'samflow');
    // TensorProto: int64 [1], a zero.
    graph.message(GRAPH.initializer, (tensor) =>
      tensor.int(1, 1).int(2, ONNX_TYPE.int64).string(8, BATCH_AXIS).bytes(9, new Uint8Array(8)),
    );
    for (const [name, value] of shared) writeType(graph, GRAPH.input, name, value);
    for (const { all, value } of sliced) writeType(graph, GRAPH.input, all, whole(value));
    for (const { all, value } of results) writeType(graph, GRAPH.output, all, whole(value));
  });
}

function writeNode(
  graph: ProtoWriter,
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: (node: ProtoWriter) => void = () => undefined,
): void {
  graph.message(GRAPH.node, (node) => {
    for (const name of inputs) node.string(NODE.input, name);
    for (const name of outputs) node.string(NODE.output, name);
    node.string(NODE.operator, operator);
    attributes(node);
  });
}

/** The inputs that a graph asks for, by name. */
function inputsOf(values: readonly Value[]): Map<string, Value> {
  const nodes = topological(values).filter((node) => node.inputs.length === 0 && !node.constant);
  return new Map(nodes.map((node) => [String(node.attributes.name), node.output(0)]));
}

function present(inputs: ReadonlyMap<string, Value>, name: string): Value {
  const value = inputs.get(name);
  if (!value) throw new GraphError(`the graph has no input ${name}`);
  return value;
}
