import type { DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';
import { numbers, positive } from './dicom-elements.ts';
import {
  functionalGroups,
  PIXEL_MEASURES,
  PLANE_ORIENTATION,
  PLANE_POSITION,
  SEGMENT_IDENTIFICATION,
} from './dicom-frames.ts';
import { damaged, looksLikeDicom, parseDicomFile } from './dicom-parse.ts';
import { type Plane, readPlane, readSpacing } from './dicom-plane.ts';
import { readSegPixels, type SegPixels } from './dicom-seg-pixels.ts';
import { readSegments, type SegKind, type Segment } from './dicom-segments.ts';

/** A DICOM segmentation (PS3.3 A.51) or label map segmentation, its header checked, its pixels still packed. */
export interface Segmentation {
  readonly name: string;
  readonly kind: SegKind;
  readonly columns: number;
  readonly rows: number;
  /** Distance between neighbouring rows and between neighbouring columns. */
  readonly pixelSpacingMm: readonly [row: number, column: number];
  /** As the file says; null where it does not. */
  readonly sliceSpacingMm: number | null;
  /** Empty where it was removed. */
  readonly frameOfReferenceUid: string;
  readonly segments: readonly Segment[];
  /** In the file's order, which means nothing. */
  readonly frames: readonly SegmentationFrame[];
  readonly pixels: SegPixels;
}

export interface SegmentationFrame extends Plane {
  /** SegmentNumber; null in a label map, whose pixels name their segments. */
  readonly segment: number | null;
}

const KINDS: Readonly<Record<string, readonly SegKind[]>> = {
  '1.2.840.10008.5.1.4.1.1.66.4': ['BINARY', 'FRACTIONAL'],
  '1.2.840.10008.5.1.4.1.1.66.7': ['LABELMAP'],
};

/** Whether a file is a segmentation; false for one that cannot be read. */
export function isSegmentation(bytes: Uint8Array): boolean {
  if (!looksLikeDicom(bytes)) return false;
  try {
    return (parseDicomFile(bytes, '').string('x00080016') ?? '') in KINDS;
  } catch {
    return false;
  }
}

/**
 * Faults: DICOM_FORMAT, DICOM_TRANSFER_SYNTAX, DICOM_NO_PIXELS, DICOM_BITS, DICOM_PIXELS_TRUNCATED, DICOM_NO_POSITION,
 * DICOM_ORIENTATION, DICOM_NO_SPACING, SEG_KIND, SEG_SEGMENTS, SEG_FRAMES. Nothing that names a person is read.
 */
export function parseSegmentation(bytes: Uint8Array, name: string): Segmentation {
  const data = parseDicomFile(bytes, name);
  try {
    return read(data, name);
  } catch (error) {
    // The parser throws strings where an element's value lies outside the file; an error is one of ours.
    throw error instanceof Error ? error : damaged(name);
  }
}

function read(data: DataSet, name: string): Segmentation {
  const kind = readKind(data, name);
  const [rows = 0, columns = 0] = ['x00280010', 'x00280011'].map((tag) => data.uint16(tag));
  if (rows < 1 || columns < 1 || !data.elements.x7fe00010) throw noPixels(name);
  const count = data.intString('x00280008') ?? 1;
  const groups = Number.isSafeInteger(count) && count > 0 ? functionalGroups(data, count) : null;
  if (!groups) throw badFrames(name, `${count} frames without a place for each`, 'a functional group for each frame');
  const segments = readSegments(data, kind, name);
  const known = new Set(segments.map(({ number }) => number));
  const frames = groups.map((group, at): SegmentationFrame => {
    const segment = kind === 'LABELMAP' ? null : (group(SEGMENT_IDENTIFICATION)?.uint16('x0062000b') ?? 0);
    if (segment !== null && !known.has(segment)) {
      const found = `frame ${at + 1} of segment ${segment}, which is not described`;
      throw badFrames(name, found, `one of ${[...known].slice(0, 12).join(', ')}`);
    }
    return { ...readPlane(group(PLANE_POSITION), group(PLANE_ORIENTATION), `${name} (frame ${at + 1})`), segment };
  });
  const measures = groups.map((group) => group(PIXEL_MEASURES));
  const spacings = [...new Set(measures)].map((item) => readSpacing(item, name));
  checkAlike(frames, spacings, name);
  return {
    ...{ name, kind, rows, columns, segments, frames, pixelSpacingMm: spacings[0]! },
    sliceSpacingMm: positive(numbers(measures[0]!, 'x00180088')[0]) ?? positive(numbers(measures[0]!, 'x00180050')[0]),
    frameOfReferenceUid: data.string('x00200052') ?? '',
    pixels: readSegPixels(data, { kind, rows, columns, frames: frames.length }, name),
  };
}

function readKind(data: DataSet, name: string): SegKind {
  const kinds = KINDS[data.string('x00080016') ?? ''];
  const type = data.string('x00620001') ?? 'BINARY';
  const kind = kinds?.find((one) => one === type);
  if (kind) return kind;
  throw new Fault('SEG_KIND', {
    at: name,
    found: kinds ? 'a segmentation of another type' : 'a DICOM file that is no segmentation',
    expected: 'a DICOM segmentation: BINARY, FRACTIONAL or LABELMAP',
    fix: 'Export the mask as DICOM-SEG or NIfTI',
  });
}

/** Rounded decimals differ by less. */
const SAME = 1e-3;

/** One grid for all frames: else they are no stack of slices. */
function checkAlike(frames: readonly SegmentationFrame[], spacings: readonly [number, number][], name: string): void {
  const near = (a: readonly number[], b: readonly number[]) => a.every((value, i) => Math.abs(value - b[i]!) <= SAME);
  const cosines = (plane: Plane) => [...plane.rowDirectionLps, ...plane.columnDirectionLps];
  const refuse = (what: string) => badFrames(name, `frames of different ${what}`, 'frames of one stack');
  if (!spacings.every((spacing) => near(spacing, spacings[0]!))) throw refuse('pixel spacing');
  const first = cosines(frames[0]!);
  if (!frames.every((frame) => near(cosines(frame), first))) throw refuse('orientation');
}

const noPixels = (at: string) =>
  new Fault('DICOM_NO_PIXELS', {
    ...{ at, found: 'a segmentation without pixels', expected: 'a frame for each slice' },
    fix: 'Export the segmentation again',
  });

export const badFrames = (at: string, found: string, expected: string) =>
  new Fault('SEG_FRAMES', { at, found, expected, fix: 'Export the segmentation again, or as NIfTI' });
