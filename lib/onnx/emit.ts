import {
  type Constant,
  GraphError,
  type Node,
  ONNX_TYPE,
  type OnnxForm,
  roundHalfEven,
  type TensorType,
  topological,
  type Value,
  verify,
} from '../graph/index.ts';
import { ProtoWriter } from './protobuf.ts';

/** Operator set 20 is the first with Gelu; IR version 9 is the one released with it. */
const OPSET = 20;
const IR_VERSION = 9;
/** Operators that ONNX Runtime adds to the standard. */
const RUNTIME_DOMAIN = 'com.microsoft';

/** A model whose large constants lie beside it: end to end in one file of the name that the model gives. */
export interface OnnxModel {
  readonly model: Uint8Array;
  readonly weights: readonly Uint8Array[];
}

/** The file name under which a model with external weights looks for them, beside itself. */
export const WEIGHTS_FILE = 'weights.bin';

/** Constants of fewer bytes are always written into the model. */
const EXTERNAL_BYTES = 64 * 1024;
/** A runtime maps the file instead of copying it; external offsets are multiples of this. */
const ALIGNMENT = 64;

/**
 * Emits the graph behind the named outputs as one ONNX model (onnx.proto3), of at most 2 GiB: inputs under their names,
 * constants as initialisers, nodes in evaluation order. The same graph gives the same bytes.
 */
export const emitOnnx = (outputs: Readonly<Record<string, Value>>): Uint8Array =>
  emitGraph(outputs, new ConstantPool(Number.POSITIVE_INFINITY));

/** Emits the graph with its large constants apart: views of their own memory, never copied, and without a limit. */
export function emitModel(outputs: Readonly<Record<string, Value>>): OnnxModel {
  const constants = new ConstantPool(EXTERNAL_BYTES);
  return { model: emitGraph(outputs, constants), weights: constants.external };
}

function emitGraph(outputs: Readonly<Record<string, Value>>, constants: ConstantPool): Uint8Array {
  const extended = topological(Object.values(outputs)).some(
    (node) => node.inputs.length > 0 && node.operator.onnx(node).domain !== undefined,
  );
  return writeModel((graph) => writeGraph(graph, outputs, { constants }), extended);
}

/** ModelProto around a GraphProto; `extended` where it uses ONNX Runtime's own operators. */
export function writeModel(write: (graph: ProtoWriter) => void, extended = false): Uint8Array {
  const model = new ProtoWriter()
    .int(1, IR_VERSION)
    .string(2, 'samflow')
    .message(7, write)
    .message(8, (opset) => opset.string(1, '').int(2, OPSET));
  if (extended) model.message(8, (opset) => opset.string(1, RUNTIME_DOMAIN).int(2, 1));
  return model.finish();
}

/** GraphProto. A graph inside another one does not declare the inputs that it takes `fromOutside`. */
export function writeGraph(
  graph: ProtoWriter,
  outputs: Readonly<Record<string, Value>>,
  {
    fromOutside = [],
    constants = new ConstantPool(Number.POSITIVE_INFINITY),
  }: { fromOutside?: readonly string[]; constants?: ConstantPool } = {},
): void {
  verify(Object.values(outputs));
  const order = topological(Object.values(outputs));
  const names = nameNodes(order, outputs);
  const nameOf = ({ node, index }: Value) => names.get(node)![index]!;
  for (const node of order) {
    if (node.constant) constants.put(names.get(node)![0]!, { ...node.outputs[0]!, data: node.constant });
    else if (node.inputs.length > 0) writeNode(graph, node, names.get(node)!, nameOf, constants);
  }
  graph.string(2, 'samflow');
  constants.write(graph);
  for (const node of order) {
    const name = names.get(node)![0]!;
    if (isInput(node) && !fromOutside.includes(name)) writeType(graph, 11, name, node.outputs[0]!);
  }
  for (const [name, value] of Object.entries(outputs)) {
    if (order.some((node) => isInput(node) && node.attributes.name === name))
      throw new GraphError(`${name} is both an input and an output`);
    // An output that is an input, a constant, or the output of two names passes through Identity.
    if (nameOf(value) !== name) {
      graph.message(1, (node) => node.string(1, nameOf(value)).string(2, name).string(4, 'Identity'));
    }
    writeType(graph, 12, name, value);
  }
}

const isInput = (node: Node): boolean => node.inputs.length === 0 && !node.constant;

/** ONNX names of each node's outputs: inputs and graph outputs keep theirs, the rest are numbered. */
function nameNodes(order: readonly Node[], outputs: Readonly<Record<string, Value>>): Map<Node, string[]> {
  const names = new Map<Node, string[]>();
  for (const [i, node] of order.entries()) {
    names.set(
      node,
      isInput(node) ? [String(node.attributes.name)] : node.outputs.map((_, k) => `${node.operator.name}_${i}_${k}`),
    );
  }
  const named = new Set<string>();
  for (const [name, { node, index }] of Object.entries(outputs)) {
    const slots = names.get(node)!;
    if (node.inputs.length > 0 && !named.has(slots[index]!)) {
      slots[index] = name;
      named.add(name);
    }
  }
  return names;
}

