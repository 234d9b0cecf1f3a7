import { createHash } from 'node:crypto';

/** Voxels converted at a time: 1 MiB, so that no volume is ever held as floats as a whole. */
const CHUNK = 2 ** 18;

/**
 * SHA-256 (hex) of voxels as little-endian float32, in the order in which the pieces come. Of a scan's canonical (RAS+) voxels,
 * first axis fastest, it names the scan by its content alone: not by the file's data type, axis order or compression.
 */
export function voxelDigest(pieces: Iterable<ArrayLike<number>>): string {
  const hash = createHash('sha256');
  const chunk = new DataView(new ArrayBuffer(CHUNK * 4));
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += CHUNK) {
      const count = Math.min(CHUNK, piece.length - from);
      for (let at = 0; at < count; at += 1) chunk.setFloat32(at * 4, piece[from + at]!, true);
      hash.update(new Uint8Array(chunk.buffer, 0, count * 4));
    }
  }
  return hash.digest('hex');
}
