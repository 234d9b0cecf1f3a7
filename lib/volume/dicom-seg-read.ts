import { Fault } from '../fault.ts';
import type { Affine, Shape3, Vector3 } from './affine.ts';
import { checkAffine } from './affine-check.ts';
import { badFrames, type Segmentation } from './dicom-seg-parse.ts';
import { readValues } from './dicom-values.ts';
import { checkVoxels } from './limits.ts';

/** Where the frames of a segmentation lie in a stack of slices. */
export interface FramePlaces {
  /** Slices of the stack. */
  readonly slices: number;
  /** For each frame its slice, from 0. */
  readonly sliceOf: readonly number[];
  /** First pixel of slice 0, LPS millimetres, and the way from a slice to the next. */
  readonly originLpsMm: Vector3;
  readonly stepLpsMm: Vector3;
}

/** Segments as one volume of labels. */
export interface SegmentationVolume {
  /** Columns, rows, slices. */
  readonly shape: Shape3;
  /** SegmentNumber, or 0 where no segment is; columns fastest. */
  readonly voxels: Uint8Array | Uint16Array;
  readonly voxelToWorld: Affine;
}

/**
 * The labels of a segmentation in a stack of slices; a slice without a frame is empty. Fractions count from more than half of
 * MaximumFractionalValue on. Where a segment that is `wanted` (null: all are) overlaps another one, it wins.
 *
 * Faults: SEG_OVERLAP where two wanted ones overlap; SEG_FRAMES, SEG_SEGMENTS, DICOM_DECODE, VOLUME_TOO_LARGE, those of an affine.
 */
export async function readSegmentation(
  seg: Segmentation,
  places: FramePlaces,
  wanted: readonly number[] | null = null,
): Promise<SegmentationVolume> {
  const shape: Shape3 = [seg.columns, seg.rows, places.slices];
  checkVoxels(shape, seg.name);
  refuseTwice(seg, places);
  const voxelToWorld = checkAffine(stackAffine(seg, places), 'a segmentation', seg.name);
  const largest = seg.segments.at(-1)!.number;
  const area = seg.columns * seg.rows;
  const voxels = new (largest < 256 ? Uint8Array : Uint16Array)(area * places.slices);
  const isWanted = new Uint8Array(largest + 1);
  for (const { number } of seg.segments) isWanted[number] = !wanted || wanted.includes(number) ? 1 : 0;
  const labels = await frameLabels(seg);
  for (let frame = 0; frame < seg.frames.length; frame += 1) {
    const slice = voxels.subarray(places.sliceOf[frame]! * area, (places.sliceOf[frame]! + 1) * area);
    lay(slice, labels(frame), isWanted, seg.name);
  }
  return { shape, voxels, voxelToWorld };
}

/** Puts the labels of one frame over what lies there. */
function lay(slice: Uint8Array | Uint16Array, labels: Uint16Array, isWanted: Uint8Array, name: string): void {
  for (let at = 0; at < slice.length; at += 1) {
    const label = labels[at]!;
    if (label === 0) continue;
    const there = slice[at]!;
    if (there === 0 || !isWanted[there]) slice[at] = label;
    else if (isWanted[label]) throw overlap(name, there, label);
  }
}

/** For each frame its labels [rows, columns], in an array that the next call takes again. */
async function frameLabels(seg: Segmentation): Promise<(frame: number) => Uint16Array> {
  const { pixels, rows, columns, frames } = seg;
  const area = rows * columns;
  const labels = new Uint16Array(area);
  if (pixels.kind === 'BINARY') {
    return (frame) => unpackBits(pixels.bits, frame * area, frames[frame]!.segment!, labels);
  }
  const header = { name: seg.name, rows, columns, rescale: [1, 0] } as const;
  const values = await readValues(pixels.frames.map((frame) => ({ header, pixels: frame })));
  if (pixels.kind === 'FRACTIONAL') {
    return (frame) => {
      const { segment } = frames[frame]!;
      for (let at = 0; at < area; at += 1) labels[at] = values[frame * area + at]! > pixels.half ? segment! : 0;
      return labels;
    };
  }
  const known = new Uint8Array(65536);
  for (const { number } of seg.segments) known[number] = 1;
  return (frame) => {
    for (let at = 0; at < area; at += 1) {
      const value = values[frame * area + at]!;
      labels[at] = value === pixels.background ? 0 : value;
      if (value !== pixels.background && !known[value]) throw undescribed(seg.name, value);
    }
    return labels;
  };
}

function unpackBits(bits: Uint8Array, from: number, segment: number, labels: Uint16Array): Uint16Array {
  for (let at = 0; at < labels.length; at += 1) {
    const bit = from + at;
    labels[at] = (bits[bit >> 3]! >> (bit & 7)) & 1 ? segment : 0;
  }
  return labels;
}

/** Two frames of one segment in one slice: times, or a fault; which is meant nobody knows. */
function refuseTwice({ frames, name }: Segmentation, { sliceOf }: FramePlaces): void {
  const seen = new Set<string>();
  for (const [at, { segment }] of frames.entries()) {
    const place = `${segment} ${sliceOf[at]}`;
    if (seen.has(place)) {
      const found =
        segment === null ? 'two frames at one position' : `two frames of segment ${segment} at one position`;
      throw badFrames(name, found, 'one for each slice');
    }
    seen.add(place);
  }
}

/** As `gridAffine` of a series: LPS turned into RAS+. */
function stackAffine({ frames, pixelSpacingMm }: Segmentation, { originLpsMm, stepLpsMm }: FramePlaces): number[] {
  const { rowDirectionLps, columnDirectionLps } = frames[0]!;
  const [betweenRows, betweenColumns] = pixelSpacingMm;
  const row = (axis: 0 | 1 | 2) =>
    [
      rowDirectionLps[axis] * betweenColumns,
      columnDirectionLps[axis] * betweenRows,
      stepLpsMm[axis],
      originLpsMm[axis],
    ].map((value) => value * (axis < 2 ? -1 : 1) + 0);
  return [...row(0), ...row(1), ...row(2), 0, 0, 0, 1];
}

const overlap = (at: string, one: number, other: number) =>
  new Fault('SEG_OVERLAP', {
    at,
    found: `a voxel in segment ${one} and in segment ${other}`,
    expected: 'segments that do not overlap',
    fix: 'Choose by `dataset.labels` segments that do not overlap',
  });

const undescribed = (at: string, value: number) =>
  new Fault('SEG_SEGMENTS', {
    at,
    found: `pixels of segment ${value}, which is not described`,
    expected: 'segments that the file describes',
    fix: 'Export the segmentation again, or as NIfTI',
  });
