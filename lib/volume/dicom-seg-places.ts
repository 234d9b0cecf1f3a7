import type { Vector3 } from './affine.ts';
import { badFrames, type Segmentation } from './dicom-seg-parse.ts';
import type { FramePlaces } from './dicom-seg-read.ts';

/** How far, as a fraction of the step, a frame may lie from its place on an even grid: as slices of a series may. */
export const PLACE_TOLERANCE = 0.1;
/** Positions that differ by less are one. */
const SAME_MM = 1e-3;

/** Unit vector across the frames, LPS. */
export function normalOf({ frames }: Pick<Segmentation, 'frames'>): Vector3 {
  const { rowDirectionLps: a, columnDirectionLps: b } = frames[0]!;
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

export const dot = (a: Vector3, b: Vector3) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/**
 * The stack that a segmentation makes by itself, from its lowest frame to its highest: for whoever has no scan. The step is
 * the smallest between neighbours, or as the header says where that divides it; frames left out stay empty. Fault SEG_FRAMES.
 */
export function ownPlaces(seg: Segmentation): FramePlaces {
  const normal = normalOf(seg);
  const along = seg.frames.map(({ positionLpsMm }) => dot(positionLpsMm, normal));
  const sorted = [...along].sort((a, b) => a - b);
  const gaps = sorted.slice(1).flatMap((mm, k) => (mm - sorted[k]! > SAME_MM ? [mm - sorted[k]!] : []));
  const said = seg.sliceSpacingMm;
  const smallest = gaps.length > 0 ? gaps.reduce((least, gap) => Math.min(least, gap)) : (said ?? 1);
  const divides = said !== null && isMultiple(smallest / said);
  const step = divides ? said : smallest;
  const sliceOf = along.map((mm, frame) => {
    const place = (mm - sorted[0]!) / step;
    if (isMultiple(place) || place < PLACE_TOLERANCE) return Math.round(place);
    const found = `frame ${frame + 1} between two slices of a stack of ${Number(step.toPrecision(4))} mm`;
    throw badFrames(seg.name, found, 'even steps');
  });
  const lowest = seg.frames[along.indexOf(sorted[0]!)]!;
  return {
    slices: sliceOf.reduce((most, slice) => Math.max(most, slice), 0) + 1,
    sliceOf,
    originLpsMm: lowest.positionLpsMm,
    stepLpsMm: [normal[0] * step, normal[1] * step, normal[2] * step],
  };
}

const isMultiple = (steps: number) => steps > 0.5 && Math.abs(steps - Math.round(steps)) <= PLACE_TOLERANCE;
