import { Fault } from './fault.ts';

/**
 * The safetensors format (https://github.com/huggingface/safetensors#format): 8 bytes of header length (little endian),
 * a JSON header `{name: {dtype, shape, data_offsets}}`, then the tensors' bytes, C-order, little endian, without gaps.
 *
 * Our arrays, checkpoints and weights are all in this format. Writing is deterministic and, for one metadata key or none,
 * gives the same bytes as the reference implementation. A floor file like fault.ts: every folder may import it.
 */

/** Bytes per element. The order is that of the reference's `Dtype`, by which it lays tensors out (last one first). */
const ITEM_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;
const LAYOUT_ORDER = Object.keys(ITEM_BYTES);

export type DType = keyof typeof ITEM_BYTES;

export interface SafeTensor {
  dtype: DType;
  shape: number[];
  /** Raw little-endian bytes, aligned to the element size: a view of the file where possible, otherwise a copy. */
  data: Uint8Array;
}

export interface SafeTensors {
  tensors: Map<string, SafeTensor>;
  metadata: Record<string, string>;
}

export interface TensorSource {
  dtype: DType;
  shape: readonly number[];
  data: ArrayBufferView;
}

/** Largest header that is read, as in the reference: a bound on the memory that a damaged length can ask for. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA = '__metadata__';

export function itemBytes(dtype: DType): number {
  return ITEM_BYTES[dtype];
}

/** Where each tensor goes in a file that is to be written. */
export interface SafetensorsLayout {
  /** Everything before the tensors' data. */
  readonly header: Uint8Array;
  /** In the order of the data; `from` is the offset of the first byte in the file. */
  readonly order: readonly { readonly name: string; readonly from: number; readonly bytes: number }[];
  /** Size of the whole file. */
  readonly bytes: number;
}

/**
 * Same tensors and metadata, same layout: by dtype (widest first, so each is aligned) and then by name.
 * @throws RangeError where a name is reserved or stands twice: a bug of the caller, not a user's input.
 */
export function layOutSafetensors(
  tensors: Iterable<readonly [string, { readonly dtype: DType; readonly shape: readonly number[] }]>,
  metadata: Record<string, string> = {},
): SafetensorsLayout {
  const sorted = [...tensors].sort(
    ([a, { dtype: aType }], [b, { dtype: bType }]) =>
      LAYOUT_ORDER.indexOf(bType) - LAYOUT_ORDER.indexOf(aType) || Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const entries: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    const members = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    entries.push(`"${METADATA}":{${members.join(',')}}`);
  }
  const names = new Set<string>([METADATA]);
  const offsets: { name: string; begin: number; bytes: number }[] = [];
  let end = 0;
  for (const [name, { dtype, shape }] of sorted) {
    if (names.has(name)) throw new RangeError(`tensor name ${JSON.stringify(name)} is reserved or stands twice`);
    names.add(name);
    const bytes = elementCount(shape) * ITEM_BYTES[dtype];
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [end, end + bytes] })}`);
    offsets.push({ name, begin: end, bytes });
    end += bytes;
  }
  const text = Buffer.from(`{${entries.join(',')}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const header = new Uint8Array(8 + headerBytes).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(headerBytes), true);
  header.set(text, 8);
  const order = offsets.map(({ name, begin, bytes }) => ({ name, from: header.length + begin, bytes }));
  return { header, order, bytes: header.length + end };
}

/**
 * Same tensors and metadata, same bytes; laid out by `layOutSafetensors`. Arrays of `allocateSafetensors` are not copied.
 * @throws RangeError where data and shape disagree or a name stands twice: a bug of the caller, not a user's input.
 */
export function encodeSafetensors(
  tensors: Iterable<readonly [string, TensorSource]>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const byName = [...tensors];
  const sources = new Map(byName);
  const layout = layOutSafetensors(byName, metadata);
  const file = inPlace(layout, sources) ?? new Uint8Array(layout.bytes);
  file.set(layout.header);
  for (const { name, from, bytes } of layout.order) {
    const { dtype, shape, data } = sources.get(name)!;
    if (data.byteLength !== bytes) {
      throw new RangeError(`tensor ${name}: ${dtype} [${shape}] needs ${bytes} bytes, has ${data.byteLength}`);
    }
    if (data.buffer === file.buffer) continue;
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), from);
  }
  return file;
}

/** Files that were allocated and not yet encoded. */
const allocated = new WeakSet<ArrayBufferLike>();

/**
 * Room for tensors where they will lie in their file: `encodeSafetensors` of these very arrays, with this metadata, takes the
 * room for the file and copies nothing. It does so once: whoever changes an array afterwards changes the file.
 * Zeros at first.
 */
export function allocateSafetensors(
  tensors: readonly (readonly [string, { readonly dtype: DType; readonly shape: readonly number[] }])[],
  metadata: Record<string, string> = {},
): Map<string, SafeTensor> {
  const { order, bytes } = layOutSafetensors(tensors, metadata);
  const { buffer } = new Uint8Array(bytes);
  allocated.add(buffer);
  const places = new Map(order.map((place) => [place.name, place]));
  return new Map(
    tensors.map(([name, { dtype, shape }]) => {
      const { from, bytes: length } = places.get(name)!;
      return [name, { dtype, shape: [...shape], data: new Uint8Array(buffer, from, length) }];
    }),
  );
}

