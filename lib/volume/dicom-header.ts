import type { DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';
import { mayShowNames } from './dicom-burned-in.ts';
import { numbers, positive } from './dicom-elements.ts';
import { type FrameGroups, frameGroups, isEnhancedCt } from './dicom-frames.ts';
import { damaged, parseDicomFile } from './dicom-parse.ts';
import { type FramePixels, framePixels, type PixelLayout } from './dicom-pixels.ts';
import { type Plane, readPlane, readSpacing } from './dicom-plane.ts';

export { looksLikeDicom } from './dicom-parse.ts';

/**
 * What samflow needs to know of one DICOM slice before it lets the decoder loose: the decoder (GDCM) fills cut-off pixels
 * with zeros, stacks mixed series and takes a missing position for the origin, all without a word. Only the tags below are
 * read; nothing that names a person is looked at.
 */
export interface DicomHeader extends Plane {
  /** Of the file, as `nameDicomFiles` has it; with the frame where there are several. */
  readonly name: string;
  /** Empty where the UIDs were removed, as in anonymised data. */
  readonly seriesUid: string;
  readonly rows: number;
  readonly columns: number;
  /** Distance between neighbouring rows and between neighbouring columns. */
  readonly pixelSpacingMm: readonly [row: number, column: number];
  /** For a series of one slice, where positions say nothing about its thickness. */
  readonly sliceThicknessMm: number | null;
  readonly rescale: readonly [slope: number, intercept: number];
  /** Present where the pixels may show words. */
  readonly mayShowNames?: true;
}

export interface DicomFrame {
  readonly header: DicomHeader;
  readonly pixels: FramePixels;
}

/**
 * The frames of a file, in its order: most have one, an enhanced CT has them all.
 * Faults: DICOM_FORMAT, DICOM_TRANSFER_SYNTAX, DICOM_NO_PIXELS, DICOM_COLOUR, DICOM_MULTIFRAME, DICOM_PHOTOMETRIC, DICOM_BITS,
 * DICOM_BURNED_IN, DICOM_PIXELS_TRUNCATED, DICOM_NO_POSITION, DICOM_ORIENTATION, DICOM_NO_SPACING, DICOM_RESCALE.
 */
export function parseDicomFrames(bytes: Uint8Array, name: string): DicomFrame[] {
  const data = parseDicomFile(bytes, name);
  try {
    return readFrames(data, name);
  } catch (error) {
    // The parser throws strings where an element's value lies outside the file; an error is one of ours.
    throw error instanceof Error ? error : damaged(name);
  }
}

function readFrames(data: DataSet, name: string): DicomFrame[] {
  const rows = data.uint16('x00280010') ?? 0;
  const columns = data.uint16('x00280011') ?? 0;
  if (rows < 1 || columns < 1 || !data.elements.x7fe00010) {
    throw fault('DICOM_NO_PIXELS', name, 'a file without an image', 'one slice', 'Leave reports and other objects out');
  }
  checkKind(data, name);
  const layout: PixelLayout = { rows, columns, frames: countFrames(data, name), ...readBits(data, name) };
  const pixels = framePixels(data, layout, name);
  const groups = frameGroups(data, layout.frames);
  if (groups === null) throw multiframe(name, `${layout.frames} frames without a place for each`);
  return groups.map((group, frame) => ({
    header: readHeader(data, group, layout, frameName(name, frame, layout.frames)),
    pixels: pixels[frame]!,
  }));
}

/** The header of a file of one slice. Faults: those of `parseDicomFrames`; DICOM_MULTIFRAME where there are more. */
export function parseDicomHeader(bytes: Uint8Array, name: string): DicomHeader {
  const frames = parseDicomFrames(bytes, name);
  if (frames.length > 1) throw multiframe(name, `${frames.length} frames in one file`);
  return frames[0]!.header;
}

const frameName = (name: string, frame: number, frames: number) => (frames > 1 ? `${name} (frame ${frame + 1})` : name);

function readHeader(data: DataSet, groups: FrameGroups, { rows, columns }: PixelLayout, name: string): DicomHeader {
  const { plane, orientation, measures, values } = groups;
  return {
    name,
    seriesUid: data.string('x0020000e') ?? '',
    rows,
    columns,
    pixelSpacingMm: readSpacing(measures, name),
    ...readPlane(plane, orientation, name),
    sliceThicknessMm: positive(numbers(measures, 'x00180088')[0]) ?? positive(numbers(measures, 'x00180050')[0]),
    rescale: readRescale(values, name),
    ...(mayShowNames(data, name) && { mayShowNames: true as const }),
  };
}

function checkKind(data: DataSet, name: string): void {
  if ((data.uint16('x00280002') ?? 1) !== 1) {
    throw fault('DICOM_COLOUR', name, 'a colour image', 'one value per pixel', 'Use the original series');
  }
  const photometric = data.string('x00280004') ?? 'MONOCHROME2';
  if (photometric !== 'MONOCHROME2') {
    throw fault('DICOM_PHOTOMETRIC', name, shown(photometric), 'MONOCHROME2', 'Use the original series');
  }
}

function countFrames(data: DataSet, name: string): number {
  const frames = data.intString('x00280008') ?? 1;
  if (frames === 1) return 1;
  if (Number.isSafeInteger(frames) && frames > 1 && isEnhancedCt(data)) return frames;
  throw multiframe(name, `${frames} frames in one file`);
}

const multiframe = (name: string, found: string) =>
  fault(
    'DICOM_MULTIFRAME',
    name,
    found,
    'one slice per file, or an enhanced CT',
    'Convert it to NIfTI, e.g. with dcm2niix',
  );

/** Bits of a stored value: the lowest of those allocated, as every scanner writes them; else it is anyone's guess which are. */
function readBits(data: DataSet, name: string): Pick<PixelLayout, 'bitsAllocated' | 'bitsStored' | 'signed'> {
  const [allocated = 0, stored = 0, high = -1] = ['x00280100', 'x00280101', 'x00280102'].map((tag) => data.uint16(tag));
  const sign = data.uint16('x00280103') ?? 0;
  const bitsAllocated = ([8, 16, 32] as const).find((bits) => bits === allocated);
  if (bitsAllocated && stored >= 1 && stored <= allocated && high === stored - 1 && sign <= 1) {
    return { bitsAllocated, bitsStored: stored, signed: sign === 1 };
  }
  const found = `${stored} bits stored of ${allocated}, the highest ${high}, sign ${sign}`;
  throw fault('DICOM_BITS', name, found, 'the lower bits of 8, 16 or 32', 'Fetch or export the series again');
}

function readRescale(data: DataSet | null, name: string): [number, number] {
  const refuse = (found: string) => fault('DICOM_RESCALE', name, found, 'finite numbers', 'Use the original series');
  if (data?.elements.x00283000) throw refuse('a look-up table instead of slope and intercept');
  const slope = numbers(data, 'x00281053')[0] ?? 1;
  const intercept = numbers(data, 'x00281052')[0] ?? 0;
  if (Number.isFinite(slope) && slope !== 0 && Number.isFinite(intercept)) return [slope, intercept];
  throw refuse(`slope ${slope}, intercept ${intercept}`);
}

const fault = (code: string, at: string, found: string, expected: string, fix: string) =>
  new Fault(code, { at, found, expected, fix });

/** A header's own words, cut to what such a field can hold: a damaged one may hold anything. */
const shown = (text: string) => (/^[A-Z0-9 _.]{1,64}$/.test(text) ? text : 'unreadable');
