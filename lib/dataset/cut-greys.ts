import type { Plane } from './planes.ts';

/**
 * Cuts the slice at a position [height, width], in image order (from the far end of both axes), as greys by a table of all
 * int16 values, into `pixels` from index `at` on. In one pass, for these types of array alone: it runs over every voxel of
 * every scan.
 */
export function cutGreys(
  { height, width, sliceStride, rowStride, columnStride }: Plane,
  image: Int16Array,
  table: Uint8Array,
  position: number,
  pixels: Uint8Array,
  at = 0,
): void {
  let pixel = at;
  for (let row = height - 1; row >= 0; row -= 1) {
    let voxel = position * sliceStride + row * rowStride + (width - 1) * columnStride;
    for (const end = pixel + width; pixel < end; pixel += 1) {
      pixels[pixel] = table[image[voxel]! + INT16_ZERO]!;
      voxel -= columnStride;
    }
  }
}

/** Place of 0 in a table of int16 values. */
export const INT16_ZERO = 32768;
