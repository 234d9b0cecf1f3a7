import { z } from 'zod';
import { Fault } from '../fault.ts';
import type { SamConfig } from './config.ts';
import { eachResizedRow } from './resize.ts';

/** `preprocessor_config.json` of SamImageProcessor; absent keys take its defaults. */
const Json = z.object({
  size: z.object({ longest_edge: z.int().positive() }).optional(),
  pad_size: z.object({ height: z.int().positive(), width: z.int().positive() }).optional(),
  image_mean: z.tuple([z.number(), z.number(), z.number()]).default([0.485, 0.456, 0.406]),
  image_std: z.tuple([z.number(), z.number(), z.number()]).default([0.229, 0.224, 0.225]),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  /** Pillow's code for bilinear; the only one that SAM uses. */
  resample: z.literal(2).default(2),
  // A checkpoint that leaves one of the steps out wants other pixels than those we make.
  do_resize: z.literal(true).default(true),
  do_rescale: z.literal(true).default(true),
  do_normalize: z.literal(true).default(true),
  do_pad: z.literal(true).default(true),
});

export interface SamProcessor {
  /** Side of the square model input; the longest edge of an image is resized to it. */
  readonly size: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  readonly rescale: number;
}

export function readProcessor(json: unknown, config: SamConfig): SamProcessor {
  const parsed = Json.safeParse(json ?? {});
  const issue = parsed.error?.issues[0];
  if (!parsed.success) return refuse(issue!.path.join('.'), issue!.message, 'a value that SamImageProcessor allows');
  const { size, pad_size, image_mean, image_std, rescale_factor } = parsed.data;
  const side = size?.longest_edge ?? config.imageSize;
  if (side !== config.imageSize) refuse('size.longest_edge', String(side), String(config.imageSize));
  if (pad_size && (pad_size.height !== side || pad_size.width !== side))
    refuse('pad_size', `${pad_size.height}x${pad_size.width}`, `${side}x${side}`);
  return { size: side, mean: image_mean, std: image_std, rescale: rescale_factor };
}

/** Height and width after the longest edge is resized to `size`; rounds half up, as the reference does. */
export function resizedShape(height: number, width: number, size: number): [number, number] {
  const scale = size / Math.max(height, width);
  return [Math.floor(height * scale + 0.5), Math.floor(width * scale + 0.5)];
}

/**
 * A grey image [H, W] of 0..255 as model input [3, size, size]: resized as Pillow does (antialiased bilinear on uint8),
 * normalised by channel, and padded with zeros below and to the right after normalising. Written to `out` from element
 * `at` on and returned in it; fresh memory for every image would cost as much as the resize.
 */
export function preprocess(
  pixels: Uint8Array,
  height: number,
  width: number,
  processor: SamProcessor,
  out = new Float32Array(3 * processor.size ** 2),
  at = 0,
): Float32Array {
  const { size } = processor;
  const [h, w] = resizedShape(height, width, size);
  eachResizedRow(pixels, height, width, h, w, rowWriter(processor, out, at, w));
  for (let channel = 0; channel < 3; channel++) {
    const start = at + channel * size ** 2;
    if (w < size) for (let y = 0; y < h; y++) out.fill(0, start + y * size + w, start + (y + 1) * size);
    out.fill(0, start + h * size, start + size ** 2);
  }
  return out;
}

/** Gives what writes row `y` of grey levels, four to a word, to each of the three channels. */
function rowWriter(processor: SamProcessor, out: Float32Array, at: number, width: number) {
  const { size } = processor;
  const levels = pairedLevels(processor);
  const firstByte = out.byteOffset + 4 * at;
  if (size % 4 === 0 && firstByte % 8 === 0) {
    const pairs = new Float64Array(out.buffer, firstByte, (3 * size ** 2) / 2);
    return (words: Uint32Array, y: number) => writePairs(words, levels, pairs, (y * size) / 2, size ** 2 / 2);
  }
  const single = new Float32Array(levels.buffer);
  return (words: Uint32Array, y: number) => {
    for (const [x, level] of new Uint8Array(words.buffer, 0, width).entries())
      for (let channel = 0; channel < 3; channel++)
        out[at + (channel * size + y) * size + x] = single[2 * ((channel << 16) | level)]!;
  };
}

/** Two pixels at once in a channel of `plane` pairs: each value checked and copied by itself takes 1.6 times as long. */
function writePairs(words: Uint32Array, levels: Float64Array, out: Float64Array, at: number, plane: number): void {
  let to = at;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    writePair(word & 0xffff, levels, out, to, plane);
    writePair(word >>> 16, levels, out, to + 1, plane);
    to += 2;
  }
}

/** `|` and `| 0` keep these sums small integers that need no check for overflow. */
function writePair(pair: number, levels: Float64Array, out: Float64Array, at: number, plane: number): void {
  out[at] = levels[pair]!;
  out[(at + plane) | 0] = levels[(1 << 16) | pair]!;
  out[(at + 2 * plane) | 0] = levels[(2 << 16) | pair]!;
}

const tables = new WeakMap<SamProcessor, Float64Array>();

/** [3, 65536]: by channel and two grey levels, the first in the lower byte, the two normalised float32 in one element. */
function pairedLevels(processor: SamProcessor): Float64Array {
  const known = tables.get(processor);
  if (known) return known;
  const { mean, std, rescale } = processor;
  const pairs = new Float32Array(3 * 65536 * 2);
  for (let channel = 0; channel < 3; channel++) {
    for (let pair = 0; pair < 65536; pair++) {
      const to = 2 * ((channel << 16) | pair);
      pairs[to] = ((pair & 255) * rescale - mean[channel]!) / std[channel]!;
      pairs[to + 1] = ((pair >> 8) * rescale - mean[channel]!) / std[channel]!;
    }
  }
  const made = new Float64Array(pairs.buffer);
  tables.set(processor, made);
  return made;
}

/** A box in pixels of an image [H, W] as a box in pixels of the model input, as SamProcessor scales it. */
export function scaleBox(box: readonly number[], height: number, width: number, processor: SamProcessor): number[] {
  const [h, w] = resizedShape(height, width, processor.size);
  return box.map((coordinate, i) => coordinate * (i % 2 === 0 ? w / width : h / height));
}

function refuse(key: string, found: string, expected: string): never {
  throw new Fault('SAM_PROCESSOR', {
    at: key,
    found,
    expected,
    fix: 'Use the preprocessor_config.json that belongs to the checkpoint',
  });
}
