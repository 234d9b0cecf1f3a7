import { Fault } from '../fault.ts';
import type { VoxelArray } from './nifti.ts';

/**
 * The same voxels with NaN and -infinity as the smallest finite value and +infinity as the largest, and how many there
 * were; untouched where there are none. Fault VOLUME_NO_VALUES where nothing is finite.
 */
export function replaceNonFinite(voxels: VoxelArray, at: string): { voxels: VoxelArray; replaced: number } {
  if (!(voxels instanceof Float32Array || voxels instanceof Float64Array)) return { voxels, replaced: 0 };
  let [low, high, replaced] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of voxels) {
    if (!Number.isFinite(value)) replaced += 1;
    else {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (replaced === 0) return { voxels, replaced };
  if (replaced === voxels.length) throw noValues(at);
  const finite = (value: number) => (Number.isFinite(value) ? value : value === Number.POSITIVE_INFINITY ? high : low);
  return { voxels: voxels.map(finite), replaced };
}

export function noValues(at: string): Fault {
  return new Fault('VOLUME_NO_VALUES', {
    at,
    found: 'NaN or infinity in every voxel',
    expected: 'finite values',
    fix: 'Export the scan again',
  });
}
