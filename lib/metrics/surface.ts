import type { Grid, Triple } from './grid.ts';
import { cornerBit, surfelAreasMm2 } from './surfel-areas.ts';

/**
 * What the surface of a mask is:
 * - `sub-voxel`: pieces of a surface half-way between voxel centres, each with its area in mm², at the corners of voxels
 *   (Nikolov et al. 2018; Google DeepMind's surface-distance package);
 * - `voxel-edge`: foreground voxels with a background voxel, or the end of the grid, at one of their six faces, each counted
 *   once (MONAI).
 */
export type SurfaceDefinition = 'sub-voxel' | 'voxel-edge';

/** Where the surface of a mask lies, on a grid of its own. */
export interface Surface {
  /** 0 where there is no surface. */
  readonly codes: Uint8Array;
  readonly grid: Grid;
  /** How much a piece of surface counts, by its code: mm² or one. */
  readonly weights: Float64Array;
}

/** The surface of a mask of 0 and 1. Outside the grid is background. */
export function surfaceOf(mask: Uint8Array, grid: Grid, definition: SurfaceDefinition): Surface {
  return definition === 'sub-voxel' ? surfels(mask, grid) : voxelEdges(mask, grid);
}

function voxelEdges(mask: Uint8Array, grid: Grid): Surface {
  const [nx, ny, nz] = grid.shape;
  const area = nx * ny;
  const codes = new Uint8Array(mask.length);
  let at = 0;
  for (let z = 0; z < nz; z += 1) {
    for (let y = 0; y < ny; y += 1) {
      const atEnd = y === 0 || y === ny - 1 || z === 0 || z === nz - 1;
      for (let x = 0; x < nx; x += 1, at += 1) {
        if (mask[at] === 0) continue;
        const inside =
          !atEnd &&
          x > 0 &&
          x < nx - 1 &&
          (mask[at - 1]! & mask[at + 1]! & mask[at - nx]! & mask[at + nx]! & mask[at - area]! & mask[at + area]!) === 1;
        if (!inside) codes[at] = 1;
      }
    }
  }
  return { codes, grid, weights: Float64Array.of(0, 1) };
}

/** On the grid of voxel corners, which is one longer along each axis. */
function surfels(mask: Uint8Array, { shape: [nx, ny, nz], spacingMm }: Grid): Surface {
  const shape: Triple = [nx + 1, ny + 1, nz + 1];
  const row = nx + 1;
  const plane = row * (ny + 1);
  const codes = new Uint8Array(plane * (nz + 1));
  // A voxel is corner (x, y, z) of a cube where the cube lies one before it along the axes whose digit is 1.
  const [before, after] = [cornerBit(0, 0, 0), cornerBit(1, 0, 0)];
  const [alongY, alongZ] = [1, 0].map((y) => Math.log2(cornerBit(0, y, 1 - y))) as [number, number];
  let at = 0;
  for (let z = 0; z < nz; z += 1) {
    for (let y = 0; y < ny; y += 1) {
      const near = z * plane + y * row;
      let left = 0;
      for (let x = 0; x <= nx; x += 1) {
        const right = x < nx ? mask[at + x]! : 0;
        const pair = left * before + right * after;
        left = right;
        if (pair === 0) continue;
        codes[near + x]! |= pair << (alongY + alongZ);
        codes[near + row + x]! |= pair << alongZ;
        codes[near + plane + x]! |= pair << alongY;
        codes[near + plane + row + x]! |= pair;
      }
      at += nx;
    }
  }
  for (let cube = 0; cube < codes.length; cube += 1) if (codes[cube] === 255) codes[cube] = 0;
  return { codes, grid: { shape, spacingMm }, weights: surfelAreasMm2(spacingMm) };
}
