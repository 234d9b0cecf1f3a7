import type { SessionOptions } from '../runtime/session.ts';
import type { SamModel } from '../sam/model.ts';
import type { FineTuneSettings } from './fine-tune.ts';
import { maskTraining } from './mask-training.ts';
import { Batches, type TrainingSlice } from './samples.ts';
import { secondsPerRun } from './seconds-per-run.ts';
import { StepSession } from './step.ts';
import { trainsEncoder } from './trainable.ts';

/** Steps that are measured, after one that warms up. */
const STEPS = 2;

/**
 * How long a training step takes on this machine: a few are made on made-up embeddings, in the shape that the settings
 * ask for. Where the encoder learns too, it is the share of the mask decoder. Throws RUNTIME_PROVIDER.
 */
export async function probeTrainingStep(
  model: SamModel,
  settings: FineTuneSettings,
  options: Omit<SessionOptions, 'fold'>,
): Promise<{ secondsPerStep: number }> {
  const { batchBoxes, boxesPerImage } = settings;
  const slices = madeUpSlices(model, batchBoxes / boxesPerImage, boxesPerImage);
  const batches = new Batches(slices, settings, model);
  const train = trainsEncoder(settings.train) ? 'decoder' : settings.train;
  const { step: definition, start } = maskTraining(model, batches, { ...settings, train });
  const session = await StepSession.open(definition, { weights: start }, options);
  try {
    let step = 0;
    const run = async () => {
      step += 1;
      for (let pass = 0; pass < batches.passes; pass++) {
        const feeds = await batches.training(step, 0, pass, settings);
        await session.step(step, settings.learningRate, feeds, pass === batches.passes - 1 ? batches.passes : 0);
      }
    };
    return { secondsPerStep: await secondsPerRun(run, { runs: STEPS }) };
  } finally {
    await session.close();
  }
}

/** Slices of the model's own size with objects of a quarter of its side; what they show does not change what a step costs. */
function madeUpSlices(model: SamModel, count: number, objects: number): TrainingSlice[] {
  const { decoder, grid, imageSize: size } = model.config;
  const image = new Uint16Array(decoder.hidden_size * grid ** 2).map((_, at) => HALF + (at % 512));
  const side = Math.floor(size / 4);
  const mask = new Uint8Array(size * size);
  for (let y = 0; y < side; y++) mask.fill(1, y * size, y * size + side);
  const object = { box: [0, 0, side, side] as const, mask };
  const slice = { image, height: size, width: size, objects: Array.from({ length: objects }, () => object) };
  return Array.from({ length: count }, () => slice);
}

/** 0.5 in half precision; the bits below it vary the value. */
const HALF = 0x3800;
