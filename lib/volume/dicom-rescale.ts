import type { FramePixels } from './dicom-pixels.ts';
import { type StoredArray, storedType } from './dicom-stored.ts';
import type { VoxelArray } from './nifti.ts';

type VoxelsOf = new (length: number) => VoxelArray;

/** Whole numbers from the narrowest on, those without a sign first. */
const WHOLE: readonly [least: number, largest: number, type: VoxelsOf][] = [
  [0, 2 ** 8 - 1, Uint8Array],
  [0, 2 ** 16 - 1, Uint16Array],
  [0, 2 ** 32 - 1, Uint32Array],
  [-(2 ** 7), 2 ** 7 - 1, Int8Array],
  [-(2 ** 15), 2 ** 15 - 1, Int16Array],
  [-(2 ** 31), 2 ** 31 - 1, Int32Array],
];

/**
 * The number type of rescaled values, as GDCM and so SimpleITK choose it: the stored one where nothing is rescaled; for
 * whole slopes and intercepts the narrowest that holds all that the stored bits can say; else float64.
 */
export function rescaledType(
  layout: Pick<FramePixels, 'bitsAllocated' | 'bitsStored' | 'signed'>,
  [slope, intercept]: readonly [number, number],
): VoxelsOf {
  if (slope === 1 && intercept === 0) return storedType(layout);
  if (!Number.isInteger(slope) || !Number.isInteger(intercept)) return Float64Array;
  const { bitsStored, signed } = layout;
  const ends = signed ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1] : [0, 2 ** bitsStored - 1];
  const [one, other] = ends.map((end) => end * slope + intercept) as [number, number];
  const fits = WHOLE.find(([least, largest]) => Math.min(one, other) >= least && Math.max(one, other) <= largest);
  return fits?.[2] ?? Float64Array;
}

/** value · slope + intercept, into `voxels` from index `at` on. */
export function rescaleInto(
  voxels: VoxelArray,
  at: number,
  stored: StoredArray,
  [slope, intercept]: readonly [number, number],
): void {
  for (let index = 0; index < stored.length; index += 1) voxels[at + index] = stored[index]! * slope + intercept;
}
