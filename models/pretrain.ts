import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { random } from '../lib/dataset/random.ts';
import { add, input, meanAll, mul, reshape, sum } from '../lib/graph/index.ts';
import { float32, type Tensor } from '../lib/runtime/tensor.ts';
import { readSamConfig } from '../lib/sam/config.ts';
import { decode } from '../lib/sam/mask-decoder.ts';
import { encodeCheckpoint, parameterShapes } from '../lib/sam/model.ts';
import { flatLayout, frozenParameters, type Parameters } from '../lib/sam/parameters.ts';
import { preprocess, readProcessor } from '../lib/sam/processor.ts';
import { visionEncoder } from '../lib/sam/vision-encoder.ts';
import { diceCrossEntropy, overlapEach, squaredError } from '../lib/training/losses.ts';
import { openSession } from '../lib/training/open-session.ts';
import { learningRateAt } from '../lib/training/schedule.ts';
import { packFlat, StepSession, unpackFlat } from '../lib/training/step.ts';
import { lowResolutionTarget } from '../lib/training/targets.ts';
import { initialWeights } from './initial-weights.ts';
import { proceduralImage } from './procedural-images.ts';

/**
 * `npm run pretrain`: trains sam-nano from scratch, encoder too, on procedural images, and writes the checkpoint and its
 * model card. Deterministic by seed, thread count and library version.
 */
const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '8000' },
    seed: { type: 'string', default: '20260' },
    threads: { type: 'string', default: '2' },
    'held-out': { type: 'string', default: '200' },
    out: { type: 'string', default: new URL('./sam-nano/', import.meta.url).pathname },
  },
});
const [steps, seed, threads] = [options.steps, options.seed, options.threads].map(Number) as [number, number, number];

const IMAGES = 8;
const BOXES = 4;
/** Each side of a training box moves by up to this share of its longer side, plus a pixel, mostly outward; at most the limit. */
const JITTER = { share: 0.15, limit: 11 };
const OPTIMISER = { kind: 'adamw', weightDecay: 0.05, clipNorm: 1 } as const;
const SCHEDULE = { learningRate: 8e-4, warmupSteps: 200, schedule: 'cosine' } as const;
/** Held-out images have numbers that training never reaches. */
const HELD_OUT = { first: 1_000_000_000, count: Number(options['held-out']) };

const folder = new URL('./sam-nano/', import.meta.url);
const readJson = async (name: string) => JSON.parse(await readFile(new URL(name, folder), 'utf8')) as unknown;
const config = readSamConfig(await readJson('config.json'));
const processor = readProcessor(await readJson('preprocessor_config.json'), config);
const shapes = parameterShapes(config);
const { imageSize, maskSize } = config;

/** The positional projection is a fixed random matrix, as in the reference; mask prompts and proposals are not trained. */
const trained = [...shapes].filter(([name]) => !name.endsWith('positional_embedding') && !name.includes('mask_embed'));
const layout = flatLayout(trained);

interface Batch {
  readonly feeds: Record<string, Tensor>;
}

function makeBatch(firstImage: number, images: number, jitter: number): Batch {
  const pixels = new Float32Array(images * 3 * imageSize * imageSize);
  const boxes = new Float32Array(images * BOXES * 4);
  const targets = new Float32Array(images * BOXES * maskSize * maskSize);
  for (let i = 0; i < images; i++) {
    // An image where nothing is large enough to ask for gives its place to its neighbour.
    let number = firstImage + i;
    let image = proceduralImage(seed, number, imageSize);
    for (let retry = 1; image.masks.length === 0; retry++) {
      number = firstImage + i + retry * 500_000_000;
      image = proceduralImage(seed, number, imageSize);
    }
    pixels.set(preprocess(image.pixels, imageSize, imageSize, processor), i * 3 * imageSize * imageSize);
    for (let k = 0; k < BOXES; k++) {
      const mask = image.masks[k % image.masks.length]!;
      boxes.set(jitteredBox(mask, jitter, number, k), (i * BOXES + k) * 4);
      targets.set(lowResolutionTarget(mask, imageSize, imageSize, maskSize), (i * BOXES + k) * maskSize * maskSize);
    }
  }
  return {
    feeds: {
      pixels: float32(pixels, [images, 3, imageSize, imageSize]),
      boxes: float32(boxes, [images, BOXES, 4]),
      target: float32(targets, [images * BOXES, 1, maskSize, maskSize]),
    },
  };
}

function jitteredBox(mask: Uint8Array, jitter: number, image: number, k: number): number[] {
  let [x0, y0, x1, y1] = [imageSize, imageSize, 0, 0];
  for (let at = 0; at < mask.length; at++) {
    if (!mask[at]) continue;
    const [x, y] = [at % imageSize, Math.floor(at / imageSize)];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
  }
  const reach = jitter * Math.min(JITTER.limit, 1 + JITTER.share * Math.max(x1 - x0, y1 - y0));
  const move = (side: number) => reach * (1.3 * random(seed, image, k, side) - 0.3);
  const clamp = (value: number) => Math.min(imageSize, Math.max(0, value));
  return [clamp(x0 - move(0)), clamp(y0 - move(1)), clamp(x1 + move(2)), clamp(y1 + move(3))];
}

