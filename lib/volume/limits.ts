import { Fault } from '../fault.ts';

/** What Node reads, hashes and inflates in one piece. */
export const MAX_FILE_BYTES = 2 ** 31 - 1;
/** Above this a volume does not fit into the memory of a common machine. */
export const MAX_DATA_BYTES = 2 * 2 ** 30;
/** With four bytes for the scan and one for the mask of each, a stored volume is one buffer below 2 GiB. */
export const MAX_VOXELS = 400_000_000;

/** Fault VOLUME_TOO_LARGE. For whoever knows the size of a file and is about to read it. */
export function checkFileSize(bytes: number, at: string): void {
  if (bytes <= MAX_FILE_BYTES) return;
  throw tooLarge(at, `a file of ${(bytes / 2 ** 30).toFixed(1)} GiB`, 'less than 2 GiB');
}

/** Fault VOLUME_TOO_LARGE. */
export function checkVoxels(shape: readonly number[], at: string): void {
  if (shape.reduce((product, size) => product * size, 1) <= MAX_VOXELS) return;
  throw tooLarge(at, `${shape.join(' x ')} voxels`, `at most ${MAX_VOXELS / 1e6} million`);
}

const tooLarge = (at: string, found: string, expected: string) =>
  new Fault('VOLUME_TOO_LARGE', { at, found, expected, fix: 'Crop the scan, compress it (.nii.gz), or use int16' });
