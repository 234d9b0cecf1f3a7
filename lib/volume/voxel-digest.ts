import { createHash } from 'node:crypto';
import type { VoxelArray } from './nifti.ts';

/** Voxels converted at a time: 1 MiB, so that no volume is ever held as floats as a whole. */
const CHUNK = 2 ** 18;
const IS_BIG_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;

/**
 * SHA-256 (hex) of voxels as little-endian float32, in the order in which the pieces come. Of a scan's canonical (RAS+) voxels,
 * first axis fastest, it names the scan by its content alone: not by the file's data type, axis order or compression.
 */
export function voxelDigest(pieces: Iterable<VoxelArray>): string {
  const hash = createHash('sha256');
  const chunk = new Float32Array(CHUNK);
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += CHUNK) {
      const count = Math.min(CHUNK, piece.length - from);
      chunk.set(piece.subarray(from, from + count));
      const bytes = Buffer.from(chunk.buffer, 0, count * 4);
      hash.update(IS_BIG_ENDIAN ? bytes.swap32() : bytes);
    }
  }
  return hash.digest('hex');
}
