import { setImmediate } from 'node:timers/promises';
import type { Point } from '../dataset/points.ts';
import type { LabelledBox } from '../dataset/prompts.ts';
import { cast, input, reshape } from '../graph/index.ts';
import type { Session, SessionOptions } from '../runtime/session.ts';
import { float16 } from '../runtime/tensor.ts';
import { decode } from '../sam/mask-decoder.ts';
import type { SamModel } from '../sam/model.ts';
import { frozenParameters } from '../sam/parameters.ts';
import { upscaleMask } from '../sam/post-process.ts';
import { openSession } from './open-session.ts';
import { BOX_ALONE, type PromptShape, promptFeeds, promptInputs, scalePrompt } from './prompt-feeds.ts';

/** Prompts decoded in one run; a static shape, so a last, smaller group is filled up with repeats. */
const BATCH = 8;

/** An embedding (float16 bits [C, h, w]) and a box on it, and points, in pixels of the model input. */
export interface Prompted {
  readonly embedding: Uint16Array;
  readonly box: readonly number[];
  /** As many as the decoder was opened for. */
  readonly points?: readonly Point[];
}

export interface Prediction {
  /** Logits [4 h, 4 w] of the single mask. */
  readonly logits: Float32Array;
  /** The model's own estimate of the IoU. */
  readonly iou: number;
}

/** Prompt encoder and mask decoder in a session of their own. */
export class MaskDecoder {
  readonly model: SamModel;
  private readonly session: Session;

  private readonly shape: PromptShape;

  private constructor(session: Session, model: SamModel, shape: PromptShape) {
    this.session = session;
    this.model = model;
    this.shape = shape;
  }

  static async open(
    model: SamModel,
    session: Omit<SessionOptions, 'fold'>,
    shape: PromptShape = BOX_ALONE,
  ): Promise<MaskDecoder> {
    const { config } = model;
    const embeddings = input('embeddings', 'float16', [BATCH, config.decoder.hidden_size, config.grid, config.grid]);
    const prompts = promptInputs(shape, BATCH, 1);
    const parameters = frozenParameters(model.tensors);
    const { masks, iou } = decode(parameters, config, cast(embeddings, 'float32'), prompts, 'single');
    const outputs = { logits: reshape(masks, [BATCH, config.maskSize ** 2]), iou: reshape(iou, [BATCH]) };
    return new MaskDecoder(await openSession(outputs, session), model, shape);
  }

  async predict(prompted: readonly Prompted[], signal?: AbortSignal): Promise<Prediction[]> {
    const { decoder, grid, maskSize } = this.model.config;
    const size = decoder.hidden_size * grid * grid;
    const predictions: Prediction[] = [];
    for (let start = 0; start < prompted.length; start += BATCH) {
      signal?.throwIfAborted();
      const embeddings = new Uint16Array(BATCH * size);
      const batch = Array.from({ length: BATCH }, (_, i) => prompted[Math.min(start + i, prompted.length - 1)]!);
      for (const [i, { embedding }] of batch.entries()) embeddings.set(embedding, i * size);
      const prompts = batch.map(({ box, points = [] }) => ({ box, points }));
      const { logits, iou } = await this.session.run({
        embeddings: float16(embeddings, [BATCH, decoder.hidden_size, grid, grid]),
        ...promptFeeds(this.shape, prompts, 1),
      });
      for (let i = 0; i < Math.min(BATCH, prompted.length - start); i++) {
        const mask = (logits!.data as Float32Array).subarray(i * maskSize ** 2, (i + 1) * maskSize ** 2);
        predictions.push({ logits: mask, iou: Number(iou!.data[i]) });
      }
    }
    return predictions;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

export interface PromptedSlice {
  /** Float16 bits [C, h, w]. */
  readonly embedding: Uint16Array;
  readonly height: number;
  readonly width: number;
  /** Boxes (and points) in pixels of the slice, and the structure that is asked for in each. */
  readonly boxes: readonly LabelledBox[];
}

/** What was found on a slice [H, W]. */
export interface SegmentedSlice {
  /** The structure whose box has the largest logit, where that is above 0. */
  readonly labels: Uint8Array;
  /** That logit; -infinity in a slice without boxes. */
  readonly logits: Float32Array;
}

/** Segments slices inside their boxes. Boxes of one structure add up; of several, the surest has a pixel. */
export async function segmentSlices(
  decoder: MaskDecoder,
  slices: readonly PromptedSlice[],
  signal?: AbortSignal,
): Promise<SegmentedSlice[]> {
  const { processor, config } = decoder.model;
  const prompted = slices.flatMap(({ embedding, height, width, boxes }, slice) =>
    boxes.map(({ box, label, points = [] }) => ({
      ...{ slice, label, embedding },
      ...scalePrompt({ box, points }, height, width, processor),
    })),
  );
  const predictions = await decoder.predict(prompted, signal);
  const found = slices.map(({ height, width }) => ({
    labels: new Uint8Array(height * width),
    logits: new Float32Array(height * width).fill(Number.NEGATIVE_INFINITY),
  }));
  for (const [i, { logits }] of predictions.entries()) {
    // Tens of milliseconds for each, on the caller's thread: heartbeats and cancellation have their turn in between.
    await setImmediate();
    signal?.throwIfAborted();
    const { slice, label } = prompted[i]!;
    const { height, width } = slices[slice]!;
    const full = upscaleMask(logits, config.maskSize, height, width, processor);
    lay(full, label, found[slice]!);
  }
  return found;
}

function lay(logits: Float32Array, label: number, { labels, logits: largest }: SegmentedSlice): void {
  for (let at = 0; at < logits.length; at++) {
    const logit = logits[at]!;
    if (logit <= largest[at]!) continue;
    largest[at] = logit;
    if (logit > 0) labels[at] = label;
  }
}
