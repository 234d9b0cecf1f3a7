import type { Shape3 } from './affine.ts';
import type { Structure } from './label-table.ts';

/** One frame of a segmentation: where in the source one segment was found. */
export interface SegFrame {
  /** Place of the structure in the list, from 1: its SegmentNumber. */
  readonly segment: number;
  /** Slice of the source, from 0. */
  readonly slice: number;
}

/**
 * The frames that a label map [columns, rows, slices] needs: for each structure the slices that hold it. A structure that
 * is nowhere has one empty frame, so that a reader finds every segment and learns that it is empty.
 */
export function framesOf(
  labels: Uint8Array,
  [columns, rows, slices]: Readonly<Shape3>,
  structures: readonly Structure[],
): SegFrame[] {
  const area = columns * rows;
  const present = Array.from({ length: slices }, (_, slice) => valuesIn(labels, slice * area, (slice + 1) * area));
  return structures.flatMap(({ label }, at) => {
    const own = present.flatMap((values, slice) => (values[label] ? [{ segment: at + 1, slice }] : []));
    return own.length > 0 ? own : [{ segment: at + 1, slice: 0 }];
  });
}

/** [256], 1 for each value that occurs. */
function valuesIn(labels: Uint8Array, from: number, to: number): Uint8Array {
  const values = new Uint8Array(256);
  for (let at = from; at < to; at += 1) values[labels[at]!] = 1;
  return values;
}

/**
 * Pixels of binary frames, one bit each, first pixel in the lowest bit; frame follows frame without a gap, also within a byte
 * (PS3.5 8.1.1 and annex D). Padded to an even length.
 */
export function packFrames(
  labels: Uint8Array,
  [columns, rows]: Readonly<Shape3>,
  structures: readonly Structure[],
  frames: readonly SegFrame[],
): Uint8Array {
  const area = columns * rows;
  const packed = new Uint8Array(2 * Math.ceil((frames.length * area) / 16));
  let bit = 0;
  for (const { segment, slice } of frames) {
    const { label } = structures[segment - 1]!;
    for (let at = slice * area; at < (slice + 1) * area; at += 1, bit += 1) {
      if (labels[at] === label) packed[bit >> 3]! |= 1 << (bit & 7);
    }
  }
  return packed;
}
