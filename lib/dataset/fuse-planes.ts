import { type SliceStack, unsliceMask } from './slices.ts';
import type { PatientVolume } from './volume-record.ts';

/** What was found on the slices of one plane: their places, and values [N, H, W] in the order of `index`. */
export interface PlaneValues<T extends Uint8Array | Float32Array> {
  readonly stack: Pick<SliceStack, 'axis' | 'height' | 'width'> & { readonly index: ArrayLike<number> };
  readonly values: T;
}

/**
 * Labels of all planes as one label map on the volume's grid: those of the only plane, or of three what at least two agree
 * on. A slice that is not there votes for background.
 */
export function fuseLabels(
  planes: readonly PlaneValues<Uint8Array>[],
  volume: Pick<PatientVolume, 'shape'>,
): Uint8Array {
  const [first, ...others] = planes.map(({ stack, values }) => unsliceMask(values, stack, volume));
  if (!first) return new Uint8Array(volume.shape[0] * volume.shape[1] * volume.shape[2]);
  const [second, third] = others;
  if (!second) return first;
  const fused = new Uint8Array(first.length);
  for (let voxel = 0; voxel < fused.length; voxel += 1) {
    const [a, b, c] = [first[voxel]!, second[voxel]!, third?.[voxel] ?? 0];
    fused[voxel] = a === b || a === c ? a : b === c ? b : 0;
  }
  return fused;
}

/** Probabilities of all planes on the volume's grid: the mean of as many planes as there could be. */
export function fuseProbabilities(
  planes: readonly PlaneValues<Float32Array>[],
  volume: Pick<PatientVolume, 'shape'>,
): Float32Array {
  const count = volume.shape[0] * volume.shape[1] * volume.shape[2];
  const sum = new Float32Array(count);
  for (const { stack, values } of planes) {
    const voxels = unsliceMask(values, stack, volume);
    for (let voxel = 0; voxel < count; voxel += 1) sum[voxel]! += voxels[voxel]! / planes.length;
  }
  return sum;
}
