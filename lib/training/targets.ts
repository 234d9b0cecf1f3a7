import { resizeBilinear } from '../sam/resize.ts';

/**
 * A mask [H, W] of 0 or 1 on the grid of the low-resolution logits [size, size]: the share of each cell that the mask
 * covers, in 255ths. The image is padded to the square that the model sees first, so both lie on the same grid.
 */
export function coverage(mask: Uint8Array, height: number, width: number, size: number): Uint8Array {
  const side = Math.max(height, width);
  const square = new Uint8Array(side * side);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) square[y * side + x] = mask[y * width + x]! * 255;
  }
  return resizeBilinear(square, side, side, size, size);
}

/** The coverage as target of the logits, in 0..1; written to `out` from element `at` on where that is given. */
export function targetOf(covered: Uint8Array, out = new Float32Array(covered.length), at = 0): Float32Array {
  for (let i = 0; i < covered.length; i++) out[at + i] = covered[i]! / 255;
  return out;
}

/** A mask [H, W] of 0 or 1 as target of the low-resolution logits [size, size], in 0..1. */
export const lowResolutionTarget = (mask: Uint8Array, height: number, width: number, size: number): Float32Array =>
  targetOf(coverage(mask, height, width, size));
