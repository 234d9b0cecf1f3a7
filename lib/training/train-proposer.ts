import { setImmediate } from 'node:timers/promises';
import { boxesOf } from '../dataset/prompts.ts';
import { random } from '../dataset/random.ts';
import { Fault } from '../fault.ts';
import { input } from '../graph/index.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { frozenParameters } from '../sam/parameters.ts';
import { Ahead } from './ahead.ts';
import { ShareMaps, structureOf } from './proposer.ts';
import { type BoxMode, exactly } from './proposer-boxes.ts';
import { mapGrid } from './proposer-cells.ts';
import { encodeProposer, type ModelGeometry } from './proposer-format.ts';
import { type HeadShape, headLogits, headLoss, headParameters, startOfHead } from './proposer-head.ts';
import { type BoxFigures, boxFigures, chooseRule, type ShareMap } from './proposer-quality.ts';
import {
  drawnSlices,
  meanShares,
  measureChannels,
  type ProposerSlice,
  type Target,
  targetsOf,
  trainingFeeds,
} from './proposer-targets.ts';
import { learningRateAt } from './schedule.ts';
import { type StepDefinition, StepSession } from './step.ts';

export type { ProposerSlice } from './proposer-targets.ts';

/** Bounded work: so many steps, more of them where there are more slices. */
const STEPS = { least: 400, most: 600, epochs: 60 } as const;
/** Slices of a step. */
export const IMAGES = 16;
const RATE = { learningRate: 3e-3, warmupSteps: 30, schedule: 'cosine' } as const;
const OPTIMISER = { kind: 'adamw', weightDecay: 0.01, clipNorm: 1 } as const;
/** Steps between two looks at the validation slices. */
const CHECK_EVERY = 50;
/** Steps of a training on so many slices, and how often it looks at the validation slices: after the last step once more. */
export function proposerAmount(slices: number): { readonly steps: number; readonly looks: number } {
  const steps = Math.min(STEPS.most, Math.max(STEPS.least, Math.ceil((STEPS.epochs * slices) / IMAGES)));
  return { steps, looks: Math.ceil(steps / CHECK_EVERY) + 1 };
}

/** Streams of random numbers under one seed, beside those of the model's own training. */
const STREAM = { order: 11, start: 12 } as const;

export interface ProposerTraining {
  readonly geometry: ModelGeometry;
  /** K. */
  readonly structures: number;
  readonly train: readonly ProposerSlice[];
  readonly val: readonly ProposerSlice[];
  readonly seed: number;
  /** What counts as a box: as the prompts of the model's own training. */
  readonly mode: BoxMode;
  readonly session: Omit<SessionOptions, 'fold'>;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (step: number, steps: number) => void;
}

export interface TrainedProposer {
  /** safetensors: see proposer-format.ts. */
  readonly bytes: Uint8Array;
  readonly figures: BoxFigures;
  /** Steps that were made, and that after which the validation loss was lowest. */
  readonly steps: number;
  readonly bestStep: number;
}

/**
 * Trains a small head on kept embeddings to tell which cells a structure covers, keeps its weights of the lowest validation
 * loss, and chooses on the validation slices how its maps become boxes. Deterministic: the same slices, seed, device and
 * thread count give the same bytes. Throws TRAINING_NO_SAMPLES and TRAINING_DIVERGED.
 */
export async function trainProposer(options: ProposerTraining): Promise<TrainedProposer> {
  const { geometry, structures, session, seed, signal, mode } = options;
  const shape: HeadShape = { channels: geometry.decoder.hidden_size, grid: geometry.grid, structures };
  const train = await targetsOf(options.train, shape, 'train', signal);
  const val = await targetsOf(options.val, shape, 'val', signal);
  const measured = await measureChannels(train, shape, signal);
  const draw = (...counters: number[]) => random(seed, STREAM.start, ...counters);
  const start = startOfHead(headParameters(shape), meanShares(train, shape), draw);
  const maps = await ShareMaps.open(shape, measured, session);
  try {
    const { weights, step, steps } = await learn({ ...options, shape, measured, start, train, val, maps });
    await maps.use(weights);
    const found = await maps.of(val, signal);
    const chosen: Awaited<ReturnType<typeof chooseRule>>[] = [];
    for (let k = 0; k < structures; k++) {
      chosen.push(await chooseRule(await shareMaps(val, found, k, shape, mode, signal), mode, signal));
    }
    const rules = chosen.map(({ rule }) => rule);
    const counts = chosen.map((choice) => choice.counts);
    const bytes = encodeProposer({ shape, weights, measured, rules, mode });
    return { bytes, figures: boxFigures(counts, val.length), steps, bestStep: step };
  } finally {
    await maps.close();
  }
}

