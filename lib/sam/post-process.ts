import { resizedShape, type SamProcessor } from './processor.ts';

/**
 * Low-resolution logits [size, size] of one mask as logits on the image's own pixels [H, W], as
 * SamImageProcessor.post_process_masks: bilinear to the model input, cut off the padding, bilinear to the image.
 */
export function upscaleMask(
  logits: Float32Array,
  size: number,
  height: number,
  width: number,
  processor: SamProcessor,
): Float32Array {
  const [h, w] = resizedShape(height, width, processor.size);
  const full = bilinear(logits, size, size, size, processor.size, processor.size, h, w);
  return bilinear(full, h, w, w, height, width, height, width);
}

/**
 * torch.nn.functional.interpolate(mode='bilinear', align_corners=False) from [H, W] (rows `stride` apart) to
 * [toH, toW], of which only the first [keepH, keepW] are computed.
 */
function bilinear(
  source: Float32Array,
  h: number,
  w: number,
  stride: number,
  toH: number,
  toW: number,
  keepH: number,
  keepW: number,
): Float32Array {
  const columns = Array.from({ length: keepW }, (_, x) => neighbours(x, w, toW));
  const target = new Float32Array(keepH * keepW);
  for (let y = 0; y < keepH; y++) {
    const [top, bottom, down] = neighbours(y, h, toH);
    for (let x = 0; x < keepW; x++) {
      const [left, right, across] = columns[x]!;
      const above = source[top * stride + left]! * (1 - across) + source[top * stride + right]! * across;
      const below = source[bottom * stride + left]! * (1 - across) + source[bottom * stride + right]! * across;
      target[y * keepW + x] = above * (1 - down) + below * down;
    }
  }
  return target;
}

/** The two source samples round a target sample, and the weight of the second. */
function neighbours(i: number, from: number, to: number): [number, number, number] {
  const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
  const low = Math.min(Math.floor(at), from - 1);
  return [low, Math.min(low + 1, from - 1), at - low];
}

/** The float32 that follows a half. */
const ABOVE_HALF = 0.5 + 2 ** -24;

/**
 * The sigmoid. It is above a half exactly where the mask is 1: the smallest positive logits, which float32 would round to a
 * half, are kept above it.
 */
export function probabilityOfLogits(logits: Float32Array): Float32Array {
  return logits.map((logit) => {
    const probability = 1 / (1 + Math.exp(-logit));
    return logit > 0 ? Math.max(probability, ABOVE_HALF) : probability;
  });
}
