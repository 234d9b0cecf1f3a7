import type { SamConfig } from '../sam/config.ts';
import type { ImageInput } from './mask-graph.ts';

/** As `training` of the run configuration. */
export interface BatchSettings {
  readonly batchBoxes: number;
  readonly boxesPerImage: number;
  readonly boxesPerPass: number | 'auto';
}

/** Image tokens times boxes that the decoder keeps activations of: two boxes at an input of 1024, a quarter of a GiB. */
const DECODER_TOKENS = 2 * 64 ** 2;
/** Image tokens that an encoder in training keeps activations of, several times as many; at the least one image. */
const ENCODER_TOKENS = 2048;

/**
 * Of the `images` of a batch, how many go through the model together. Gradients of a batch's passes add up to those of the
 * whole, in about the time of the whole (measured: a box takes as long alone as beside seven others) and in a fraction of
 * its memory.
 */
export function imagesPerPass(
  images: number,
  { boxesPerImage, boxesPerPass }: BatchSettings,
  { grid }: Pick<SamConfig, 'grid'>,
  from: ImageInput,
): number {
  const tokens = grid ** 2;
  const byDecoder = Math.floor(DECODER_TOKENS / (tokens * boxesPerImage));
  const byEncoder = from === 'pixels' ? Math.floor(ENCODER_TOKENS / tokens) : images;
  const asked = boxesPerPass === 'auto' ? Math.min(byDecoder, byEncoder) : Math.floor(boxesPerPass / boxesPerImage);
  const most = Math.max(1, Math.min(images, asked));
  // All passes have one shape and one weight: a divisor.
  return Array.from({ length: most }, (_, i) => most - i).find((size) => images % size === 0)!;
}
