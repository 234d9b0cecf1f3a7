import { random } from '../../lib/dataset/random.ts';
import type { Grid, Triple } from '../../lib/metrics/grid.ts';

/** A mask from a rule by voxel, x fastest. */
export function maskOf([nx, ny, nz]: Triple, inside: (x: number, y: number, z: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: nx * ny * nz }, (_, at) =>
    inside(at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))) ? 1 : 0,
  );
}

/** numpy.roll along each axis. */
export function roll(voxels: Uint8Array, [nx, ny, nz]: Triple, [dx, dy, dz]: Triple): Uint8Array {
  const rolled = new Uint8Array(voxels.length);
  for (let at = 0; at < voxels.length; at += 1) {
    const [x, y, z] = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
    rolled[((x + dx + nx) % nx) + nx * (((y + dy + ny) % ny) + ny * ((z + dz + nz) % nz))] = voxels[at]!;
  }
  return rolled;
}

/** Independent voxels, foreground with this chance. */
export const noise = (shape: Triple, chance: number, seed: number): Uint8Array =>
  maskOf(shape, (x, y, z) => random(seed, x, y, z) < chance);

/** Millimetres between two voxels of a grid, by their places in memory. */
export function voxelDistanceMm(a: number, b: number, { shape: [nx, ny], spacingMm }: Grid): number {
  const place = (at: number) => [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
  const [from, to] = [place(a), place(b)];
  return Math.hypot(...spacingMm.map((mm, axis) => (from[axis]! - to[axis]!) * mm));
}
