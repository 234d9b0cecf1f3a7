import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  allocateSafetensors,
  type DType,
  decodeSafetensors,
  encodeSafetensors,
  f32,
  float16ToFloat32,
  i16,
  i32,
  itemBytes,
  toFloat32,
  u8,
  u16,
} from '../../lib/safetensors.ts';
import { assertFault } from '../helpers/faults.ts';

const DTYPES: DType[] = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8', 'BOOL'];

/** A file with any header, true or not. */
function fileOf(header: unknown, data = new Uint8Array(0), declaredLength?: number): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(declaredLength ?? text.length));
  return Buffer.concat([length, text, data]);
}

const headerOf = (bytes: Uint8Array): string => {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return Buffer.from(bytes.subarray(8, 8 + length)).toString();
};

describe('safetensors: writing', () => {
  for (const dtype of DTYPES) {
    it(`gives back a ${dtype} tensor as it was, aligned to its element size`, () => {
      const data = Uint8Array.from({ length: 6 * itemBytes(dtype) }, (_, index) => index * 7);
      const bytes = encodeSafetensors([
        ['odd', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
        ['x', { dtype, shape: [2, 3], data }],
      ]);
      const tensor = decodeSafetensors(bytes).tensors.get('x')!;
      assert.deepEqual([tensor.dtype, tensor.shape], [dtype, [2, 3]]);
      assert.deepEqual(Uint8Array.from(tensor.data), data);
      assert.equal(tensor.data.byteOffset % itemBytes(dtype), 0);
    });
  }

  it('lays tensors out by element size and then by name, whatever order they come in', () => {
    const tensor = (dtype: DType) => ({ dtype, shape: [1], data: new Uint8Array(itemBytes(dtype)) });
    const entries = [
      ['b', tensor('U8')],
      ['z', tensor('F32')],
      ['a', tensor('U8')],
      ['m', tensor('F64')],
      ['c', tensor('F32')],
    ] as const;
    const bytes = encodeSafetensors(entries);
    assert.deepEqual(Object.keys(JSON.parse(headerOf(bytes))), ['m', 'c', 'z', 'a', 'b']);
    assert.deepEqual(encodeSafetensors([...entries].reverse()), bytes);
  });

  it('pads the header with spaces to a multiple of 8, and sorts the metadata', () => {
    const bytes = encodeSafetensors([], { b: '2', a: '1' });
    assert.equal(headerOf(bytes).length % 8, 0);
    assert.equal(headerOf(bytes).trimEnd(), '{"__metadata__":{"a":"1","b":"2"}}');
    assert.deepEqual(decodeSafetensors(bytes), { tensors: new Map(), metadata: { a: '1', b: '2' } });
  });

  it('holds scalars, empty tensors and names in any script', () => {
    const bytes = encodeSafetensors([
      ['scalar', { dtype: 'F32', shape: [], data: Float32Array.of(3) }],
      ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
      ['λ "quoted"', { dtype: 'I32', shape: [1], data: Int32Array.of(-5) }],
    ]);
    const { tensors } = decodeSafetensors(bytes);
    assert.deepEqual([...f32(tensors.get('scalar')!)], [3]);
    assert.deepEqual(tensors.get('empty')!.shape, [0, 4]);
    assert.deepEqual([...i32(tensors.get('λ "quoted"')!)], [-5]);
  });

  it('writes a part of a larger buffer without the rest', () => {
    const window = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
    const { tensors } = decodeSafetensors(encodeSafetensors([['x', { dtype: 'F32', shape: [2], data: window }]]));
    assert.deepEqual([...f32(tensors.get('x')!)], [2, 3]);
  });

  it('refuses data that does not fit its shape, and names that stand twice or are reserved', () => {
    const one = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
    assert.throws(() => encodeSafetensors([['x', { ...one, shape: [2] }]]), /x: F32 \[2\] needs 8 bytes, has 4/);
    assert.throws(
      () =>
        encodeSafetensors([
          ['x', one],
          ['x', one],
        ]),
      /"x" is reserved or stands twice/,
    );
    assert.throws(() => encodeSafetensors([['__metadata__', one]]), RangeError);
  });
});

describe('safetensors: writing in place', () => {
  const layout = [
    ['grey', { dtype: 'U8', shape: [3] }],
    ['hu', { dtype: 'I16', shape: [2] }],
  ] as const;
  const filled = (metadata: Record<string, string>) => {
    const room = allocateSafetensors(layout, metadata);
    room.get('grey')!.data.set([1, 2, 3]);
    i16(room.get('hu')!).set([-5, 700]);
    return room;
  };
  const copied = (metadata: Record<string, string>) =>
    encodeSafetensors(
      [...filled(metadata)].map(([name, { data, ...tensor }]) => [name, { ...tensor, data: data.slice() }]),
      metadata,
    );

  it('gives the bytes of a copy, in the memory of the arrays', () => {
    const room = filled({ a: 'b' });
    const file = encodeSafetensors(room, { a: 'b' });
    assert.deepEqual(file, copied({ a: 'b' }));
    assert.equal(file.buffer, room.get('hu')!.data.buffer);
    assert.equal(file.length, file.buffer.byteLength);
  });

  it('takes the room once; with other metadata, or other arrays among them, it copies', () => {
    const room = filled({ a: 'b' });
    const longer = encodeSafetensors(room, { a: 'bbbbbbbbbbb' });
    assert.notEqual(longer.buffer, room.get('hu')!.data.buffer);
    assert.deepEqual(longer, copied({ a: 'bbbbbbbbbbb' }));
    const mixed = encodeSafetensors(
      new Map([...room, ['grey', { ...room.get('grey')!, data: Uint8Array.of(1, 2, 3) }]]),
      { a: 'b' },
    );
    assert.deepEqual(mixed, copied({ a: 'b' }));
    const file = encodeSafetensors(room, { a: 'b' });
    const again = encodeSafetensors(room, { a: 'c' });
    assert.notEqual(again.buffer, file.buffer);
    assert.deepEqual(file, copied({ a: 'b' }));
    assert.deepEqual(again, copied({ a: 'c' }));
  });

  it('does not write into a file that was read', () => {
    const file = copied({ a: 'b' });
    const { tensors } = decodeSafetensors(file);
    assert.notEqual(encodeSafetensors(tensors, { a: 'c' }).buffer, file.buffer);
  });
});

describe('safetensors: reading', () => {
  for (const name of ['model', 'expected', 'training']) {
    it(`reads ${name}.safetensors as the reference library wrote it, and writes the very same bytes`, () => {
      const bytes = readFileSync(new URL(`../fixtures/sam-tiny/${name}.safetensors`, import.meta.url));
      const { tensors, metadata } = decodeSafetensors(bytes, name);
      assert.ok(tensors.size > 10, `${tensors.size} tensors`);
      for (const { dtype, data } of tensors.values()) assert.equal(data.byteOffset % itemBytes(dtype), 0);
      assert.equal(Buffer.compare(encodeSafetensors(tensors, metadata), bytes), 0);
    });
  }

  it('reads a file that begins at an odd address', () => {
    const bytes = encodeSafetensors([['x', { dtype: 'F64', shape: [2], data: Float64Array.of(1.5, -2) }]]);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    const tensor = decodeSafetensors(shifted.subarray(3)).tensors.get('x')!;
    assert.deepEqual([...toFloat32(tensor)], [1.5, -2]);
  });

  it('keeps a tensor named like a part of every object', () => {
    const bytes = encodeSafetensors([['__proto__', { dtype: 'U8', shape: [1], data: Uint8Array.of(9) }]]);
    assert.deepEqual([...u8(decodeSafetensors(bytes).tensors.get('__proto__')!)], [9]);
  });

  const entry = (data_offsets: unknown, shape: unknown = [1], dtype: unknown = 'F32') => ({
    dtype,
    shape,
    data_offsets,
  });
  const four = new Uint8Array(4);
  const CORRUPT: [what: string, bytes: Uint8Array, code: string, message: RegExp][] = [
    ['an empty file', new Uint8Array(0), 'SAFETENSORS_TRUNCATED', /found 0 bytes/],
    ['a file that ends in the length', new Uint8Array(5), 'SAFETENSORS_TRUNCATED', /found 5 bytes/],
    ['a header longer than the file', fileOf({}, four, 1000), 'SAFETENSORS_TRUNCATED', /at least 1008/],
    ['a header of 2^60 bytes', fileOf({}, four, 2 ** 60), 'SAFETENSORS_HEADER', /at most 100000000/],
    ['a header that is not JSON', fileOf('{"a"'), 'SAFETENSORS_HEADER', /not JSON/],
    ['a header that is not UTF-8', fileOf('').fill(0xff, 8), 'SAFETENSORS_HEADER', /not JSON/],
    ['a header that is a list', fileOf([]), 'SAFETENSORS_HEADER', /JSON object/],
    ['metadata with a number', fileOf({ __metadata__: { a: 1 } }), 'SAFETENSORS_HEADER', /__metadata__/],
    ['an entry without a shape', fileOf({ a: { dtype: 'F32' } }), 'SAFETENSORS_HEADER', /tensor a /],
    ['an entry that is null', fileOf({ a: null }), 'SAFETENSORS_HEADER', /tensor a /],
    ['a negative size', fileOf({ a: entry([0, 4], [-1]) }, four), 'SAFETENSORS_HEADER', /tensor a /],
    ['a size that is not whole', fileOf({ a: entry([0, 4], [0.5]) }, four), 'SAFETENSORS_HEADER', /tensor a /],
    ['offsets beyond exact integers', fileOf({ a: entry([0, 2 ** 60]) }, four), 'SAFETENSORS_HEADER', /tensor a /],
    ['one offset', fileOf({ a: entry([0]) }, four), 'SAFETENSORS_HEADER', /tensor a /],
    ['a dtype nobody knows', fileOf({ a: entry([0, 4], [1], 'F8_E4M3') }, four), 'SAFETENSORS_DTYPE', /F8_E4M3/],
    [
      'a dtype named like a method',
      fileOf({ a: entry([0, 4], [1], 'toString') }, four),
      'SAFETENSORS_DTYPE',
      /toString/,
    ],
    [
      'offsets that do not fit the shape',
      fileOf({ a: entry([0, 4], [2]) }, four),
      'SAFETENSORS_OFFSETS',
      /8 for F32 \[2\]/,
    ],
    ['an end before the begin', fileOf({ a: entry([4, 0]) }, four), 'SAFETENSORS_OFFSETS', /-4 bytes/],
    [
      'a shape that overflows',
      fileOf({ a: entry([0, 4], [2 ** 52, 2 ** 52]) }, four),
      'SAFETENSORS_OFFSETS',
      /tensor a/,
    ],
    ['data that is cut off', fileOf({ a: entry([0, 8], [2]) }, four), 'SAFETENSORS_TRUNCATED', /tensor a/],
    [
      'two tensors in one place',
      fileOf({ a: entry([0, 4]), b: entry([0, 4]) }, four),
      'SAFETENSORS_OFFSETS',
      /tensor b/,
    ],
    ['a gap', fileOf({ a: entry([4, 8]) }, new Uint8Array(8)), 'SAFETENSORS_OFFSETS', /offset 4/],
    ['bytes after the last tensor', fileOf({ a: entry([0, 4]) }, new Uint8Array(5)), 'SAFETENSORS_OFFSETS', /5 bytes/],
  ];
  for (const [what, bytes, code, message] of CORRUPT) {
    it(`refuses ${what}, naming the file`, () => {
      assertFault(() => decodeSafetensors(bytes, 'model.safetensors'), code, message);
      assertFault(() => decodeSafetensors(bytes, 'model.safetensors'), code, /^model\.safetensors: /);
    });
  }
});

describe('safetensors: values', () => {
  it('refuses to read a tensor under another type', () => {
    const tensor = { dtype: 'I32', shape: [1], data: new Uint8Array(4) } as const;
    assertFault(() => f32({ ...tensor, shape: [1] }), 'SAFETENSORS_DTYPE', /found I32, expected F32/);
  });

  it('converts every finite float16 exactly, and keeps infinities and NaN', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, index) => index);
    const values = float16ToFloat32(bits);
    for (const [half, value] of [
      [0x0000, 0],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3c00, 1],
      [0x3555, 0.333251953125],
      [0x7bff, 65_504],
      [0xc000, -2],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
    ] as const) {
      assert.equal(values[half], value, half.toString(16));
    }
    assert.ok(Object.is(values[0x8000], -0));
    assert.ok(Number.isNaN(values[0x7e01]));
    // Order is kept over all finite positive values.
    for (let half = 1; half < 0x7c00; half++) assert.ok(values[half]! > values[half - 1]!);
  });

  it('converts BF16 and F64, and gives F32 without a copy', () => {
    const halves = { dtype: 'BF16', shape: [2], data: new Uint8Array(Uint16Array.of(0x3fc0, 0xc000).buffer) } as const;
    assert.deepEqual([...toFloat32({ ...halves, shape: [2] })], [1.5, -2]);
    const doubles = { dtype: 'F64' as const, shape: [1], data: new Uint8Array(Float64Array.of(0.1).buffer) };
    assert.deepEqual([...toFloat32(doubles)], [Math.fround(0.1)]);
    const singles = { dtype: 'F32' as const, shape: [1], data: new Uint8Array(Float32Array.of(4).buffer) };
    assert.equal(toFloat32(singles).buffer, singles.data.buffer);
    assert.deepEqual([...u16({ ...halves, shape: [2] })], [0x3fc0, 0xc000]);
  });
});
