import { random } from '../dataset/random.ts';
import { add, input, matmul, type Shape, topological, type Value } from '../graph/index.ts';
import type { SamModel } from '../sam/model.ts';
import { type FlatEntry, flatLayout, type Parameters } from '../sam/parameters.ts';

/** As `training.train` of the run configuration. */
export type Trainable = 'decoder' | 'decoder-and-prompts' | 'everything' | { readonly lora: number };

/** Whether the encoder changes while training, so that no embedding can be kept. */
export const trainsEncoder = (choice: Trainable): boolean => choice === 'everything' || typeof choice === 'object';

/** What learns, where it starts, and how it enters the model. */
export interface Learner {
  readonly layout: readonly FlatEntry[];
  /** Values to start from, by the names in the layout. */
  readonly start: ReadonlyMap<string, Float32Array>;
  /** The model's parameters, made of what is learned and what is frozen. */
  readonly adapt: (parameters: Parameters) => Parameters;
  /** Learned values as tensors of the model, under their Hugging Face names. */
  readonly merge: (learned: ReadonlyMap<string, Float32Array>) => Map<string, Float32Array>;
}

/** A random matrix that stays as it was drawn, in the reference implementation too. */
const isFixed = (name: string): boolean => name.endsWith('positional_embedding');

const CHOSEN: Readonly<Record<Extract<Trainable, string>, (name: string) => boolean>> = {
  decoder: (name) => name.startsWith('mask_decoder.'),
  'decoder-and-prompts': (name) => /^(mask_decoder|prompt_encoder)\./.test(name),
  everything: () => true,
};

/** Names and shapes of the parameters that a choice asks for, of a model with these tensors. */
export function candidateShapes(shapes: ReadonlyMap<string, Shape>, choice: Trainable): Map<string, Shape> {
  const chosen = CHOSEN[typeof choice === 'object' ? 'decoder' : choice];
  return new Map([
    ...[...shapes].filter(([name]) => chosen(name) && !isFixed(name)),
    ...lowRankUpdates(shapes, choice).flatMap(({ a, b }) => [a, b]),
  ]);
}

/**
 * Chooses what learns: of the parameters asked for, those that the loss depends on. The others (proposals that no loss
 * sees) keep their values, which spares an optimiser's memory and weight decay without learning.
 */
export function learner(
  model: SamModel,
  choice: Trainable,
  seed: number,
  loss: (parameters: Parameters) => Value,
): Learner {
  const lowRank = lowRankUpdates(model.shapes, choice);
  const candidates = candidateShapes(model.shapes, choice);
  const adapt = (parameters: Parameters): Parameters => withLowRank(parameters, lowRank);
  const layout = flatLayout(reachedBy((parameters) => loss(adapt(parameters)), candidates));
  return {
    layout,
    start: new Map([...model.tensors, ...lowRank.flatMap((update, at) => startOf(update, seed, at))]),
    adapt,
    merge: (learned) => merged(model, lowRank, learned),
  };
}

/** W + B A: A [rank, in] starts small and random, B [out, rank] at zero, so that the update starts at nothing. */
interface LowRank {
  readonly weight: string;
  readonly a: readonly [string, Shape];
  readonly b: readonly [string, Shape];
}

/** Low-rank updates of the encoder's attention (LoRA, Hu et al. 2021): qkv and output projection of every block. */
function lowRankUpdates(shapes: ReadonlyMap<string, Shape>, choice: Trainable): LowRank[] {
  if (typeof choice !== 'object') return [];
  const rank = choice.lora;
  return [...shapes]
    .filter(([name]) => /^vision_encoder\.layers\.\d+\.attn\.(qkv|proj)\.weight$/.test(name))
    .map(([weight, shape]) => ({
      weight,
      a: [`lora.${weight}.a`, [rank, shape[1]!]] as const,
      b: [`lora.${weight}.b`, [shape[0]!, rank]] as const,
    }));
}

function withLowRank(parameters: Parameters, updates: readonly LowRank[]): Parameters {
  const byWeight = new Map(updates.map((update) => [update.weight, update]));
  return (name, shape) => {
    const update = byWeight.get(name);
    const weight = parameters(name, shape);
    return update ? add(weight, matmul(parameters(...update.b), parameters(...update.a))) : weight;
  };
}

/** Streams of random numbers of the low-rank updates lie apart from those of batches. */
const STREAM = 3;

function startOf({ a, b }: LowRank, seed: number, at: number): [string, Float32Array][] {
  const [rank, width] = a[1] as [number, number];
  const bound = 1 / Math.sqrt(width);
  const values = Float32Array.from({ length: rank * width }, (_, i) => bound * (2 * random(seed, STREAM, at, i) - 1));
  return [
    [a[0], values],
    [b[0], new Float32Array(b[1][0]! * rank)],
  ];
}

function merged(
  model: SamModel,
  updates: readonly LowRank[],
  learned: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  const tensors = new Map([...learned].filter(([name]) => model.shapes.has(name)));
  for (const { weight, a, b } of updates) {
    const [rank, width] = a[1] as [number, number];
    const [left, right] = [learned.get(b[0])!, learned.get(a[0])!];
    const sum = model.tensors.get(weight)!.slice();
    for (let i = 0; i < sum.length; i++) {
      const [row, column] = [Math.floor(i / width), i % width];
      for (let r = 0; r < rank; r++) sum[i]! += left[row * rank + r]! * right[r * width + column]!;
    }
    tensors.set(weight, sum);
  }
  return tensors;
}

/** Those of the parameters that a value depends on. */
function reachedBy(
  value: (parameters: Parameters) => Value,
  candidates: ReadonlyMap<string, Shape>,
): (readonly [string, Shape])[] {
  const asked = new Map<string, Value>();
  const result = value((name, shape) => {
    const known = asked.get(name) ?? input(name, 'float32', shape);
    asked.set(name, known);
    return known;
  });
  const reached = new Set(topological([result]));
  return [...candidates].filter(([name]) => {
    const parameter = asked.get(name);
    return parameter !== undefined && reached.has(parameter.node);
  });
}