/** The file that the tensors lie in as they should; null where they do not. */
function inPlace({ order, bytes }: SafetensorsLayout, sources: ReadonlyMap<string, TensorSource>): Uint8Array | null {
  const buffer = sources.get(order[0]?.name ?? '')?.data.buffer;
  if (!buffer || !allocated.has(buffer) || buffer.byteLength !== bytes) return null;
  const isThere = order.every(({ name, from, bytes: length }) => {
    const { data } = sources.get(name)!;
    return data.buffer === buffer && data.byteOffset === from && data.byteLength === length;
  });
  if (!isThere) return null;
  allocated.delete(buffer);
  return new Uint8Array(buffer);
}

/**
 * Checks what the reference checks: header bound, known dtypes, sizes that follow from the shapes, and offsets that cover
 * the data exactly, without overlap or gap. `at` names the file in errors.
 * @throws Fault SAFETENSORS_TRUNCATED, SAFETENSORS_HEADER, SAFETENSORS_DTYPE, SAFETENSORS_OFFSETS
 */
export function decodeSafetensors(bytes: Uint8Array, at = 'safetensors'): SafeTensors {
  const dataStart = dataStartOf(bytes, bytes.length, at);
  const { tensors, metadata } = parseHeader(bytes.subarray(8, dataStart), bytes.length, at);
  const views = [...tensors].map(([name, { dtype, shape, from, bytes: length }]) => {
    return [name, { dtype, shape, data: aligned(bytes, from, length, dtype) }] as const;
  });
  return { tensors: new Map(views), metadata };
}

/** Where a tensor lies in its file. */
export interface TensorPlace {
  readonly dtype: DType;
  readonly shape: number[];
  /** Offset of its first byte in the file. */
  readonly from: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly tensors: Map<string, TensorPlace>;
  readonly metadata: Record<string, string>;
}

/**
 * The header of a file that is read piece by piece: `read` gives bytes [from, to) of it, `fileBytes` is its size.
 * The checks are those of `decodeSafetensors`, and so are the faults.
 */
export async function readSafetensorsHeader(
  read: (from: number, to: number) => Promise<Uint8Array>,
  fileBytes: number,
  at: string,
): Promise<SafetensorsHeader> {
  const dataStart = dataStartOf(await read(0, Math.min(8, fileBytes)), fileBytes, at);
  return parseHeader(await read(8, dataStart), fileBytes, at);
}

/** Offset of the data, from the first eight bytes of the file. */
function dataStartOf(first: Uint8Array, fileBytes: number, at: string): number {
  if (fileBytes < 8) {
    throw new Fault('SAFETENSORS_TRUNCATED', {
      at,
      found: `${fileBytes} bytes`,
      expected: 'at least 8, the length of the header',
      fix: 'Get the file again: it is cut off or empty',
    });
  }
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw headerFault(at, `a header of ${length} bytes`, `at most ${MAX_HEADER_BYTES}`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > fileBytes) {
    throw new Fault('SAFETENSORS_TRUNCATED', {
      at,
      found: `${fileBytes} bytes`,
      expected: `at least ${dataStart}, the end of the header`,
      fix: 'Get the file again: it is cut off, or not a safetensors file',
    });
  }
  return dataStart;
}

/** `text` is the header between the length and the data. */
function parseHeader(text: Uint8Array, fileBytes: number, at: string): SafetensorsHeader {
  const dataStart = 8 + text.length;
  const tensors = new Map<string, TensorPlace>();
  const metadata: Record<string, string> = {};
  const found: { name: string; begin: number; end: number }[] = [];
  for (const [name, value] of Object.entries(parseJson(text, at))) {
    if (name === METADATA) {
      Object.assign(metadata, checkMetadata(value, at));
      continue;
    }
    const { dtype, shape, begin, end } = checkEntry(name, value, at);
    if (dataStart + end > fileBytes) {
      throw new Fault('SAFETENSORS_TRUNCATED', {
        at,
        found: `${fileBytes} bytes`,
        expected: `at least ${dataStart + end} for tensor ${name}`,
        fix: 'Get the file again: it is cut off',
      });
    }
    found.push({ name, begin, end });
    tensors.set(name, { dtype, shape, from: dataStart + begin, bytes: end - begin });
  }
  checkCoverage(found, fileBytes - dataStart, at);
  return { tensors, metadata };
}

function parseJson(text: Uint8Array, at: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (cause) {
    throw headerFault(at, 'a header that is not JSON', 'a JSON object in UTF-8', cause);
  }
  if (!isRecord(header)) throw headerFault(at, `a header of type ${typeof header}`, 'a JSON object');
  return header;
}

