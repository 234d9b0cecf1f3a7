/**
 * One DICOM slice in explicit little-endian, raw or packed by runs, read by the standard (PS3.5) without a line of
 * samflow's or of the parser that it uses. It checks nothing and throws on what it cannot follow.
 */
export interface PlainSlice {
  readonly columns: number;
  readonly rows: number;
  /** Rescaled; null where the pixels are compressed otherwise. */
  readonly values: number[] | null;
  /** Voxel to RAS+, three rows of four; the slice as thick as it says. */
  readonly affine: number[];
}

/** Value representations whose length has four bytes, after two that are reserved. */
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const UNDEFINED = 0xffffffff;

type Elements = Map<number, Uint8Array>;

export function readPlainDicom(file: Uint8Array): PlainSlice {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const elements: Elements = new Map();
  for (let at = 132; at + 8 <= file.length; ) {
    const tag = tagAt(view, at);
    const vr = String.fromCharCode(file[at + 4]!, file[at + 5]!);
    const long = LONG.has(vr);
    const length = long ? view.getUint32(at + 8, true) : view.getUint16(at + 6, true);
    const start = at + (long ? 12 : 8);
    const end = length === UNDEFINED ? file.length : start + length;
    elements.set(tag, file.subarray(start, end));
    if (tag === 0x7fe00010) break;
    at = end;
  }
  const u16 = (tag: number) => elements.get(tag)![0]! + 256 * elements.get(tag)![1]!;
  const [columns, rows] = [u16(0x00280011), u16(0x00280010)];
  return { columns, rows, values: valuesOf(elements, u16, rows * columns), affine: affineOf(elements) };
}

const tagAt = (view: DataView, at: number) => view.getUint16(at, true) * 65536 + view.getUint16(at + 2, true);

const textOf = (elements: Elements, tag: number) =>
  Buffer.from(elements.get(tag) ?? [])
    .toString('latin1')
    .replace(/\0.*$/s, '')
    .trim();
const numbersOf = (elements: Elements, tag: number) =>
  textOf(elements, tag) === '' ? [] : textOf(elements, tag).split('\\').map(Number);

function valuesOf(elements: Elements, u16: (tag: number) => number, count: number): number[] | null {
  const syntax = textOf(elements, 0x00020010);
  const width = u16(0x00280100) / 8;
  const data = elements.get(0x7fe00010)!;
  const raw =
    syntax === '1.2.840.10008.1.2.1' ? data : syntax === '1.2.840.10008.1.2.5' ? unpack(data, width, count) : null;
  if (raw === null) return null;
  const [slope = 1] = numbersOf(elements, 0x00281053);
  const [intercept = 0] = numbersOf(elements, 0x00281052);
  const bits = u16(0x00280101);
  const signed = (elements.has(0x00280103) ? u16(0x00280103) : 0) === 1;
  return Array.from({ length: count }, (_, index) => {
    let value = 0;
    for (let byte = width - 1; byte >= 0; byte -= 1) value = value * 256 + raw[index * width + byte]!;
    value %= 2 ** bits;
    return (signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value) * slope + intercept;
  });
}

/** PS3.5 G.3: planes from the highest byte on, here laid back as little-endian pixels. */
function unpack(fragments: Uint8Array, width: number, count: number): Uint8Array {
  const view = new DataView(fragments.buffer, fragments.byteOffset, fragments.byteLength);
  // After the table of offsets: the fragments of the one frame.
  const parts: Uint8Array[] = [];
  for (let at = 8 + view.getUint32(4, true); tagAt(view, at) === 0xfffee000; ) {
    const length = view.getUint32(at + 4, true);
    parts.push(fragments.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  const frame = Buffer.concat(parts);
  const pixels = new Uint8Array(width * count);
  for (let plane = 0; plane < width; plane += 1) {
    const bytes: number[] = [];
    for (let at = frame.readUInt32LE(4 + 4 * plane); bytes.length < count; ) {
      const code = frame.readInt8(at);
      if (code >= 0) for (const byte of frame.subarray(at + 1, at + 2 + code)) bytes.push(byte);
      else if (code > -128) for (let i = 0; i < 1 - code; i += 1) bytes.push(frame[at + 1]!);
      at += code >= 0 ? code + 2 : code > -128 ? 2 : 1;
    }
    for (let index = 0; index < count; index += 1) pixels[index * width + width - 1 - plane] = bytes[index]!;
  }
  return pixels;
}

function affineOf(elements: Elements): number[] {
  const [between, across] = numbersOf(elements, 0x00280030) as [number, number];
  const cosines = numbersOf(elements, 0x00200037);
  const position = numbersOf(elements, 0x00200032);
  const unit = (v: number[]) => v.map((value) => value / Math.hypot(...v));
  const [r, c] = [unit(cosines.slice(0, 3)), unit(cosines.slice(3))] as [number[], number[]];
  const n = [0, 1, 2].map((i) => r[(i + 1) % 3]! * c[(i + 2) % 3]! - r[(i + 2) % 3]! * c[(i + 1) % 3]!);
  const spacings = [0x00180088, 0x00180050].map((tag) => numbersOf(elements, tag)[0]);
  const thickness = spacings.find((mm) => mm !== undefined && mm > 0 && Number.isFinite(mm))!;
  return [0, 1, 2].flatMap((i) => {
    const sign = i < 2 ? -1 : 1;
    return [r[i]! * across, c[i]! * between, n[i]! * thickness, position[i]!].map((value) => value * sign);
  });
}
