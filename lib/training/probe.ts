import { meanAll, type Value } from '../graph/index.ts';
import type { SessionOptions } from '../runtime/session.ts';
import type { SamModel } from '../sam/model.ts';
import { flatSize, frozenParameters, type Parameters } from '../sam/parameters.ts';
import type { FineTuneSettings } from './fine-tune.ts';
import { LOSSES } from './losses.ts';
import { maskGraph } from './mask-graph.ts';
import { Batches, type TrainingSlice } from './samples.ts';
import { secondsPerRun } from './seconds-per-run.ts';
import { packFlat, StepSession } from './step.ts';
import { learner, trainsEncoder } from './trainable.ts';

/** Steps that are measured, after one that warms up. */
const STEPS = 2;

/**
 * How long a training step takes on this machine: a few are made on made-up embeddings, in the shape that the settings
 * ask for. Where the encoder learns too, it is the share of the mask decoder. Throws RUNTIME_PROVIDER.
 */
export async function probeTrainingStep(
  model: SamModel,
  settings: FineTuneSettings,
  options: Omit<SessionOptions, 'carry'>,
): Promise<{ secondsPerStep: number }> {
  const { batchBoxes, boxesPerImage, optimiser, weightDecay, clipNorm, accumulate } = settings;
  const slices = madeUpSlices(model, batchBoxes / boxesPerImage, boxesPerImage);
  const batches = new Batches(slices, batchBoxes, boxesPerImage, model);
  const loss = (parameters: Parameters): Value => {
    const { logits, target, iou } = maskGraph(parameters, model, batches.shape, 'embeddings');
    return meanAll(LOSSES[settings.loss](logits, target, iou));
  };
  const train = trainsEncoder(settings.train) ? 'decoder' : settings.train;
  const { layout, start, adapt } = learner(model, train, settings.seed, loss);
  const zeros = new Float32Array(flatSize(layout));
  const session = await StepSession.open(
    {
      layout,
      frozen: frozenParameters(model.tensors),
      build: (parameters) => ({ loss: loss(adapt(parameters)) }),
      optimiser: { kind: optimiser, weightDecay, clipNorm },
      accumulates: accumulate > 1,
    },
    { weights: packFlat(layout, start), first: zeros, second: zeros },
    options,
  );
  try {
    let step = 0;
    const run = () => session.step(++step, settings.learningRate, batches.training(step, 0, settings));
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