function checkMetadata(value: unknown, at: string): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every((item) => typeof item === 'string')) {
    throw headerFault(at, `${METADATA} of another form`, 'an object whose values are strings');
  }
  return value as Record<string, string>;
}

function checkEntry(
  name: string,
  value: unknown,
  at: string,
): { dtype: DType; shape: number[]; begin: number; end: number } {
  const { dtype, shape, data_offsets: offsets } = isRecord(value) ? value : {};
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw headerFault(at, `tensor ${name} without a valid dtype, shape or data_offsets`, 'all three');
  }
  if (!Object.hasOwn(ITEM_BYTES, dtype)) {
    throw new Fault('SAFETENSORS_DTYPE', {
      at,
      found: `dtype ${dtype} of tensor ${name}`,
      expected: `one of ${LAYOUT_ORDER.join(', ')}`,
      fix: 'Convert the tensor to one of these types',
    });
  }
  const [begin, end] = offsets as [number, number];
  const expected = elementCount(shape) * ITEM_BYTES[dtype as DType];
  if (end - begin !== expected) {
    throw offsetsFault(at, `${end - begin} bytes for tensor ${name}`, `${expected} for ${dtype} [${shape}]`);
  }
  return { dtype: dtype as DType, shape, begin, end };
}

function checkCoverage(found: readonly { name: string; begin: number; end: number }[], total: number, at: string) {
  let covered = 0;
  for (const { name, begin, end } of [...found].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) throw offsetsFault(at, `tensor ${name} at offset ${begin}`, `offset ${covered}`);
    covered = end;
  }
  if (covered !== total) throw offsetsFault(at, `${total} bytes of data`, `${covered}, the end of the last tensor`);
}

const headerFault = (at: string, found: string, expected: string, cause?: unknown) =>
  new Fault('SAFETENSORS_HEADER', { at, found, expected, fix: 'Check that this is a safetensors file' }, { cause });

const offsetsFault = (at: string, found: string, expected: string) =>
  new Fault('SAFETENSORS_OFFSETS', { at, found, expected, fix: 'Write the file again: its header is inconsistent' });

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function aligned(bytes: Uint8Array, from: number, length: number, dtype: DType): Uint8Array {
  const view = bytes.subarray(from, from + length);
  return view.byteOffset % ITEM_BYTES[dtype] === 0 ? view : Uint8Array.from(view);
}

// Typed views: no copy; the dtype must be the one asked for. -----------------------------------------------------------

type TypedArrayClass<T> = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
};

function viewAs<T>(tensor: SafeTensor, ArrayClass: TypedArrayClass<T>, ...dtypes: DType[]): T {
  if (!dtypes.includes(tensor.dtype)) {
    throw new Fault('SAFETENSORS_DTYPE', {
      at: `tensor [${tensor.shape}]`,
      found: tensor.dtype,
      expected: dtypes.join(' or '),
      fix: 'Convert the tensor, or read it under its own type',
    });
  }
  // A tensor made by hand may lie at any offset; those from `decodeSafetensors` are aligned.
  const data = tensor.data.byteOffset % ArrayClass.BYTES_PER_ELEMENT === 0 ? tensor.data : Uint8Array.from(tensor.data);
  return new ArrayClass(data.buffer, data.byteOffset, data.byteLength / ArrayClass.BYTES_PER_ELEMENT);
}

export const f64 = (tensor: SafeTensor): Float64Array => viewAs(tensor, Float64Array, 'F64');
export const f32 = (tensor: SafeTensor): Float32Array => viewAs(tensor, Float32Array, 'F32');
export const i32 = (tensor: SafeTensor): Int32Array => viewAs(tensor, Int32Array, 'I32');
export const i16 = (tensor: SafeTensor): Int16Array => viewAs(tensor, Int16Array, 'I16');
/** Unsigned 16-bit values; for F16 and BF16 their raw bits. */
export const u16 = (tensor: SafeTensor): Uint16Array => viewAs(tensor, Uint16Array, 'U16', 'F16', 'BF16');
export const u8 = (tensor: SafeTensor): Uint8Array => viewAs(tensor, Uint8Array, 'U8', 'BOOL');

/** Any floating-point tensor as float32: a view of F32, a converted copy of F16, BF16 and F64 (rounded to nearest). */
export function toFloat32(tensor: SafeTensor): Float32Array {
  switch (tensor.dtype) {
    case 'F16':
      return float16ToFloat32(u16(tensor));
    case 'BF16': {
      // bfloat16 is the upper half of float32.
      const bits = Uint32Array.from(u16(tensor), (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    case 'F64':
      return Float32Array.from(f64(tensor));
    default:
      return f32(tensor);
  }
}

let float16Table: Float32Array | undefined;

/** IEEE 754 binary16 bits → float32, exact. By table: 65,536 entries, built once in about a millisecond. */
export function float16ToFloat32(bits: Uint16Array): Float32Array {
  float16Table ??= Float32Array.from({ length: 65_536 }, (_, half) => float16Value(half));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = float16Table[bits[i]!]!;
  return values;
}

function float16Value(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
