import { atPrecision, cast, input, type Precision } from '../graph/index.ts';
import type { Session, SessionOptions } from '../runtime/session.ts';
import { float32 } from '../runtime/tensor.ts';
import type { SamModel } from '../sam/model.ts';
import { frozenParameters } from '../sam/parameters.ts';
import { preprocess } from '../sam/processor.ts';
import { visionEncoder } from '../sam/vision-encoder.ts';
import { openSession } from './open-session.ts';

/** About as many tokens as keep every core busy; a larger batch only takes more memory. */
const TOKENS_PER_RUN = 2048;

/**
 * Slices that the encoder takes in one run; a last, smaller group is filled up with repeats. In 8 bits one scale holds for
 * all activations of a run: a slice alone, or its embedding would depend on its neighbours.
 */
export const slicesPerRun = ({ grid }: Pick<SamModel['config'], 'grid'>, precision: PrecisionChoice): number =>
  precision === 'int8' ? 1 : Math.max(1, Math.floor(TOKENS_PER_RUN / grid ** 2));

/** As `model.precision` of the run configuration. */
export type PrecisionChoice = Precision | 'auto';

/** `auto` is single precision on processors, which have no faster half, and half precision on graphics cards. */
function precisionOn(device: SessionOptions['device'], choice: PrecisionChoice): Precision {
  if (choice !== 'auto') return choice;
  return (device ?? 'cpu') === 'cpu' ? 'float32' : 'float16';
}

/** The image encoder in a session of its own: grey slices in, half-precision embeddings out. */
export class ImageEncoder {
  /** [C, h, w] of one embedding. */
  readonly embeddingShape: readonly [number, number, number];
  private readonly session: Session;
  private readonly model: SamModel;
  private readonly batch: number;

  private constructor(session: Session, model: SamModel, batch: number) {
    this.session = session;
    this.model = model;
    this.batch = batch;
    this.embeddingShape = [model.config.decoder.hidden_size, model.config.grid, model.config.grid];
  }

  static async open(
    model: SamModel,
    { precision = 'auto', ...session }: Omit<SessionOptions, 'fold'> & { precision?: PrecisionChoice },
  ): Promise<ImageEncoder> {
    const { config } = model;
    const used = precisionOn(session.device, precision);
    const batch = slicesPerRun(config, used);
    const pixels = input('pixels', 'float32', [batch, 3, config.imageSize, config.imageSize]);
    const encoded = visionEncoder(frozenParameters(model.tensors), config, pixels);
    const embeddings = cast(atPrecision(encoded, used), 'float16');
    return new ImageEncoder(await openSession({ embeddings }, session), model, batch);
  }

  /**
   * Embeds slices [N, H, W] of 0..255: float16 bits [N, C, h, w]. Each slice's embedding is the same whatever lies
   * beside it in the batch: a batch is always full, with repeats of its last slice.
   */
  async encode(
    pixels: Uint8Array,
    count: number,
    height: number,
    width: number,
    signal?: AbortSignal,
  ): Promise<Uint16Array> {
    const { batch, model } = this;
    const image = 3 * model.config.imageSize ** 2;
    const size = this.embeddingShape[0] * this.embeddingShape[1] * this.embeddingShape[2];
    const result = new Uint16Array(count * size);
    const feed = new Float32Array(batch * image);
    for (let start = 0; start < count; start += batch) {
      signal?.throwIfAborted();
      for (let i = 0; i < batch; i++) {
        const slice = Math.min(start + i, count - 1) * height * width;
        preprocess(pixels.subarray(slice, slice + height * width), height, width, model.processor, feed, i * image);
      }
      const shape = [batch, 3, model.config.imageSize, model.config.imageSize];
      const { embeddings } = await this.session.run({ pixels: float32(feed, shape) });
      const used = Math.min(batch, count - start) * size;
      result.set((embeddings!.data as Uint16Array).subarray(0, used), start * size);
    }
    return result;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
