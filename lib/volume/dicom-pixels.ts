import dicomParser, { type DataSet, type Element } from 'dicom-parser';
import { Fault } from '../fault.ts';
import { checkJpeg, checkJpeg2000, checkRle } from './dicom-streams.ts';

/**
 * Are all pixels there? The decoder fills what was cut off with zeros or grey, and says nothing; DICOM has no checksum.
 * Uncompressed pixels must have their length; compressed ones must be whole by their own structure, frame by frame.
 */

/** Size and format of a file's frames. */
export interface PixelLayout {
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  readonly bitsAllocated: number;
}

type StreamCheck = (stream: Uint8Array, layout: PixelLayout) => string | null;

/** Transfer syntaxes that the decoder reads, and how a compressed frame is looked at. Deflated files and video are not among them. */
const TRANSFER_SYNTAXES: Readonly<Record<string, StreamCheck | null>> = {
  '1.2.840.10008.1.2': null, // implicit little-endian
  '1.2.840.10008.1.2.1': null, // explicit little-endian
  '1.2.840.10008.1.2.2': null, // explicit big-endian
  '1.2.840.10008.1.2.5': checkRle,
  '1.2.840.10008.1.2.4.50': checkJpeg, // baseline
  '1.2.840.10008.1.2.4.51': checkJpeg, // extended, 12 bits
  '1.2.840.10008.1.2.4.57': checkJpeg, // lossless
  '1.2.840.10008.1.2.4.70': checkJpeg, // lossless, first predictor
  '1.2.840.10008.1.2.4.80': checkJpeg, // JPEG-LS
  '1.2.840.10008.1.2.4.81': checkJpeg, // JPEG-LS, near-lossless
  '1.2.840.10008.1.2.4.90': checkJpeg2000, // lossless
  '1.2.840.10008.1.2.4.91': checkJpeg2000,
};

export const isReadSyntax = (uid: string) => Object.hasOwn(TRANSFER_SYNTAXES, uid);

/** Fault DICOM_PIXELS_TRUNCATED. */
export function checkPixels(data: DataSet, layout: PixelLayout, fileBytes: number, at: string): void {
  const refuse = (found: string, expected: string) =>
    new Fault('DICOM_PIXELS_TRUNCATED', { at, found, expected, fix: 'Fetch or export the series again' });
  const element = data.elements.x7fe00010!;
  const { rows, columns, frames, bitsAllocated } = layout;
  const check = TRANSFER_SYNTAXES[data.string('x00020010') ?? ''];
  if (!check) {
    const expected = rows * columns * frames * (bitsAllocated / 8);
    const found = element.hadUndefinedLength ? 0 : Math.min(element.length, fileBytes - element.dataOffset);
    const size = `${columns} x ${rows}${frames > 1 ? ` x ${frames}` : ''}`;
    if (found < expected) throw refuse(`${found} bytes of pixels`, `${expected} for ${size}`);
    return;
  }
  if (!element.hadUndefinedLength) throw refuse('compressed pixels without fragments', 'fragments');
  const streams = framesOf(data, element, frames);
  if (streams === null) throw refuse('compressed pixels that break off', `all of them, for ${frames} frame(s)`);
  streams.forEach((stream, frame) => {
    const wrong = check(stream, layout);
    if (wrong) throw refuse(`${wrong}${frames > 1 ? ` in frame ${frame + 1}` : ''}`, 'a whole compressed image');
  });
}

/** The compressed bytes of each frame; null where the fragments do not end as they should, or are not those of so many frames. */
function framesOf({ byteArray, byteArrayParser }: DataSet, element: Element, frames: number): Uint8Array[] | null {
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
