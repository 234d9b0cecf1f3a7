import { readFile } from 'node:fs/promises';
import { boundingBox } from '../../lib/dataset/components.ts';
import { decodeSafetensors } from '../../lib/safetensors.ts';
import { readSamModel, type SamModel } from '../../lib/sam/model.ts';
import { MaskDecoder, type Prompted } from '../../lib/training/decoder.ts';
import { ImageEncoder } from '../../lib/training/encoder.ts';
import { lowResolutionTarget } from '../../lib/training/targets.ts';
import { type ProceduralImage, proceduralImage } from '../../models/procedural-images.ts';
import { type BenchRow, load } from '../row.ts';
import { secondsOf } from '../side-by-side.ts';
import { compare, type EngineBench, type EngineRow, THREADS } from './bench.ts';
import { greySlice, SIDE } from './encode.ts';

type Precision = 'float32' | 'int8';

/** Our encoder in 8 bits against itself in float32: what it gains, and what it costs in accuracy. */
export const int8Row: EngineRow = {
  name: 'int8',
  measure: async (bench) => [await speedRow(bench), await accuracyRow(bench)],
};

async function speedRow(bench: EngineBench): Promise<BenchRow> {
  const open = (precision: Precision) => ImageEncoder.open(bench.model(), { threads: THREADS, precision });
  const encoders = await Promise.all([open('float32'), open('int8')]);
  const pixels = greySlice();
  const [reference, ours] = encoders.map((encoder) => () => secondsOf(() => encoder.encode(pixels, 1, SIDE, SIDE))) as [
    () => Promise<number>,
    () => Promise<number>,
  ];
  try {
    return await compare(
      {
        what: 'ViT-B encode at 1024: our float32 / our int8',
        ...{ target: 1.8, stretch: 2.1, repeats: 7 },
        note: 'the reference is our own float32',
        ...{ reference, ours },
      },
      bench,
    );
  } finally {
    await Promise.all(encoders.map((encoder) => encoder.close()));
  }
}

/** Images that sam-nano was not trained on: their numbers are out of reach of its training. */
const IMAGES = { seed: 20260, first: 1_000_000_000, count: 64 };

/** Random weights find nothing, so accuracy is that of sam-nano, which is trained. */
async function accuracyRow({ say }: EngineBench): Promise<BenchRow> {
  say('mask Dice of sam-nano, float32 and int8');
  const model = await readNano();
  const { seed, first, count } = IMAGES;
  const images = Array.from({ length: count }, (_, i) => proceduralImage(seed, first + i, model.config.imageSize));
  const [full, quantised] = [await meanDice(model, images, 'float32'), await meanDice(model, images, 'int8')];
  return {
    what: 'mask Dice that int8 embeddings lose',
    ...{ value: full - quantised, target: 0.005, sense: 'at most', unit: '' },
    note: `sam-nano on ${count} procedural images: ${full.toFixed(4)} in float32, ${quantised.toFixed(4)} in int8; ${load()}`,
  };
}

async function readNano(): Promise<SamModel> {
  const read = (name: string) => readFile(new URL(`../../models/sam-nano/${name}`, import.meta.url));
  const json = async (name: string) => JSON.parse((await read(name)).toString()) as unknown;
  return readSamModel({
    config: await json('config.json'),
    preprocessor: await json('preprocessor_config.json'),
    tensors: decodeSafetensors(await read('model.safetensors'), 'model.safetensors').tensors,
  });
}

/** Mean Dice over all objects at the decoder's resolution, each asked for by its exact box. */
async function meanDice(model: SamModel, images: readonly ProceduralImage[], precision: Precision): Promise<number> {
  const { imageSize: side, maskSize } = model.config;
  const encoder = await ImageEncoder.open(model, { threads: THREADS, precision });
  const decoder = await MaskDecoder.open(model, { threads: THREADS });
  const prompted: Prompted[] = [];
  for (const { pixels, masks } of images) {
    const embedding = await encoder.encode(pixels, 1, side, side);
    prompted.push(...masks.map((mask) => ({ embedding, box: boundingBox(mask, side, side)! })));
  }
  const predictions = await decoder.predict(prompted);
  await Promise.all([encoder.close(), decoder.close()]);
  const truths = images.flatMap(({ masks }) => masks);
  const dices = predictions.map(({ logits }, i) => dice(logits, lowResolutionTarget(truths[i]!, side, side, maskSize)));
  return dices.reduce((a, b) => a + b, 0) / dices.length;
}

function dice(logits: Float32Array, target: Float32Array): number {
  let [shared, total] = [0, 0];
  for (const [i, logit] of logits.entries()) {
    const [found, truth] = [logit > 0 ? 1 : 0, target[i]! > 0.5 ? 1 : 0];
    shared += found * truth;
    total += found + truth;
  }
  return total === 0 ? 1 : (2 * shared) / total;
}