/** Mask, IoU and embedding from pixels and boxes, all in one graph. */
function forward(parameters: Parameters, images: number) {
  const pixels = input('pixels', 'float32', [images, 3, imageSize, imageSize]);
  const boxes = input('boxes', 'float32', [images, BOXES, 4]);
  const { masks, iou } = decode(parameters, config, visionEncoder(parameters, config, pixels), { boxes }, 'single');
  const count = images * BOXES;
  return { logits: reshape(masks, [count, 1, maskSize, maskSize]), iou: reshape(iou, [count]) };
}

const target = (images: number) => input('target', 'float32', [images * BOXES, 1, maskSize, maskSize]);
const build = (parameters: Parameters) => {
  const { logits, iou } = forward(parameters, IMAGES);
  const truth = target(IMAGES);
  const scores = overlapEach(logits, truth);
  const loss = meanAll(add(diceCrossEntropy(logits, truth), squaredError(iou, scores.iou)));
  return { loss, figures: { dice: mul(sum(scores.dice, [0]), 1 / (IMAGES * BOXES)) } };
};

/** Mean Dice at the low resolution over images that training never saw, with boxes moved by up to half the jitter. */
async function heldOutDice(tensors: ReadonlyMap<string, Float32Array>): Promise<number> {
  const { logits } = forward(frozenParameters(tensors), IMAGES);
  const session = await openSession({ dice: overlapEach(logits, target(IMAGES)).dice }, { threads });
  let total = 0;
  for (let i = 0; i < HELD_OUT.count; i += IMAGES) {
    const { dice } = await session.run(makeBatch(HELD_OUT.first + i, IMAGES, 0.5).feeds);
    total += (dice!.data as Float32Array).reduce((a, b) => a + b, 0);
  }
  await session.close();
  return total / (HELD_OUT.count * BOXES);
}

async function save(tensors: ReadonlyMap<string, Float32Array>, dice: number): Promise<void> {
  await mkdir(options.out, { recursive: true });
  await writeFile(`${options.out}/model.safetensors`, encodeCheckpoint(shapes, tensors));
  await writeFile(`${options.out}/README.md`, modelCard(dice));
}

const initial = initialWeights(shapes, seed);
const weights = packFlat(layout, initial);
const session = await StepSession.open(
  { layout, frozen: frozenParameters(initial), build, optimiser: OPTIMISER },
  { weights },
  { threads },
);
const current = async () => new Map([...initial, ...unpackFlat(layout, await session.weights())]);
const parameters = [...initial.values()].reduce((n, tensor) => n + tensor.length, 0);
console.log(`sam-nano: ${parameters} parameters, ${weights.length} trained, ${steps} steps`);

const started = Date.now();
const recent: number[] = [];
let batch = makeBatch(0, IMAGES, 1);
for (let step = 1; step <= steps; step++) {
  const running = session.step(step, learningRateAt(step, steps, SCHEDULE), batch.feeds);
  // The next batch is drawn while the session's thread computes.
  batch = makeBatch(step * IMAGES, IMAGES, 1);
  const { loss, dice } = await running;
  if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss} at step ${step}`);
  recent.push(dice!);
  if (step % 50 === 0) {
    const mean = recent.splice(0).reduce((a, b) => a + b, 0) / 50;
    const seconds = (Date.now() - started) / 1000;
    console.log(
      `step ${step}/${steps}  loss ${loss!.toFixed(4)}  dice ${mean.toFixed(4)}  ${(seconds / step).toFixed(3)} s/step  ${Math.round((seconds / step) * (steps - step))} s left`,
    );
  }
  if (step % 500 === 0 && step < steps) {
    const tensors = await current();
    const held = await heldOutDice(tensors);
    console.log(`held-out Dice ${held.toFixed(4)} after ${step} steps`);
    await save(tensors, held);
  }
}
const final = await current();
const dice = await heldOutDice(final);
console.log(`held-out Dice ${dice.toFixed(4)} on ${HELD_OUT.count} images with ${BOXES} boxes each`);
await save(final, dice);
await session.close();

function modelCard(score: number): string {
  return `---
license: apache-2.0
library_name: transformers
tags: [segment-anything, samflow]
---
# sam-nano

A SamModel of ${(parameters / 1e6).toFixed(2)} million parameters for demonstrations and tests: 256 px input, patch 16, four encoder layers of width 128, decoder of width 64.
Trained from scratch by samflow's own engine (\`npm run pretrain\`, encoder too) on procedurally made images: overlapping
blobs and polygons with texture, blur and noise. It has seen no anatomy, no scan and no phantom.

| what | value |
| --- | --- |
| zero-shot Dice on ${HELD_OUT.count} held-out procedural images, ${BOXES} boxes each, at ${maskSize} x ${maskSize} | ${score.toFixed(4)} |
| steps, batch | ${steps} steps of ${IMAGES} images with ${BOXES} boxes each |
| optimiser | AdamW ${SCHEDULE.learningRate}, weight decay ${OPTIMISER.weightDecay}, warm-up ${SCHEDULE.warmupSteps}, cosine, clip ${OPTIMISER.clipNorm} |
| loss | DiceCE on the single mask + squared error of the predicted IoU |
| box jitter | each side outward by up to 1 px and ${JITTER.share} of the longer side, at most ${JITTER.limit} px of 256; a third of it inward |
| seed, threads | ${seed}, ${threads} |

Boxes only: the three proposals of an ambiguous prompt, points and mask prompts were not trained. Not for clinical use.
`;
}
