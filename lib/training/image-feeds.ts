import { float16, float32, type Tensor } from '../runtime/tensor.ts';
import type { SamModel } from '../sam/model.ts';
import { preprocess } from '../sam/processor.ts';
import { type Embedding, readEmbedding } from './embedding.ts';

/** What a slice brings of its image: the embedding that was kept of it, or itself. */
export interface SliceImage {
  /** An embedding, or grey values [H, W]. */
  readonly image: Embedding | Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** `embeddings` [N, C, h, w] in half precision or `pixels` [N, 3, S, S]. A slice that stands there twice is read once. */
export async function imageFeeds(
  slices: readonly SliceImage[],
  { config, processor }: SamModel,
): Promise<Record<string, Tensor>> {
  if (slices[0]!.image instanceof Uint8Array) {
    const size = 3 * config.imageSize ** 2;
    const pixels = new Float32Array(slices.length * size);
    for (const [i, { image, height, width }] of slices.entries()) {
      preprocess(image as Uint8Array, height, width, processor, pixels, i * size);
    }
    return { pixels: float32(pixels, [slices.length, 3, config.imageSize, config.imageSize]) };
  }
  const shape = [config.decoder.hidden_size, config.grid, config.grid];
  const size = shape.reduce((product, axis) => product * axis, 1);
  const embeddings = new Uint16Array(slices.length * size);
  const images = slices.map(({ image }) => image as Embedding);
  const put = async (image: Embedding): Promise<void> => {
    const values = await readEmbedding(image);
    for (const [i, other] of images.entries()) if (other === image) embeddings.set(values, i * size);
  };
  await Promise.all([...new Set(images)].map(put));
  return { embeddings: float16(embeddings, [slices.length, ...shape]) };
}
