import { readFileSync } from 'node:fs';
import { unpackMask } from '../../lib/dataset/packed-mask.ts';
import { decodeSafetensors } from '../../lib/safetensors.ts';
import { readSamModel, type SamModel } from '../../lib/sam/model.ts';
import type { FineTuneSettings } from '../../lib/training/fine-tune.ts';
import type { TrainingSlice } from '../../lib/training/samples.ts';

const folder = new URL('../fixtures/sam-tiny/', import.meta.url);

/** The files of the reference checkpoint: 128 px, 8 x 8 grid, random weights. */
export function tinyFiles() {
  return {
    config: JSON.parse(readFileSync(new URL('config.json', folder), 'utf8')) as Record<string, unknown>,
    preprocessor: null,
    tensors: decodeSafetensors(readFileSync(new URL('model.safetensors', folder))).tensors,
  };
}

export const tinyModel = (): SamModel => readSamModel(tinyFiles());

/** What a small training in a test says; single settings are laid over it. */
export const TINY_SETTINGS: FineTuneSettings = {
  seed: 7,
  train: 'decoder',
  epochs: 4,
  patience: 0,
  batchBoxes: 4,
  boxesPerImage: 1,
  boxesPerPass: 'auto',
  accumulate: 1,
  loss: 'dice-ce',
  optimiser: 'adamw',
  learningRate: 2e-3,
  weightDecay: 0.01,
  warmupSteps: 2,
  schedule: 'cosine',
  clipNorm: 1,
  checkpointEverySteps: 2,
  jitter: 0.1,
  jitterPixels: 1000,
};

/** Slices with made-up embeddings and `objects` squares each, whose places depend on the number. */
export function tinySlices(count: number, first = 0, objects = 1): TrainingSlice[] {
  return Array.from({ length: count }, (_, i) => {
    const at = first + i;
    // 0x3800 is 0.5 in half precision; the low bits vary it.
    const image = Uint16Array.from({ length: 32 * 8 * 8 }, (__, k) => 0x3800 + ((k * 31 + at * 17) % 1024));
    return { image, height: 64, width: 64, objects: Array.from({ length: objects }, (__, k) => square(at + 3 * k)) };
  });
}

/** The same slices as pictures: what an encoder in training sees. */
export const tinyPictures = (count: number, first = 0): TrainingSlice[] =>
  tinySlices(count, first).map((slice) => ({
    ...slice,
    image: unpackMask(slice.objects[0]!.mask).map((value) => 60 + 120 * value),
  }));

function square(at: number): TrainingSlice['objects'][number] {
  const [x0, y0] = [4 + ((at * 7) % 24), 6 + ((at * 5) % 20)];
  const mask = new Uint8Array(64 * 64);
  for (let y = y0; y < y0 + 20; y++) mask.fill(1, y * 64 + x0, y * 64 + x0 + 16);
  return { box: [x0, y0, x0 + 16, y0 + 20], mask };
}
