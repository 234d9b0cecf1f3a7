import { resizeBilinear } from '../sam/resize.ts';

/**
 * A mask [H, W] of 0 or 1 as the target of the low-resolution logits [size, size], in 0..1: the share of each cell that
 * the mask covers. The image is padded to the square that the model sees first, so both lie on the same grid.
 */
export function lowResolutionTarget(mask: Uint8Array, height: number, width: number, size: number): Float32Array {
  const side = Math.max(height, width);
  const square = new Uint8Array(side * side);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) square[y * side + x] = mask[y * width + x]! * 255;
  }
  return Float32Array.from(resizeBilinear(square, side, side, size, size), (value) => value / 255);
}
