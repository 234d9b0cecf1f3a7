import dicomParser, { type DataSet, type Element } from 'dicom-parser';
import { Fault } from '../fault.ts';
import { checkJpeg, checkJpeg2000, checkRle } from './dicom-streams.ts';

/**
 * Finds the pixels of each frame, and whether all of them are there: decoders fill what was cut off with zeros or grey, and
 * say nothing, and DICOM has no checksum. Uncompressed pixels must have their length; compressed ones must be whole by their
 * own structure, frame by frame.
 */

/** How a file's pixels are stored. */
export interface PixelLayout {
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  readonly bitsAllocated: 8 | 16 | 32;
  /** The lowest of those allocated. */
  readonly bitsStored: number;
  readonly signed: boolean;
}

/** One frame as it lies in the file. */
export interface FramePixels extends Omit<PixelLayout, 'frames'> {
  readonly coding: Coding;
  readonly transferSyntax: string;
  /** Raw pixels, row after row, or the compressed stream. */
  readonly bytes: Uint8Array;
}

export type Coding = 'little-endian' | 'big-endian' | 'rle' | 'jpeg' | 'jpeg-2000';

/** Transfer syntaxes that are read. Deflated files and video are not among them. */
const CODINGS: Readonly<Record<string, Coding>> = {
  '1.2.840.10008.1.2': 'little-endian', // implicit
  '1.2.840.10008.1.2.1': 'little-endian', // explicit
  '1.2.840.10008.1.2.2': 'big-endian',
  '1.2.840.10008.1.2.5': 'rle',
  '1.2.840.10008.1.2.4.50': 'jpeg', // baseline
  '1.2.840.10008.1.2.4.51': 'jpeg', // extended, 12 bits
  '1.2.840.10008.1.2.4.57': 'jpeg', // lossless
  '1.2.840.10008.1.2.4.70': 'jpeg', // lossless, first predictor
  '1.2.840.10008.1.2.4.80': 'jpeg', // JPEG-LS
  '1.2.840.10008.1.2.4.81': 'jpeg', // JPEG-LS, near-lossless
  '1.2.840.10008.1.2.4.90': 'jpeg-2000', // lossless
  '1.2.840.10008.1.2.4.91': 'jpeg-2000',
};

const CHECKS = { rle: checkRle, jpeg: checkJpeg, 'jpeg-2000': checkJpeg2000 } as const;

export const isReadSyntax = (uid: string) => Object.hasOwn(CODINGS, uid);

/** Faults DICOM_PIXELS_TRUNCATED, DICOM_BITS. */
export function framePixels(data: DataSet, layout: PixelLayout, at: string): FramePixels[] {
  const refuse = (found: string, expected: string) =>
    new Fault('DICOM_PIXELS_TRUNCATED', { at, found, expected, fix: 'Fetch or export the series again' });
  const { frames, ...frame } = layout;
  const transferSyntax = data.string('x00020010')!;
  const coding = CODINGS[transferSyntax]!;
  const element = data.elements.x7fe00010!;
  const asFrames = (parts: readonly Uint8Array[]) =>
    parts.map((bytes) => ({ ...frame, coding, transferSyntax, bytes }));
  if (coding === 'little-endian' || coding === 'big-endian') {
    if (coding === 'big-endian' && layout.bitsAllocated === 8) throw bytePairs(at);
    const size = layout.rows * layout.columns * (layout.bitsAllocated / 8);
    const present = element.hadUndefinedLength ? 0 : element.length;
    const found = Math.max(0, Math.min(present, data.byteArray.length - element.dataOffset));
    const shape = `${layout.columns} x ${layout.rows}${frames > 1 ? ` x ${frames}` : ''}`;
    if (found < size * frames) throw refuse(`${found} bytes of pixels`, `${size * frames} for ${shape}`);
    const start = (index: number) => element.dataOffset + index * size;
    return asFrames(Array.from({ length: frames }, (_, i) => data.byteArray.subarray(start(i), start(i + 1))));
  }
  if (!element.hadUndefinedLength) throw refuse('compressed pixels without fragments', 'fragments');
  const streams = streamsOf(data, element, frames);
  if (streams === null) throw refuse('compressed pixels that break off', `all of them, for ${frames} frame(s)`);
  streams.forEach((stream, index) => {
    const wrong = CHECKS[coding](stream, layout);
    if (wrong) throw refuse(`${wrong}${frames > 1 ? ` in frame ${index + 1}` : ''}`, 'a whole compressed image');
  });
  return asFrames(streams);
}

/** By the standard such bytes are swapped in pairs, but not where they are written one by one; writers mix that up. */
const bytePairs = (at: string) =>
  new Fault('DICOM_BITS', {
    at,
    found: '8-bit pixels in a big-endian file',
    expected: 'pixels whose order is known',
    fix: 'Convert the series to little-endian, e.g. with gdcmconv',
  });

/** The compressed bytes of each frame; null where the fragments do not end as they should, or are not those of so many frames. */
function streamsOf({ byteArray, byteArrayParser }: DataSet, element: Element, frames: number): Uint8Array[] | null {
  const warnings: string[] = [];
  try {
    const stream = new dicomParser.ByteStream(byteArrayParser, byteArray, element.dataOffset);
    dicomParser.findEndOfEncapsulatedElement(stream, element, warnings);
  } catch {
    return null;
  }
  const fragments = element.fragments ?? [];
  if (warnings.length > 0 || fragments.length < frames) return null;
  const starts = element.basicOffsetTable ?? [];
  const frameOf = (offset: number, index: number): number => {
    if (frames === 1) return 0;
    return starts.length === frames ? starts.findLastIndex((start) => start <= offset) : index;
  };
  const parts: Uint8Array[][] = Array.from({ length: frames }, () => []);
  for (const [index, { offset, position, length }] of fragments.entries()) {
    const part = parts[frameOf(offset, index)];
    if (!part) return null;
    part.push(byteArray.subarray(position, position + length));
  }
  return parts.map((part) => (part.length === 1 ? part[0]! : new Uint8Array(Buffer.concat(part))));
}
