import type { FramePixels } from './dicom-pixels.ts';

/** Stored values as they are, before rescaling: what needs no decoder of images. */
export type StoredArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

const STORED = {
  8: [Uint8Array, Int8Array],
  16: [Uint16Array, Int16Array],
  32: [Uint32Array, Int32Array],
} as const;

export const storedType = ({ bitsAllocated, signed }: Pick<FramePixels, 'bitsAllocated' | 'signed'>) =>
  STORED[bitsAllocated][signed ? 1 : 0];

/** Pixels that lie in the file one after the other, or as planes packed by runs (RLE); null for other codings. */
export function readStored(pixels: FramePixels): StoredArray | null {
  if (pixels.coding !== 'little-endian' && pixels.coding !== 'big-endian' && pixels.coding !== 'rle') return null;
  // A copy: aligned, and not the caller's bytes.
  const bytes = pixels.coding === 'rle' ? unpackPlanes(pixels) : new Uint8Array(pixels.bytes);
  if (pixels.coding === 'big-endian') swap(bytes, pixels.bitsAllocated);
  return cleanBits(new (storedType(pixels))(bytes.buffer as ArrayBuffer), pixels);
}

function swap(bytes: Uint8Array, bits: number): void {
  if (bits === 16) Buffer.from(bytes.buffer).swap16();
  if (bits === 32) Buffer.from(bytes.buffer).swap32();
}

/** Bits above those stored are not part of the value: old files keep overlays there. The highest stored one is the sign. */
function cleanBits(values: StoredArray, { bitsAllocated, bitsStored, signed }: FramePixels): StoredArray {
  if (bitsStored === bitsAllocated) return values;
  const unused = 32 - bitsStored;
  for (let at = 0; at < values.length; at += 1) {
    values[at] = signed ? (values[at]! << unused) >> unused : (values[at]! << unused) >>> unused;
  }
  return values;
}

/** RLE (DICOM PS3.5, annex G), after `checkRle`: a plane for each byte of a pixel, the highest byte first. */
function unpackPlanes({ bytes, rows, columns, bitsAllocated }: FramePixels): Uint8Array {
  const header = new DataView(bytes.buffer, bytes.byteOffset, 64);
  const width = bitsAllocated / 8;
  const count = rows * columns;
  const unpacked = new Uint8Array(width * count);
  for (let plane = 0; plane < width; plane += 1) {
    let from = header.getUint32(4 + 4 * plane, true);
    let to = width - 1 - plane;
    const end = width * count;
    while (to < end) {
      const code = bytes[from]!;
      from += 1;
      if (code === 128) continue;
      const repeated = code > 128;
      const run = repeated ? 257 - code : code + 1;
      for (let i = 0; i < run && to < end; i += 1, to += width) unpacked[to] = bytes[repeated ? from : from + i]!;
      from += repeated ? 1 : run;
    }
  }
  return unpacked;
}