interface Learning extends ProposerTraining {
  readonly shape: HeadShape;
  readonly measured: ReadonlyMap<string, Float32Array>;
  readonly start: Float32Array;
  readonly train: readonly Target[];
  readonly val: readonly Target[];
  readonly maps: ShareMaps;
}

async function learn(o: Learning): Promise<{ weights: Float32Array; step: number; steps: number }> {
  const { train, val, maps, shape, seed, signal } = o;
  const { steps } = proposerAmount(train.length);
  const session = await StepSession.open(definitionOf(o), { weights: o.start }, o.session);
  const drawn = (step: number) => drawnSlices(step, IMAGES, train.length, seed, STREAM.order).map((at) => train[at]!);
  const ahead = new Ahead((step) => trainingFeeds(drawn(step), shape), 0, steps);
  let best = { weights: o.start, step: 0, loss: Number.POSITIVE_INFINITY };
  try {
    for (let step = 1; step <= steps; step++) {
      signal?.throwIfAborted();
      const rate = learningRateAt(step, steps, RATE);
      const { loss, isSound } = await session.step(step, rate, await ahead.next(signal));
      if (!Number.isFinite(loss) || !isSound) throw diverged(step, loss);
      o.onStep?.(step, steps);
      if (step % CHECK_EVERY > 0 && step < steps) continue;
      const weights = await session.weights();
      await maps.use(weights);
      const valLoss = lossOf(val, await maps.of(val, signal), shape);
      if (valLoss < best.loss) best = { weights, step, loss: valLoss };
    }
    return { ...best, steps };
  } finally {
    await session.close();
  }
}

export function definitionOf({ shape, measured }: Pick<Learning, 'shape' | 'measured'>): StepDefinition {
  const cells = mapGrid(shape.grid) ** 2;
  return {
    layout: headParameters(shape).layout,
    frozen: frozenParameters(measured),
    build: (parameters) => {
      const shares = input('shares', 'float32', [IMAGES, cells, shape.structures]);
      const inside = input('inside', 'float32', [IMAGES, cells, 1]);
      return { loss: headLoss(headLogits(parameters, shape, IMAGES), shares, inside) };
    },
    optimiser: OPTIMISER,
  };
}

/** As `headLoss`, of all slices at once. */
function lossOf(targets: readonly Target[], found: readonly Float32Array[], shape: HeadShape): number {
  let loss = 0;
  for (let k = 0; k < shape.structures; k++) {
    let [over, total, crossEntropy, count] = [0, 0, 0, 0];
    for (const [at, { shares, inside }] of targets.entries()) {
      const [truths, maps] = [structureOf(shares, k, shape), structureOf(found[at]!, k, shape)];
      for (const [cell, weight] of inside.entries()) {
        const [truth, p] = [truths[cell]!, maps[cell]!];
        over += truth * p * weight ** 2;
        total += (truth ** 2 + p ** 2) * weight ** 2;
        crossEntropy -= weight * (truth * log(p) + (1 - truth) * log(1 - p));
        count += weight;
      }
    }
    loss += (crossEntropy / count + 1 - (2 * over) / (total + 1e-5)) / shape.structures;
  }
  return loss;
}

const log = (p: number): number => Math.log(Math.max(p, 1e-7));

/** One structure's maps beside its true boxes. */
export async function shareMaps(
  targets: readonly Target[],
  found: readonly Float32Array[],
  k: number,
  shape: HeadShape,
  mode: BoxMode,
  signal: AbortSignal | undefined,
): Promise<ShareMap[]> {
  const maps: ShareMap[] = [];
  for (const [at, { labels, height, width }] of targets.entries()) {
    await setImmediate();
    signal?.throwIfAborted();
    const mask = labels.map((label) => (label === k + 1 ? 1 : 0));
    const truth = boxesOf(mask, height, width, exactly(mode)).map(({ box }) => box);
    const cells = { height, width, grid: mapGrid(shape.grid) };
    maps.push({ cells, shares: structureOf(found[at]!, k, shape), truth });
  }
  return maps;
}

const diverged = (step: number, loss: number): Fault =>
  new Fault('TRAINING_DIVERGED', {
    at: `box proposer, step ${step}`,
    found: `a loss of ${loss}`,
    expected: 'finite numbers',
    fix: 'Check that the model gives finite embeddings on these slices',
  });
