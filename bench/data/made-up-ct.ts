import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Shape3 } from '../../lib/volume/affine.ts';
import { writeNifti } from '../../lib/volume/nifti.ts';

/** A scan as large as those of hospitals, as axes of a scanner (LPS): body, lungs, air, noise; it packs about as a real CT does. */
export function madeUpCt([nx, ny, nz]: Shape3): { image: Int16Array; mask: Uint8Array } {
  const image = new Int16Array(nx * ny * nz);
  const mask = new Uint8Array(image.length);
  let state = 1;
  let voxel = 0;
  for (let z = 0; z < nz; z += 1) {
    for (let y = 0; y < ny; y += 1) {
      const v = (2 * y) / ny - 1;
      for (let x = 0; x < nx; x += 1, voxel += 1) {
        const u = (2 * x) / nx - 1;
        const isBody = u * u + 1.6 * v * v < 0.8;
        const isLung = isBody && 20 * (Math.abs(u) - 0.4) ** 2 + 3 * v * v < 0.5 && z % 100 > 9;
        // Numerical Recipes' generator; two of its parts make a triangle of 13 HU deviation.
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        image[voxel] = (isLung ? -800 : isBody ? 40 : -990) + ((state >>> 27) & 31) + ((state >>> 20) & 31) - 31;
        mask[voxel] = isLung ? 1 : 0;
      }
    }
  }
  return { image, mask };
}

/** The scan and its mask as .nii.gz files in a folder of their own, packed as nibabel does by default; gone after the work. */
export async function withMadeUpCt<T>(
  shape: Shape3,
  work: (files: { ct: string; mask: string }) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'samflow-bench-'));
  try {
    const files = { ct: join(folder, 'ct.nii.gz'), mask: join(folder, 'mask.nii.gz') };
    const { image, mask } = madeUpCt(shape);
    const voxelToWorld = [-0.75, 0, 0, 190, 0, -0.75, 0, 190, 0, 0, 1, -400, 0, 0, 0, 1];
    for (const [file, voxels] of [[files.ct, image] as const, [files.mask, mask] as const]) {
      await writeFile(file, gzipSync(writeNifti({ shape, voxels, voxelToWorld }), { level: 1 }));
    }
    return await work(files);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
