import { createHash } from 'node:crypto';
import { type Slice, slicesOf } from './slices.ts';
import { decodeSlices } from './slices-record.ts';

/** Some of a patient's slices in one plane, whose pixels lie side by side. */
export interface ShardRun {
  readonly height: number;
  readonly width: number;
  readonly index: Int32Array;
  /** [N, H, W] */
  readonly pixels: Uint8Array;
}

/** Slices that follow each other, plane by plane. */
export function runsOf(slices: readonly Slice[]): ShardRun[] {
  return [...new Set(slices.map(({ stack }) => stack))].map((stack) => {
    const own = slices.filter((slice) => slice.stack === stack);
    const area = stack.height * stack.width;
    const first = stack.index.indexOf(own[0]!.index);
    return {
      ...{ height: stack.height, width: stack.width, index: Int32Array.from(own, ({ index }) => index) },
      pixels: stack.pixels.subarray(first * area, (first + own.length) * area),
    };
  });
}

/** SHA-256 (hex) of the pixels: with the model it decides the embeddings. */
export const pixelDigest = ({ pixels }: ShardRun): string => createHash('sha256').update(pixels).digest('hex');

/** The digests of all shards that an artifact `slices` is cut into, at each of these numbers of slices a shard. */
export function shardDigests(slices: Uint8Array, sizes: readonly number[]): string[] {
  const all = slicesOf(decodeSlices(slices));
  const starts = (size: number): number[] => all.flatMap((_, at) => (at % size === 0 ? [at] : []));
  return sizes.flatMap((size) => starts(size).flatMap((from) => runsOf(all.slice(from, from + size)).map(pixelDigest)));
}
