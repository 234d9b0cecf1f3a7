import { type Point, type PointSetting, pointsOf } from '../dataset/points.ts';
import { input } from '../graph/index.ts';
import { float32, type Tensor } from '../runtime/tensor.ts';
import { type SamProcessor, scaleBox } from '../sam/processor.ts';
import type { PromptValues } from '../sam/prompt-encoder.ts';

/** What each prompt of a model has: static, as all shapes are. */
export interface PromptShape {
  readonly box: boolean;
  readonly points: number;
}

/** A box, as SAM was mostly trained with. */
export const BOX_ALONE: PromptShape = { box: true, points: 0 };

/** What prompts of this setting consist of. */
export const promptShape = (setting: PointSetting): PromptShape => ({
  box: setting.kind !== 'points',
  points: pointsOf(setting),
});

/** A prompt in pixels of its slice. */
export interface SlicePrompt {
  readonly box: readonly number[];
  readonly points: readonly Point[];
}

/** Inputs of a graph for `images` with `perImage` prompts each. */
export function promptInputs({ box, points }: PromptShape, images: number, perImage: number): PromptValues {
  return {
    ...(box && { boxes: input('boxes', 'float32', [images, perImage, 4]) }),
    ...(points > 0 && {
      points: input('points', 'float32', [images, perImage, points, 2]),
      labels: input('labels', 'float32', [images, perImage, points]),
    }),
  };
}

/** A prompt in pixels of the model's input. */
export function scalePrompt(
  { box, points }: SlicePrompt,
  height: number,
  width: number,
  processor: SamProcessor,
): SlicePrompt {
  return {
    box: scaleBox(box, height, width, processor),
    points: points.map(({ x, y, label }) => {
      const [scaledX, scaledY] = scaleBox([x, y], height, width, processor) as [number, number];
      return { x: scaledX, y: scaledY, label };
    }),
  };
}

/** Feeds of those inputs from `images` times `perImage` scaled prompts. */
export function promptFeeds(
  shape: PromptShape,
  prompts: readonly SlicePrompt[],
  perImage: number,
): Record<string, Tensor> {
  const images = prompts.length / perImage;
  const { box, points } = shape;
  const feeds: Record<string, Tensor> = {};
  if (box) {
    const boxes = new Float32Array(prompts.length * 4);
    for (const [at, prompt] of prompts.entries()) boxes.set(prompt.box, at * 4);
    feeds.boxes = float32(boxes, [images, perImage, 4]);
  }
  if (points > 0) {
    const places = new Float32Array(prompts.length * points * 2);
    const labels = new Float32Array(prompts.length * points);
    for (const [at, prompt] of prompts.entries()) {
      for (const [n, { x, y, label }] of prompt.points.entries()) {
        // The prompt encoder adds half a pixel itself.
        places.set([x - 0.5, y - 0.5], (at * points + n) * 2);
        labels[at * points + n] = label;
      }
    }
    feeds.points = float32(places, [images, perImage, points, 2]);
    feeds.labels = float32(labels, [images, perImage, points]);
  }
  return feeds;
}
