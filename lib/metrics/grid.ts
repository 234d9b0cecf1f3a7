export type Triple = readonly [number, number, number];

/** The grid of a volume: voxels along x, y, z, with x fastest in memory, and their distances in millimetres. */
export interface Grid {
  readonly shape: Triple;
  readonly spacingMm: Triple;
}

/** Half-open ranges of voxels, [from, to) along x, y, z. */
export interface Region {
  readonly from: Triple;
  readonly to: Triple;
}

/** The smallest region that holds the foreground (non-zero) of both masks; null where both are empty. */
export function commonRegion(a: Uint8Array, b: Uint8Array, [nx, ny, nz]: Triple): Region | null {
  const from = [nx, ny, nz];
  const to = [0, 0, 0];
  let at = 0;
  for (let z = 0; z < nz; z += 1) {
    for (let y = 0; y < ny; y += 1) {
      const row = at;
      at += nx;
      let first = row;
      while (first < at && (a[first]! | b[first]!) === 0) first += 1;
      if (first === at) continue;
      let last = at - 1;
      while ((a[last]! | b[last]!) === 0) last -= 1;
      from[0] = Math.min(from[0]!, first - row);
      to[0] = Math.max(to[0]!, last - row + 1);
      from[1] = Math.min(from[1]!, y);
      to[1] = Math.max(to[1]!, y + 1);
      from[2] = Math.min(from[2]!, z);
      to[2] = z + 1;
    }
  }
  const triple = ([x, y, z]: number[]): Triple => [x!, y!, z!];
  return to[0]! > 0 ? { from: triple(from), to: triple(to) } : null;
}

/** The part of a mask inside a region, as 0 or 1. */
export function cropMask(mask: Uint8Array, [nx, ny]: Triple, { from, to }: Region): Uint8Array {
  const [width, height, depth] = sizeOf({ from, to });
  const part = new Uint8Array(width * height * depth);
  let out = 0;
  for (let z = from[2]; z < to[2]; z += 1) {
    for (let y = from[1]; y < to[1]; y += 1) {
      const row = nx * (y + ny * z);
      for (let x = from[0]; x < to[0]; x += 1) part[out++] = mask[row + x] === 0 ? 0 : 1;
    }
  }
  return part;
}

export const sizeOf = ({ from, to }: Region): Triple => [to[0] - from[0], to[1] - from[1], to[2] - from[2]];

/** From one corner of the grid to the opposite one, voxel centre to voxel centre: no two voxels lie further apart. */
export const diagonalMm = ({ shape, spacingMm }: Grid): number =>
  Math.hypot(...shape.map((count, axis) => (count - 1) * spacingMm[axis]!));
