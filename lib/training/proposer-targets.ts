import { setImmediate } from 'node:timers/promises';
import { randomOrder } from '../dataset/random.ts';
import { Fault } from '../fault.ts';
import { float32, type Tensor } from '../runtime/tensor.ts';
import { float16ToFloat32 } from '../safetensors.ts';
import { readEmbedding } from './embedding.ts';
import { headFeeds, type PlacedSlice, structureOf } from './proposer.ts';
import { insideShares, mapGrid, structureShares } from './proposer-cells.ts';
import type { HeadShape } from './proposer-head.ts';

/** A slice with its truth; one without any is a training slice like another. */
export interface ProposerSlice extends PlacedSlice {
  /** [H, W]: 0 where there is no structure, else its number from 1 to K. */
  readonly labels: Uint8Array;
}

/** A slice with what the head is to say of it. */
export interface Target extends ProposerSlice {
  /** [K, cells] */
  readonly shares: Float32Array;
  /** [cells] */
  readonly inside: Float32Array;
}

/** Throws TRAINING_NO_SAMPLES where no slice of `part` has a structure. */
export async function targetsOf(
  slices: readonly ProposerSlice[],
  { grid, structures }: HeadShape,
  part: 'train' | 'val',
  signal: AbortSignal | undefined,
): Promise<Target[]> {
  const targets: Target[] = [];
  for (const slice of slices) {
    await setImmediate();
    signal?.throwIfAborted();
    const cells = { height: slice.height, width: slice.width, grid: mapGrid(grid) };
    const shares = structureShares(slice.labels, structures, cells);
    targets.push({ ...slice, shares, inside: insideShares(cells) });
  }
  if (targets.some(({ shares }) => shares.some((share) => share > 0))) return targets;
  throw new Fault('TRAINING_NO_SAMPLES', {
    at: part,
    found: 'no slice with a structure for the box proposer',
    expected: 'at least one',
    fix: 'Lower slices.minForegroundPixels, or add patients',
  });
}

/** Mean and deviation of each channel over the embeddings' cells on the slices. */
export async function measureChannels(
  slices: readonly PlacedSlice[],
  { channels, grid }: HeadShape,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, Float32Array>> {
  const [sums, squares] = [new Float64Array(channels), new Float64Array(channels)];
  let count = 0;
  for (const { embedding, height, width } of slices) {
    await setImmediate();
    signal?.throwIfAborted();
    const values = float16ToFloat32(await readEmbedding(embedding));
    const inside = insideShares({ height, width, grid });
    for (let cell = 0; cell < grid ** 2; cell++) {
      if (inside[cell]! < 0.5) continue;
      count++;
      for (let channel = 0; channel < channels; channel++) {
        const value = values[channel * grid ** 2 + cell]!;
        sums[channel]! += value;
        squares[channel]! += value * value;
      }
    }
  }
  const variance = (at: number) => Math.max(0, squares[at]! / count - (sums[at]! / count) ** 2);
  return new Map([
    ['mean', Float32Array.from(sums, (sum) => sum / count)],
    ['deviation', Float32Array.from(sums, (_, at) => Math.sqrt(variance(at) + 1e-6))],
  ]);
}

/** Share of all cells that each structure covers. */
export function meanShares(targets: readonly Target[], shape: HeadShape): number[] {
  const cells = targets.reduce((total, { inside }) => total + sumOf(inside), 0);
  return Array.from({ length: shape.structures }, (_, k) => {
    return targets.reduce((total, { shares }) => total + sumOf(structureOf(shares, k, shape)), 0) / cells;
  });
}

const sumOf = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);

/** Which `count` slices of `of` a step (from 0) takes: an order that is drawn anew each time that all have been seen. */
export function drawnSlices(step: number, count: number, of: number, seed: number, stream: number): number[] {
  const orders = new Map<number, Int32Array>();
  return Array.from({ length: count }, (_, i) => {
    const [epoch, at] = [Math.floor((step * count + i) / of), (step * count + i) % of];
    const order = orders.get(epoch) ?? randomOrder(of, seed, stream, epoch);
    orders.set(epoch, order);
    return order[at]!;
  });
}

/** The feeds of `headLogits` and `headLoss`: shares [N, cells, K] and insides [N, cells, 1] beside the embeddings. */
export async function trainingFeeds(slices: readonly Target[], shape: HeadShape): Promise<Record<string, Tensor>> {
  const { structures, grid } = shape;
  const cells = mapGrid(grid) ** 2;
  const shares = new Float32Array(slices.length * cells * structures);
  const inside = new Float32Array(slices.length * cells);
  for (const [i, slice] of slices.entries()) {
    inside.set(slice.inside, i * cells);
    for (let k = 0; k < structures; k++) {
      const map = structureOf(slice.shares, k, shape);
      for (let cell = 0; cell < cells; cell++) shares[(i * cells + cell) * structures + k] = map[cell]!;
    }
  }
  return {
    ...(await headFeeds(slices, shape)),
    shares: float32(shares, [slices.length, cells, structures]),
    inside: float32(inside, [slices.length, cells, 1]),
  };
}
