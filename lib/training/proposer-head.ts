import {
  add,
  cast,
  concat,
  cos,
  div,
  gelu,
  input,
  mul,
  reshape,
  type Shape,
  scalar,
  sigmoid,
  sin,
  slice,
  softplus,
  sub,
  sum,
  sumAll,
  swap,
  transpose,
  type Value,
} from '../graph/index.ts';
import { convolution3x3, linear } from '../sam/layers.ts';
import { type FlatEntry, flatLayout, type Parameters, traceParameters, under } from '../sam/parameters.ts';
import { COORDINATES, mapGrid, PARTS, PLACE_SIZE } from './proposer-cells.ts';

/** What decides the head's parameters and the shapes of its feeds. */
export interface HeadShape {
  /** Channels C and side g of an embedding. */
  readonly channels: number;
  readonly grid: number;
  /** K. */
  readonly structures: number;
}

/** Features of a cell by itself, and with its neighbours. */
const CELL = 32;
const HIDDEN = 64;
/** Each coordinate of a place by itself, and sine and cosine at so many octaves. */
const OCTAVES = 2;
const SMOOTH = 1e-5;

/** Parameters that are measured on the training slices, not learned: each channel's mean and deviation [C]. */
export const MEASURED = ['mean', 'deviation'] as const;

/** Learned parameters in their flat order, and all of them with their shapes. */
export function headParameters(shape: HeadShape): { layout: readonly FlatEntry[]; shapes: ReadonlyMap<string, Shape> } {
  const shapes = traceParameters((p) => headLogits(p, shape, 1));
  const measured: readonly string[] = MEASURED;
  return { layout: flatLayout([...shapes].filter(([name]) => !measured.includes(name))), shapes };
}

/**
 * Logits [N, (2 g)², K] of the share of each quarter of a cell that each structure covers. A cell's standardised channels and
 * its place go through one layer alone and one with the eight cells around it. Feeds: `embeddings`, float16 [N, C, g, g], and
 * `places`, float32 [N, g * g, 5].
 */
export function headLogits(p: Parameters, { channels, grid, structures }: HeadShape, count: number): Value {
  const embeddings = cast(input('embeddings', 'float16', [count, channels, grid, grid]), 'float32');
  const places = input('places', 'float32', [count, grid ** 2, PLACE_SIZE]);
  const rows = swap(reshape(embeddings, [count, channels, grid ** 2]));
  const standard = div(sub(rows, p('mean', [channels])), p('deviation', [channels]));
  const seen = linear(under(p, 'embedding'), standard, CELL);
  const placed = linear(under(p, 'place'), waves(places), CELL, { bias: false });
  const cell = reshape(gelu(add(seen, placed)), [count, grid, grid, CELL]);
  const context = add(convolution3x3(under(p, 'context'), cell, HIDDEN), p('context.bias', [HIDDEN]));
  const parts = linear(under(p, 'output'), gelu(context), PARTS ** 2 * structures);
  const inPlace = transpose(reshape(parts, [count, grid, grid, PARTS, PARTS, structures]), [0, 1, 3, 2, 4, 5]);
  return reshape(inPlace, [count, mapGrid(grid) ** 2, structures]);
}

function waves(places: Value): Value {
  const coordinates = slice(places, 2, 0, COORDINATES);
  const octaves = Array.from({ length: OCTAVES }, (_, octave) => mul(coordinates, Math.PI * 2 ** octave));
  return concat([places, ...octaves.flatMap((angle) => [sin(angle), cos(angle)])], 2);
}

/**
 * Cross-entropy plus soft Dice, the mean over structures; shares [N, cells, K] lie in 0..1, and each cell counts by
 * `inside` [N, cells, 1], the part of it that lies on the slice. The Dice is that of all slices together: one without a
 * structure would have none of its own.
 */
export function headLoss(logits: Value, shares: Value, inside: Value): Value {
  const structures = logits.shape.at(-1)!;
  const p = mul(sigmoid(logits), inside);
  const truth = mul(shares, inside);
  const crossEntropy = mul(sub(softplus(logits), mul(logits, shares)), inside);
  const cells = mul(sumAll(inside), structures);
  const over = sum(mul(p, truth), [0, 1]);
  const total = add(sum(mul(p, p), [0, 1]), sum(mul(truth, truth), [0, 1]));
  const overlap = div(add(mul(over, 2), SMOOTH), add(total, SMOOTH));
  const missed = sub(scalar(1), mul(sumAll(overlap), 1 / structures));
  return add(div(sumAll(crossEntropy), cells), missed);
}

/** The learned parameters at the start: uniform by their fan-in, as torch.nn.Linear, and the shares' logit as last bias. */
export function startOfHead(
  { layout }: { readonly layout: readonly FlatEntry[] },
  meanShares: readonly number[],
  draw: (...counters: number[]) => number,
): Float32Array {
  const values = new Float32Array(layout.reduce((total, { size }) => total + size, 0));
  for (const [at, { name, shape, offset, size }] of layout.entries()) {
    if (name === 'output.bias')
      values.set(
        Array.from({ length: size }, (_, i) => logit(meanShares[i % meanShares.length]!)),
        offset,
      );
    if (shape.length < 2) continue;
    const reach = 1 / Math.sqrt(size / shape[0]!);
    for (let i = 0; i < size; i++) values[offset + i] = reach * (2 * draw(at, i) - 1);
  }
  return values;
}

function logit(share: number): number {
  const bounded = Math.min(0.95, Math.max(1e-3, share));
  return Math.log(bounded / (1 - bounded));
}
