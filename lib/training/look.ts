import { float16ToFloat32 } from '../safetensors.ts';
import { type CellGrid, insideShares, structureShares } from './proposer-cells.ts';

/** What a mask looks like to the model: mean embedding of its cells, and of the rest of the slice, [C] each. */
export interface Look {
  readonly mask: Float64Array;
  readonly rest: Float64Array;
}

/** Of an embedding (float16 bits [C, g, g]) and a mask [H, W] of 0 or 1. */
export function lookOf(embedding: Uint16Array, mask: Uint8Array, cells: CellGrid): Look {
  const count = cells.grid ** 2;
  const values = float16ToFloat32(embedding);
  const own = structureShares(mask, 1, cells);
  const rest = insideShares(cells).map((inside, cell) => inside - own[cell]!);
  const mean = (weights: Float32Array) => {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return Float64Array.from({ length: embedding.length / count }, (_, channel) => {
      let sum = 0;
      for (let cell = 0; cell < count; cell++) sum += weights[cell]! * values[channel * count + cell]!;
      return sum / Math.max(total, 1e-6);
    });
  };
  return { mask: mean(own), rest: mean(rest) };
}

/** Where a mask stands between the rest (0) and the mask (1) of another slice, along the line through both. */
export function likeness(of: Look, to: Look): number {
  let [along, length] = [0, 0];
  for (const [channel, rest] of to.rest.entries()) {
    const difference = to.mask[channel]! - rest;
    along += difference * (of.mask[channel]! - rest);
    length += difference ** 2;
  }
  return length > 0 ? along / length : 0;
}
