import { cast, input, reshape, type Value } from '../graph/index.ts';
import { decode } from '../sam/mask-decoder.ts';
import type { SamModel } from '../sam/model.ts';
import type { Parameters } from '../sam/parameters.ts';
import { visionEncoder } from '../sam/vision-encoder.ts';
import { type PromptShape, promptInputs } from './prompt-feeds.ts';

/** The static shape of a batch: so many images, so many prompts on each. */
export interface BatchShape {
  readonly images: number;
  readonly boxesPerImage: number;
  /** What each of them consists of. */
  readonly prompt: PromptShape;
}

/** What a batch's masks are made from: embeddings that were kept, or pixels that the encoder sees in every step. */
export type ImageInput = 'embeddings' | 'pixels';

export interface MaskGraph {
  /** Logits and targets [images * boxesPerImage, 1, M, M]. */
  readonly logits: Value;
  readonly target: Value;
  /** The model's own estimate of each mask's IoU, [images * boxesPerImage]. */
  readonly iou: Value;
}

/** The model on the feeds of `Batches`: the single mask of each box, beside its target. */
export function maskGraph(parameters: Parameters, model: SamModel, shape: BatchShape, from: ImageInput): MaskGraph {
  const { config } = model;
  const { images, boxesPerImage, prompt } = shape;
  const count = images * boxesPerImage;
  const embeddings =
    from === 'pixels'
      ? visionEncoder(parameters, config, input('pixels', 'float32', [images, 3, config.imageSize, config.imageSize]))
      : cast(input('embeddings', 'float16', [images, config.decoder.hidden_size, config.grid, config.grid]), 'float32');
  const { masks, iou } = decode(parameters, config, embeddings, promptInputs(prompt, images, boxesPerImage), 'single');
  const maskShape = [count, 1, config.maskSize, config.maskSize];
  return {
    logits: reshape(masks, maskShape),
    target: input('target', 'float32', maskShape),
    iou: reshape(iou, [count]),
  };
}
