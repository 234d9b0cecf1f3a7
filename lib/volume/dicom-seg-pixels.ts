import type { DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';
import { type FramePixels, framePixels } from './dicom-pixels.ts';
import { backgroundOf, type SegKind } from './dicom-segments.ts';

/** Pixels of all frames as they lie in the file. */
export type SegPixels =
  /** One bit each, the first in the lowest bit; frame follows frame without a gap, also within a byte (PS3.5 8.1.1). */
  | { readonly kind: 'BINARY'; readonly bits: Uint8Array }
  /** Inside where the value is more than half of the largest. */
  | { readonly kind: 'FRACTIONAL'; readonly frames: readonly FramePixels[]; readonly half: number }
  /** SegmentNumbers, or `background`. */
  | { readonly kind: 'LABELMAP'; readonly frames: readonly FramePixels[]; readonly background: number };

interface Layout {
  readonly kind: SegKind;
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
}

const UNCOMPRESSED = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1'];

/** Faults DICOM_BITS, DICOM_TRANSFER_SYNTAX, DICOM_PIXELS_TRUNCATED. */
export function readSegPixels(data: DataSet, { kind, ...layout }: Layout, name: string): SegPixels {
  const bits = readBits(data, kind, name);
  if (bits === 1) return { kind: 'BINARY', bits: packedBits(data, layout, name) };
  const frames = framePixels(data, { ...layout, bitsAllocated: bits, bitsStored: bits, signed: false }, name);
  if (kind === 'LABELMAP') return { kind, frames, background: backgroundOf(data) };
  return { kind: 'FRACTIONAL', frames, half: (data.uint16('x0062000e') ?? 255) / 2 };
}

function readBits(data: DataSet, kind: SegKind, name: string): 1 | 8 | 16 {
  const [allocated, stored, high] = ['x00280100', 'x00280101', 'x00280102'].map((tag) => data.uint16(tag) ?? 0);
  const allowed = { BINARY: [1], FRACTIONAL: [8], LABELMAP: [8, 16] } as const;
  const bits = allowed[kind].find((one) => one === allocated);
  const sign = data.uint16('x00280103') ?? 0;
  const samples = data.uint16('x00280002') ?? 1;
  if (bits && stored === bits && high === bits - 1 && sign === 0 && samples === 1) return bits;
  throw new Fault('DICOM_BITS', {
    at: name,
    found: `${samples} × ${stored} bits stored of ${allocated}, sign ${sign}`,
    expected: `${allowed[kind].join(' or ')} bits without a sign, as a ${kind} segmentation has`,
    fix: 'Export the segmentation again, or as NIfTI',
  });
}

function packedBits(data: DataSet, { rows, columns, frames }: Omit<Layout, 'kind'>, at: string): Uint8Array {
  const fix = 'Export the segmentation again, uncompressed, or as NIfTI';
  if (!UNCOMPRESSED.includes(data.string('x00020010') ?? '')) {
    const found = 'bits in another transfer syntax';
    throw new Fault('DICOM_TRANSFER_SYNTAX', { at, found, expected: 'bits, uncompressed and little-endian', fix });
  }
  const { dataOffset, length, hadUndefinedLength } = data.elements.x7fe00010!;
  const bytes = hadUndefinedLength ? 0 : Math.min(length, data.byteArray.length - dataOffset);
  const wanted = Math.ceil((rows * columns * frames) / 8);
  // Exactly that, up to an even length: writers that begin each frame on a byte write more, and mean something else.
  if (bytes !== wanted && bytes !== wanted + (wanted % 2)) {
    const expected = `${wanted} for ${columns} x ${rows} x ${frames} bits`;
    throw new Fault('DICOM_PIXELS_TRUNCATED', { at, found: `${bytes} bytes of pixels`, expected, fix });
  }
  return data.byteArray.subarray(dataOffset, dataOffset + wanted);
}
