import { sizeOf } from '../../lib/graph/index.ts';
import type { SessionOptions } from '../../lib/runtime/session.ts';
import { float16, float32, type Tensor } from '../../lib/runtime/tensor.ts';
import { formula } from '../../lib/sam/formula.ts';
import type { SamModel } from '../../lib/sam/model.ts';
import type { BatchShape } from '../../lib/training/mask-graph.ts';
import { maskTraining } from '../../lib/training/mask-training.ts';
import { StepSession } from '../../lib/training/step.ts';

/** A training step as a run makes it: kept embeddings, the decoder learns by Adam on Dice and cross-entropy. */
export async function openStep(
  model: SamModel,
  shape: BatchShape,
  session: Omit<SessionOptions, 'fold'>,
  passes = 1,
): Promise<StepSession> {
  const optimiser = { optimiser: 'adam', weightDecay: 0, clipNorm: 0, accumulate: 1 } as const;
  const { step, start } = maskTraining(
    model,
    { shape, passes },
    { seed: 0, train: 'decoder', loss: 'dice-ce', ...optimiser },
  );
  return StepSession.open(step, { weights: start }, session);
}

/** A batch of made-up embeddings, boxes and targets. */
export function stepFeeds({ config }: SamModel, { images, boxesPerImage }: BatchShape): Record<string, Tensor> {
  const count = images * boxesPerImage;
  const embedding = [images, config.decoder.hidden_size, config.grid, config.grid];
  const mask = [count, 1, config.maskSize, config.maskSize];
  const boxes = Array.from({ length: count }, (_, i) => [112, 204, 634, 727].map((corner) => corner + 8 * i));
  return {
    embeddings: float16(halfNoise(sizeOf(embedding)), embedding),
    boxes: float32(Float32Array.from(boxes.flat()), [images, boxesPerImage, 4]),
    target: float32(
      formula('target', sizeOf(mask), 1).map((x) => (x > 0.3 ? 1 : 0)),
      mask,
    ),
  };
}

/** Bits of half floats of either sign between 0.5 and 1. A loop: `from` would fill the memory that a row measures. */
function halfNoise(count: number): Uint16Array {
  const bits = new Uint16Array(count);
  const noise = formula('embeddings', count, 1);
  for (let i = 0; i < count; i++) bits[i] = (noise[i]! < 0 ? 0xb800 : 0x3800) | (Math.abs(noise[i]!) * 0x3ff);
  return bits;
}