function writeNode(
  graph: ProtoWriter,
  node: Node,
  outputs: readonly string[],
  nameOf: (value: Value) => string,
  constants: ConstantPool,
): void {
  const form = node.operator.onnx(node);
  graph.message(1, (out) => {
    for (const input of form.inputs ?? node.inputs)
      out.string(1, 'node' in input ? nameOf(input) : constants.add(input));
    for (const output of outputs) out.string(2, output);
    out.string(3, outputs[0]!).string(4, form.opType);
    if (form.domain) out.string(7, form.domain);
    for (const [name, value] of Object.entries(form.attributes ?? {})) writeAttribute(out, name, value);
  });
}

/** AttributeProto; the type codes are FLOAT 1, INT 2, STRING 3, INTS 7. */
export function writeAttribute(
  out: ProtoWriter,
  name: string,
  value: NonNullable<OnnxForm['attributes']>[string],
): void {
  out.message(5, (attribute) => {
    attribute.string(1, name);
    if (typeof value === 'number') attribute.int(3, value).int(20, 2);
    else if (typeof value === 'string') attribute.string(4, value).int(20, 3);
    else if ('float' in value) attribute.float(2, value.float).int(20, 1);
    else {
      for (const item of value) attribute.int(8, item);
      attribute.int(20, 7);
    }
  });
}

/** ValueInfoProto. An extent with a name (dim_param) is known when the model runs; all others are static. */
export function writeType(
  graph: ProtoWriter,
  field: number,
  name: string,
  { dtype, shape }: { readonly dtype: TensorType['dtype']; readonly shape: readonly (number | string)[] },
): void {
  graph.message(field, (info) =>
    info.string(1, name).message(2, (type) =>
      type.message(1, (tensor) =>
        tensor.int(1, ONNX_TYPE[dtype]).message(2, (out) => {
          for (const extent of shape) {
            out.message(1, (dimension) =>
              typeof extent === 'string' ? dimension.string(2, extent) : dimension.int(1, extent),
            );
          }
        }),
      ),
    ),
  );
}

/** Initialisers; small constants that operators ask for (axes, shapes) are shared. */
class ConstantPool {
  /** What lies outside of the model, in its order and with its padding. */
  readonly external: Uint8Array[] = [];
  private externalBytes = 0;
  private readonly entries = new Map<string, Constant>();
  private readonly externalFrom: number;

  /** Constants of at least so many bytes lie outside. */
  constructor(externalFrom: number) {
    this.externalFrom = externalFrom;
  }

  put(name: string, value: Constant): void {
    this.entries.set(name, value);
  }

  add(value: Constant): string {
    const name = `const_${value.dtype}_${value.shape.join('x')}_${value.data.join('_')}`;
    this.entries.set(name, value);
    return name;
  }

  /** Writes each as a TensorProto. */
  write(graph: ProtoWriter): void {
    for (const [name, { dtype, shape, data }] of this.entries) {
      const raw = rawBytes(dtype, data);
      graph.message(5, (tensor) => {
        for (const extent of shape) tensor.int(1, extent);
        tensor.int(2, ONNX_TYPE[dtype]).string(8, name);
        if (raw.length < this.externalFrom) tensor.bytes(9, raw);
        else this.writeExternal(tensor, raw);
      });
    }
  }

  /** `external_data` is a list of texts by key; `data_location` 1 means EXTERNAL. */
  private writeExternal(tensor: ProtoWriter, raw: Uint8Array): void {
    const place = { location: WEIGHTS_FILE, offset: String(this.externalBytes), length: String(raw.length) };
    for (const [key, value] of Object.entries(place)) {
      tensor.message(13, (entry) => entry.string(1, key).string(2, value));
    }
    tensor.int(14, 1);
    const padding = (ALIGNMENT - (raw.length % ALIGNMENT)) % ALIGNMENT;
    this.external.push(raw, ...(padding > 0 ? [new Uint8Array(padding)] : []));
    this.externalBytes += raw.length + padding;
  }
}

function rawBytes(dtype: Constant['dtype'], data: Constant['data']): Uint8Array {
  const typed = typedArray(dtype, data);
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

function typedArray(dtype: Constant['dtype'], data: Constant['data']) {
  if (dtype === 'float32') return data instanceof Float32Array ? data : Float32Array.from(data);
  if (dtype === 'int64') return BigInt64Array.from(data as ArrayLike<number> as number[], BigInt);
  if (dtype === 'int8') return Int8Array.from(data);
  if (dtype === 'float16') return toHalf(data);
  return Uint8Array.from(data);
}

/** IEEE 754 binary16 bits, rounded to nearest, ties to even; what is too large becomes infinite. */
function toHalf(data: Constant['data']): Uint16Array {
  const bits = new Uint16Array(data.length);
  const single = new Float32Array(1);
  const word = new Uint32Array(single.buffer);
  for (let i = 0; i < data.length; i++) {
    single[0] = data[i]!;
    const [sign, rest] = [(word[0]! >>> 16) & 0x8000, word[0]! & 0x7fffffff];
    bits[i] = sign | halfMagnitude(rest, Math.abs(single[0]!));
  }
  return bits;
}

function halfMagnitude(bits: number, value: number): number {
  if (bits > 0x7f800000) return 0x7e00;
  if (value >= 65_520) return 0x7c00;
  // Below the smallest normal number, halves are multiples of 2⁻²⁴.
  if (value < 2 ** -14) return roundHalfEven(value * 2 ** 24);
  return (bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13;
}
